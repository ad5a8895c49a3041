import type { Cache, Caller } from '@voipbin/kernel'
import { describe, expect, test } from 'vitest'
import { firstForeign, idsAt, Owners } from './owners.ts'

const mapCache = (entries = new Map<string, unknown>()): Cache => ({
  get: async <T>(key: string) => entries.get(key) as T | undefined,
  set: async (key, value) => void entries.set(key, value),
  del: async (...keys) => {
    for (const key of keys) entries.delete(key)
  },
})
const caller = (customer_id: string): Caller => ({
  customer_id,
  agent_id: null,
  actor: { type: 'agent', id: 'x' },
  permissions: [],
  request_id: 'r',
  locale: 'en',
  deadline: Infinity,
})

test.each([
  { path: '/flow_id', in: 'body', want: ['f1'] },
  { path: '/actions/*/options/flow_id', in: 'body', want: ['f2', 'f3'] },
  { path: '/tags/*', in: 'body', want: ['t1', 't2'] },
  { path: '/none/*/x', in: 'body', want: [] },
  { path: '/empty', in: 'body', want: [] },
  { path: 'id', in: 'path', want: ['c1'] },
  { path: '/ids', in: 'query', want: ['q1', 'q2'] },
] as const)('idsAt $path in $in', ({ path, in: where, want }) => {
  const input = {
    id: 'c1',
    ids: ['q1', 'q2'],
    flow_id: 'f1',
    tags: ['t1', 't2'],
    empty: null,
    actions: [{ options: { flow_id: 'f2' } }, { options: {} }, { options: { flow_id: 'f3' } }],
  }
  expect(idsAt(input, { in: where, path, resource: 'flow' })).toEqual(want)
})

describe('Owners', () => {
  const setup = () => {
    const asked: string[] = []
    const owners = new Owners(mapCache(), async (_caller, resource, id) => {
      asked.push(`${resource}:${id}`)
      return id.startsWith('a') ? 'A' : id.startsWith('b') ? 'B' : null
    })
    return { owners, asked }
  }

  test('an own row is looked up once', async () => {
    const { owners, asked } = setup()
    expect(await owners.isOwn(caller('A'), 'flow', 'a1')).toBe(true)
    expect(await owners.isOwn(caller('A'), 'flow', 'a1')).toBe(true)
    expect(asked).toEqual(['flow:a1'])
  })

  test('a foreign row costs what a missing one costs, also when its owner is known', async () => {
    const { owners, asked } = setup()
    await owners.isOwn(caller('B'), 'flow', 'b1')
    asked.length = 0
    for (const id of ['b1', 'b1', 'x1', 'x1']) expect(await owners.isOwn(caller('A'), 'flow', id)).toBe(false)
    expect(asked).toEqual(['flow:b1', 'flow:b1', 'flow:x1', 'flow:x1'])
  })

  test('all references are asked at once, each row once, and the first bad one is named', async () => {
    const { owners, asked } = setup()
    const refs = [
      { in: 'body', path: '/flow_ids/*', resource: 'flow' },
      { in: 'body', path: '/number_id', resource: 'number' },
    ] as const
    const check = (input: object) => firstForeign(owners, caller('A'), input as Record<string, unknown>, { refs, skip: new Set() })
    expect(await check({ flow_ids: ['a1', 'a1', 'a2'], number_id: 'a3' })).toBeUndefined()
    expect(asked).toEqual(['flow:a1', 'flow:a2', 'number:a3'])
    expect(await check({ flow_ids: ['a1'], number_id: 'b1' })).toBe('number')
    expect(await check({ flow_ids: ['b1'], number_id: 'b1' })).toBe('flow')
    expect(await check({})).toBeUndefined()
  })
})
