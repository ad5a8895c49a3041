import { type Document, type Operation, type Ref, refsOf } from './document.ts'
import { soundPath } from './mutations.ts'
import { put } from './rows.ts'
import { bodyWith } from './samples.ts'
import type { Answer, World } from './world.ts'

/** A place in the requests of an operation that holds the id of a resource. */
export interface Reference {
  operation: Operation
  ref: Ref
  name: string
}

export const referencesOf = (operation: Operation, document: Document): Reference[] =>
  refsOf(operation, document)
    .map(ref => ({ operation, ref, name: `${operation.id} ${ref.in} ${ref.path.join('/')}` }))
    .filter((one, i, all) => all.findIndex(other => other.name === one.name) === i)

/**
 * Asks an operation with this id in one place. Elsewhere it names the rows given; ids of its example that are none of these are left out of the
 * body, or they would be refused before.
 */
export function askWith(
  world: World,
  { operation, ref }: Reference,
  id: string,
  { headers, rows = new Map() }: { headers: Record<string, string>; rows?: ReadonlyMap<string, string> },
): Promise<Answer> {
  const body = operation.body ? structuredClone(operation.body.example ?? {}) : undefined
  if (body !== undefined) {
    for (const other of refsOf(operation, world.document)) {
      if (other.in === 'body' && other !== ref) put(body, other.path, rows.get(other.resource))
    }
  }
  const sent =
    ref.in === 'body' && operation.body
      ? bodyWith(operation.body.schema, { path: ref.path, id, example: body, document: world.document })
      : body
  const known = operation.parameters.flatMap(({ name, in: where, schema }) => {
    const row = rows.get(schema['x-ref'] ?? '')
    return where === 'path' && row !== undefined ? [[name, row]] : []
  })
  const values = { ...Object.fromEntries(known), ...(ref.in !== 'body' && { [ref.path[0] ?? '']: id }) }
  return world.request(operation.method, soundPath(operation, world.document, values), {
    body: sent === undefined ? undefined : JSON.stringify(sent),
    headers,
  })
}
