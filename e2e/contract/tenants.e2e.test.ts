import { beforeAll, expect, test } from 'vitest'
import { refsOf } from './document.ts'
import { askWith, type Reference, referencesOf } from './references.ts'
import { rowsOf, unknown } from './rows.ts'
import { exceptions, unreachable } from './tenant-exceptions.ts'
import { type Answer, findings, key, World } from './world.ts'

let world: World
/** Resource -> the id of a row of customer A. */
let ids: Map<string, string>
const asA = (): Record<string, string> => key(world.state.demo.accesskey)
const asB = (): Record<string, string> => key(world.state.demo_other.accesskey)

beforeAll(async () => {
  world = await World.open()
  ids = await rowsOf(world, asA(), world.state.demo.customer_id)
})

const send = (one: Reference, id: string): Promise<Answer> => askWith(world, one, id, { headers: asB() })

const cases = (): Reference[] =>
  world.operations
    .filter(operation => operation.owner === 'customer' && operation.permission !== 'public')
    .flatMap(operation => referencesOf(operation, world.document))

const comparable = (text: string): string =>
  text
    .replaceAll(/"request_id":"[^"]*"/g, '"request_id":""')
    .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/g, 'ID')

test('A has a row of every resource that can be named', () => {
  const named = new Set(cases().map(({ ref }) => ref.resource))
  const without = [...named].filter(resource => !ids.has(resource))
  expect(without.filter(resource => !unreachable.has(resource))).toEqual([])
})

test('ids in bodies are checked as those in paths are', () => {
  expect(cases().map(({ name }) => name)).toEqual(
    expect.arrayContaining([
      'createActiveflow body flow_id',
      'createCall body flow_id',
      'createNumber body call_flow_id',
      'createNumber body message_flow_id',
    ]),
  )
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
