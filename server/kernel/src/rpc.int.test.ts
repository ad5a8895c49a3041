import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { alpha, beta, calls } from '../test/fixture.ts'
import { caller, log, until, type World, world } from '../test/setup.ts'
import { uuid7 } from './id.ts'
import { RpcClient } from './rpc-client.ts'

let w: World
let rpc: RpcClient
beforeAll(async () => {
  w = await world()
  await w.serve([alpha, beta])
  rpc = new RpcClient(w.bus, calls, { log })
  await rpc.ready(30_000)
})
afterAll(async () => {
  await rpc.close()
  await w[Symbol.asyncDispose]()
})

const count = async (sql: string, params: unknown[]) =>
  Number((await w.query<{ n: number }>(`SELECT COUNT(*) AS n FROM ${sql}`, params))[0]?.n)

describe('a request', () => {
  test('carries path, query and body, and the caller', async () => {
    const answer = await rpc.call(caller({ agent_id: 'a-9' }), 'echo', { a: 1, deep: { b: [true, null, 'é'] } })
    expect(answer).toMatchObject({
      a: 1,
      deep: { b: [true, null, 'é'] },
      caller: { agent_id: 'a-9', actor: { type: 'agent', id: 'a-1' }, locale: 'en', permissions: ['item_create'] },
    })
    expect(await rpc.call(caller(), 'listItems', { page_size: 7, tags: ['one'] })).toEqual({ page_size: 7, tags: ['one'] })
    expect(await rpc.call(caller(), 'listItems', {})).toEqual({ page_size: 50 })
  })

  test('gets the error the other side threw, with reason, status and message', async () => {
    await expect(rpc.call(caller(), 'getItem', { id: 'a/b c' })).rejects.toMatchObject({
      name: 'AppError',
      reason: 'ITEM_NOT_FOUND',
      status: 'NOT_FOUND',
      message: 'no item a/b c',
    })
  })

  test('gets INTERNAL and no inner detail when the handler breaks', async () => {
    const failure = await rpc.call(caller(), 'breakItem', {}).catch((error: unknown) => error)
    expect(failure).toMatchObject({ reason: 'INTERNAL', status: 'INTERNAL' })
    expect(JSON.stringify(failure) + String(failure)).not.toContain('secret')
  })

  test('is told each bad field', async () => {
    await expect(rpc.call(caller(), 'createItem', { id: 'x', name: 5 })).rejects.toMatchObject({
      status: 'INVALID_ARGUMENT',
      details: [{ field: '/name', rule: 'type', expected: 'string' }],
    })
  })

  test('may hold fields this version does not know, at any depth', async () => {
    const id = uuid7()
    await expect(rpc.call(caller(), 'createItem', { id, name: 'n', new_field: 1, rest: { a: 1, b: 2 } })).resolves.toMatchObject({
      id,
      name: 'n',
    })
  })

  test('to an unknown route says which', async () => {
    await expect(rpc.call(caller(), 'alphaUnknown', {})).rejects.toMatchObject({
      reason: 'UNKNOWN_ROUTE',
      message: 'alpha has no GET /v1/unknown',
    })
  })

  test('to a queue nobody owns fails at once, and after five the breaker answers', async () => {
    for (let i = 0; i < 5; i++)
      await expect(rpc.call(caller(), 'nobodyHome', {})).rejects.toMatchObject({ status: 'UNAVAILABLE', message: /nobody listens/ })
    await expect(rpc.call(caller(), 'nobodyHome', {})).rejects.toMatchObject({ status: 'UNAVAILABLE', message: /did not answer lately/ })
  })

  test('ends at its deadline, which is handed on', async () => {
    const started = Date.now()
    await expect(rpc.call(caller({ deadline: started + 150 }), 'slowItem', { ms: 400 })).rejects.toMatchObject({
      status: 'DEADLINE_EXCEEDED',
    })
    expect(Date.now() - started).toBeLessThan(5_000)
    const { left_ms } = (await rpc.call(caller({ deadline: Date.now() + 2_000 }), 'slowItem', { ms: 1 })) as { left_ms: number }
    expect(left_ms).toBeLessThanOrEqual(2_000)
    await expect(rpc.call(caller({ deadline: Date.now() - 1 }), 'echo', {})).rejects.toMatchObject({ status: 'DEADLINE_EXCEEDED' })
  })

  test('with the deadline behind it is not carried out', async () => {
    const session = w.bus.publishing.open({})
    const channel = await session.ready(30_000)
    const id = uuid7()
    const headers = { ...caller(), deadline: Date.now() - 1 }
    const request = {
      message_id: uuid7(),
      timestamp: new Date().toISOString(),
      route: '/v1/items',
      method: 'POST',
      headers,
      body: { id, name: 'late' },
    }
    channel.sendToQueue(w.bus.named('bin-manager.alpha.request'), Buffer.from(JSON.stringify(request)))
    channel.sendToQueue(w.bus.named('bin-manager.alpha.request'), Buffer.from('{not json'))
    channel.sendToQueue(w.bus.named('bin-manager.alpha.request'), Buffer.from('{"route":5}'))
    // The queue is in order: once this one is answered, those before it have been dealt with.
    await rpc.call(caller(), 'echo', {})
    await session.close()
    expect(await count('alpha_items WHERE id = ?', [id])).toBe(0)
  })

  test('finds who owns a row', async () => {
    const id = uuid7()
    expect(await rpc.ownerOf(caller(), 'alpha', 'item', id)).toBeNull()
    await rpc.call(caller(), 'createItem', { id, name: 'owned' })
    expect(await rpc.ownerOf(caller(), 'alpha', 'item', id)).toBe(caller().customer_id)
  })
})

describe('the same request twice', () => {
  test('is answered from the record, one after another', async () => {
    const id = uuid7()
    const message_id = uuid7()
    const first = await rpc.call(caller(), 'createItem', { id, name: 'once' }, { message_id })
    const second = await rpc.call(caller(), 'createItem', { id, name: 'once' }, { message_id })
    expect(second).toEqual(first)
    expect(await count('alpha_items WHERE id = ?', [id])).toBe(1)
    await until(async () => (await count('beta_heard WHERE resource_id = ?', [id])) === 1)
  })

  test('is carried out once when both run at the same time', async () => {
    const id = uuid7()
    await rpc.call(caller(), 'createItem', { id, name: 'once' })
    const message_id = uuid7()
    const answers = await Promise.all(Array.from({ length: 8 }, () => rpc.call(caller(), 'hitItem', { id, times: 3 }, { message_id })))
    for (const answer of answers) expect(answer).toEqual({ done: [0, 1, 2] })
    expect(await w.query('SELECT hits FROM alpha_items WHERE id = ?', [id])).toEqual([{ hits: 3 }])
  })

  test('makes one chain of effects through another service', async () => {
    const id = uuid7()
    await rpc.call(caller(), 'createItem', { id, name: 'chain' })
    const message_id = uuid7()
    for (let i = 0; i < 3; i++) {
      expect(await rpc.call(caller(), 'noteItem', { id, text: 'hello' }, { message_id })).toEqual({ item_id: id, text: 'hello' })
    }
    expect(await count('beta_notes WHERE item_id = ?', [id])).toBe(1)
    expect(await w.query('SELECT hits FROM alpha_items WHERE id = ?', [id])).toEqual([{ hits: 2 }])
  })

  test('passes the refusal of a called service on', async () => {
    const id = uuid7()
    await rpc.call(caller(), 'createItem', { id, name: 'refused' })
    await expect(rpc.call(caller(), 'noteItem', { id, text: 'refused' })).rejects.toMatchObject({
      reason: 'NOTE_REFUSED',
      status: 'FAILED_PRECONDITION',
      details: [{ field: '/text', rule: 'const' }],
    })
  })
})
