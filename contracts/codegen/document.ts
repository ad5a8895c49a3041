import { type Json, lookup } from './json.ts'

/** One contract file. `service` is its base name. References inside have lost their file part: names are global. */
export interface Document {
  file: string
  kind: 'openapi' | 'asyncapi'
  service: string
  content: Record<string, Json>
}

export interface Problem {
  file: string
  where: string
  message: string
}

/** The documents are not what the generator accepts; nothing was generated. */
export class ContractError extends Error {
  readonly problems: Problem[]
  constructor(problems: Problem[]) {
    super(problems.map(({ file, where, message }) => `${file}${where ? ` ${where}` : ''}: ${message}`).join('\n'))
    this.name = 'ContractError'
    this.problems = problems
  }
}

/** Replaces a reference to anything but a schema by its target, searched in all documents of the kind. */
export function deref(node: Json, documents: Document[], kind: Document['kind']): Json {
  if (node === null || typeof node !== 'object' || Array.isArray(node) || typeof node.$ref !== 'string') return node
  const pointer = node.$ref.slice(1)
  for (const document of documents) {
    const target = document.kind === kind ? lookup(document.content, pointer) : undefined
    if (target !== undefined) return deref(target, documents, kind)
  }
  throw new Error(`reference ${node.$ref} leads nowhere`)
}

/** The text of a node, empty when it holds none. */
export const text = (value: Json | undefined): string => (typeof value === 'string' ? value : '')
