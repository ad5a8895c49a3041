import { type Operation, refsOf } from './document.ts'
import type { World } from './world.ts'

/** An id that nothing has. */
export const unknown = '01980000-0000-7000-8000-0000000000ff'

/** Resource -> id of a row of a customer: whatever its lists show, and where a list is empty what the operation's own example creates. */
export async function rowsOf(world: World, headers: Record<string, string>, customer_id: string): Promise<Map<string, string>> {
  const found = new Map<string, string>([['customer', customer_id]])
  const lists = world.operations.filter(one => one.method === 'GET' && one.owner !== 'platform' && !one.path.includes('{'))
  // Twice: an example may name a row of a resource that comes later.
  for (const list of [...lists, ...lists]) {
    const reader = world.operations.find(one => one.method === 'GET' && one.path === `${list.path}/{id}`)
    const resource = reader && refsOf(reader, world.document).find(ref => ref.in === 'path')?.resource
    if (resource === undefined || found.has(resource)) continue
    const id = (await firstRow(world, headers, list.path)) ?? (await createRow(world, headers, list.path, found))
    if (id !== undefined) found.set(resource, id)
  }
  // A delivery comes of sending something.
  const webhook = found.get('webhook')
  if (webhook && !found.has('webhook_delivery')) {
    const { body } = await world.request('POST', `/v1.0/webhooks/${webhook}/test`, { headers })
    const id = (body as { id?: string } | undefined)?.id
    if (id !== undefined) found.set('webhook_delivery', id)
  }
  return found
}

async function firstRow(world: World, headers: Record<string, string>, path: string): Promise<string | undefined> {
  const { body } = await world.request('GET', `${path}?page_size=1`, { headers })
  return (body as { result?: { id?: string }[] } | undefined)?.result?.[0]?.id
}

async function createRow(
  world: World,
  headers: Record<string, string>,
  path: string,
  known: ReadonlyMap<string, string>,
): Promise<string | undefined> {
  const operation = world.operations.find(one => one.method === 'POST' && one.path === path)
  if (!operation?.body) return undefined
  const answer = await world.request('POST', path, { body: JSON.stringify(exampleWith(operation, world, known)), headers })
  return (answer.body as { id?: string } | undefined)?.id
}

/** The example of an operation's body, with ids of rows that are there. */
export function exampleWith(operation: Operation, { document }: World, known: ReadonlyMap<string, string>): unknown {
  const body = structuredClone(operation.body?.example ?? {})
  for (const ref of refsOf(operation, document)) if (ref.in === 'body') put(body, ref.path, known.get(ref.resource) ?? unknown)
  return body
}

/** Replaces the ids that an example holds at this place by another, or takes them out. */
export function put(target: unknown, path: readonly string[], id: string | undefined): void {
  const [step, ...rest] = path
  if (step === undefined || typeof target !== 'object' || target === null) return
  const at = target as Record<string, unknown>
  if (id === undefined && rest.join() === '*') delete at[step]
  for (const name of step === '*' ? Object.keys(at) : [step]) {
    if (at[name] === undefined) continue
    if (rest.length > 0) put(at[name], rest, id)
    else if (id === undefined) delete at[name]
    else at[name] = id
  }
}
