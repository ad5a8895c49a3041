import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { parse } from 'yaml'
import { ContractError, type Document, type Problem } from './document.ts'
import { escapeStep, type Json, lookup } from './json.ts'
import { addReceivers } from './receivers.ts'
import type { Schema } from './schema.ts'

export interface ErrorReason {
  status: string
  message: string
  action: string
}

export interface Sources {
  documents: Document[]
  errors: Record<string, ErrorReason>
  /** Reason -> the file that declares it. */
  reasonFiles: Map<string, string>
  /** Schema name -> definition and the service (file) that owns it. */
  schemas: Map<string, { schema: Schema; service: string; file: string }>
  problems: Problem[]
}

/** Reads every document under `root` (`openapi/*.yaml`, `asyncapi/*.yaml`, `errors.yaml`), in the order of their names. */
export function loadSources(root: string): Sources {
  const problems: Problem[] = []
  const raw = new Map<string, Record<string, Json>>()
  const documents: Document[] = []
  for (const kind of ['asyncapi', 'openapi'] as const) {
    const folder = path.join(root, kind)
    const names = existsSync(folder)
      ? readdirSync(folder)
          .filter(name => name.endsWith('.yaml'))
          .sort()
      : []
    for (const name of names) {
      const file = `${kind}/${name}`
      const content = readYaml(path.join(root, file), file, problems)
      if (!content) continue
      raw.set(file, content)
      documents.push({ file, kind, service: path.basename(name, '.yaml'), content })
    }
  }
  // What cannot be read would make every reference to it a problem of its own.
  if (problems.length > 0) throw new ContractError(problems)
  for (const document of documents) document.content = localise(document, raw, problems) as Record<string, Json>
  addReceivers(documents, problems)
  const general = readYaml(path.join(root, 'errors.yaml'), 'errors.yaml', problems)
  const { errors, reasonFiles } = collectReasons(documents, general, problems)
  return { documents, errors, reasonFiles, schemas: collectSchemas(documents, problems), problems }
}

/** The reasons of `errors.yaml` and those that services declare in `x-reasons`. */
function collectReasons(documents: Document[], general: Record<string, Json> | undefined, problems: Problem[]) {
  const lists = [{ file: 'errors.yaml', list: general }, ...documents.map(({ file, content }) => ({ file, list: content['x-reasons'] }))]
  const errors: Record<string, ErrorReason> = {}
  const reasonFiles = new Map<string, string>()
  for (const { file, list } of lists) {
    for (const [reason, row] of Object.entries((list ?? {}) as Record<string, Json>)) {
      const other = reasonFiles.get(reason)
      if (other) problems.push({ file, where: `x-reasons/${reason}`, message: `${other} declares it already; a reason has one meaning` })
      errors[reason] = row as unknown as ErrorReason
      reasonFiles.set(reason, file)
    }
  }
  return { errors, reasonFiles }
}

function readYaml(absolute: string, file: string, problems: Problem[]): Record<string, Json> | undefined {
  try {
    return parse(readFileSync(absolute, 'utf8'), { maxAliasCount: 1000 }) as Record<string, Json>
  } catch (error) {
    problems.push({ file, where: '', message: error instanceof Error ? error.message : String(error) })
    return undefined
  }
}

/** Drops the file part of every reference after checking that its target exists. */
function localise(document: Document, raw: ReadonlyMap<string, Record<string, Json>>, problems: Problem[]): Json {
  const visit = (node: Json, where: string): Json => {
    if (Array.isArray(node)) return node.map((item, i) => visit(item, `${where}/${i}`))
    if (node === null || typeof node !== 'object') return node
    const copy: Record<string, Json> = {}
    for (const [key, value] of Object.entries(node)) copy[key] = visit(value, `${where}/${escapeStep(key)}`)
    if (typeof copy.$ref === 'string') {
      const [target = '', pointer = ''] = copy.$ref.split('#')
      const file = target === '' ? document.file : path.posix.join(path.posix.dirname(document.file), target)
      if (lookup(raw.get(file), pointer) === undefined) {
        problems.push({ file: document.file, where, message: `$ref ${copy.$ref} leads nowhere; correct the name, or define it there` })
      }
      copy.$ref = `#${pointer}`
    }
    if (copy.propertyName !== undefined && copy.mapping !== null && typeof copy.mapping === 'object') {
      copy.mapping = Object.fromEntries(Object.entries(copy.mapping).map(([name, target]) => [name, String(target).replace(/^[^#]*/, '')]))
    }
    return copy
  }
  return visit(document.content, '')
}

function collectSchemas(documents: Document[], problems: Problem[]): Sources['schemas'] {
  const schemas: Sources['schemas'] = new Map()
  for (const { file, service, content } of documents) {
    const own = (lookup(content, '/components/schemas') ?? {}) as Record<string, Json>
    for (const [name, schema] of Object.entries(own)) {
      const where = `/components/schemas/${name}`
      const other = schemas.get(name)
      if (other) problems.push({ file, where, message: `schema ${name} is defined in ${other.file} already; names are global` })
      else schemas.set(name, { schema: schema as Schema, service, file })
    }
  }
  return schemas
}
