import { beforeAll, expect, test } from 'vitest'
import { type Operation, type Ref, refsOf } from './document.ts'
import { soundPath } from './mutations.ts'
import { bodyWith } from './samples.ts'
import { exceptions, unreachable } from './tenant-exceptions.ts'
import { type Answer, findings, key, World } from './world.ts'

let world: World
/** Resource -> the id of a row of customer A. */
let ids: Map<string, string>
const unknown = '01980000-0000-7000-8000-0000000000ff'
const asA = (): Record<string, string> => key(world.state.demo.accesskey)
const asB = (): Record<string, string> => key(world.state.demo_other.accesskey)

beforeAll(async () => {
  world = await World.open()
  ids = await idsOfA()
})

/** Rows of customer A: whatever the lists show, and where a list is empty what its own example creates. */
async function idsOfA(): Promise<Map<string, string>> {
  const found = new Map<string, string>([['customer', world.state.demo.customer_id]])
  for (const operation of world.operations) {
    if (operation.method !== 'GET' || operation.owner === 'platform' || /\{/.test(operation.path)) continue
    const reader = readerOf(operation)
    const resource = reader && refsOf(reader, world.document).find(ref => ref.in === 'path')?.resource
    if (resource === undefined) continue
    const id = (await firstRow(operation.path)) ?? (await createRow(operation.path, found))
    if (id !== undefined) found.set(resource, id)
  }
  // A delivery comes of sending something.
  const webhook = found.get('webhook')
  if (webhook && !found.has('webhook_delivery')) {
    const { body } = await world.request('POST', `/v1.0/webhooks/${webhook}/test`, { headers: asA() })
    const id = (body as { id?: string } | undefined)?.id
    if (id !== undefined) found.set('webhook_delivery', id)
  }
  return found
}
const readerOf = (list: Operation): Operation | undefined =>
  world.operations.find(one => one.method === 'GET' && one.path === `${list.path}/{id}`)

async function firstRow(path: string): Promise<string | undefined> {
  const { body } = await world.request('GET', `${path}?page_size=1`, { headers: asA() })
  return (body as { result?: { id?: string }[] } | undefined)?.result?.[0]?.id
}

async function createRow(path: string, known: ReadonlyMap<string, string>): Promise<string | undefined> {
  const operation = world.operations.find(one => one.method === 'POST' && one.path === path)
  if (!operation?.body) return undefined
  const body = structuredClone(operation.body.example)
  for (const ref of refsOf(operation, world.document)) if (ref.in === 'body') put(body, ref.path, known.get(ref.resource) ?? unknown)
  const answer = await world.request('POST', path, { body: JSON.stringify(body), headers: asA() })
  return (answer.body as { id?: string } | undefined)?.id
}

/** Replaces the ids that an example holds at this place by another. */
function put(target: unknown, path: readonly string[], id: string): void {
  const [step, ...rest] = path
  if (step === undefined || typeof target !== 'object' || target === null) return
  const at = target as Record<string, unknown>
  for (const name of step === '*' ? Object.keys(at) : [step]) {
    if (at[name] === undefined) continue
    if (rest.length === 0) at[name] = id
    else put(at[name], rest, id)
  }
}

interface Case {
  operation: Operation
  ref: Ref
  name: string
}

/** The request of an operation with one reference replaced; all others stay as in the example, or B's own would be needed. */
async function send({ operation, ref }: Case, id: string): Promise<Answer> {
  const body = operation.body ? structuredClone(operation.body.example ?? {}) : undefined
  if (body !== undefined) {
    for (const other of refsOf(operation, world.document)) if (other.in === 'body' && other !== ref) remove(body, other.path)
  }
  const sent =
    ref.in === 'body' && operation.body
      ? bodyWith(operation.body.schema, { path: ref.path, id, example: body, document: world.document })
      : body
  const values = ref.in === 'body' ? {} : { [ref.path[0] ?? '']: id }
  return world.request(operation.method, soundPath(operation, world.document, values), {
    body: sent === undefined ? undefined : JSON.stringify(sent),
    headers: asB(),
  })
}

function remove(target: unknown, path: readonly string[]): void {
  const [step, ...rest] = path
  if (step === undefined || typeof target !== 'object' || target === null) return
  const at = target as Record<string, unknown>
  if (step === '*') for (const item of Object.values(at)) remove(item, rest)
  else if (rest.length === 0 || (rest.length === 1 && rest[0] === '*')) delete at[step]
  else remove(at[step], rest)
}

const cases = (): Case[] =>
  world.operations
    .filter(operation => operation.owner === 'customer' && operation.permission !== 'public')
    .flatMap(operation =>
      refsOf(operation, world.document).map(ref => ({ operation, ref, name: `${operation.id} ${ref.in} ${ref.path.join('/')}` })),
    )
    .filter((one, i, all) => all.findIndex(other => other.name === one.name) === i)

const comparable = (text: string): string =>
  text
    .replaceAll(/"request_id":"[^"]*"/g, '"request_id":""')
    .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/g, 'ID')

test('A has a row of every resource that can be named', () => {
  const named = new Set(cases().map(({ ref }) => ref.resource))
  const without = [...named].filter(resource => !ids.has(resource) && !unreachable.has(resource))
  expect(without).toEqual([])
})

test('a real id of A, sent by B, answers exactly as an unknown one: path, query and body of every operation', async () => {
  const open = cases().filter(({ name, ref }) => !exceptions.has(name) && ids.has(ref.resource))
  expect(open.length).toBeGreaterThan(20)
  const wrong = await findings(open, async one => {
    const foreign = await send(one, ids.get(one.ref.resource) ?? '')
    const missing = await send(one, unknown)
    if (foreign.status !== 404) return `${one.name}: ${foreign.status} ${foreign.text.slice(0, 200)}`
    return comparable(foreign.text) === comparable(missing.text) && foreign.status === missing.status
      ? undefined
      : `${one.name}: ${foreign.text} ≠ ${missing.text}`
  })
  expect(wrong).toEqual([])
})

test('A’s rows are as they were', async () => {
  const readers = world.operations.filter(
    one => one.method === 'GET' && one.owner === 'customer' && /^\/v1\.0\/\w+\/\{id\}$/.test(one.path),
  )
  const wrong = await findings(readers, async reader => {
    const resource = refsOf(reader, world.document).find(ref => ref.in === 'path')?.resource
    const id = resource === undefined ? undefined : ids.get(resource)
    if (id === undefined) return undefined
    const answer = await world.request('GET', reader.path.replace('{id}', id), { headers: asA() })
    return answer.status === 200 && answer.body.tm_delete == null
      ? undefined
      : `${reader.id} ${id}: ${answer.status} ${answer.text.slice(0, 200)}`
  })
  expect(wrong).toEqual([])
})
