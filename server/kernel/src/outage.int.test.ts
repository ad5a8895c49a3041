import { afterAll, beforeAll, expect, test } from 'vitest'
import { alpha, beta, calls } from '../test/fixture.ts'
import { amqpUrl, caller, log, until, type World, world } from '../test/setup.ts'
import { type Gate, gateTo, through } from '../test/tcp-gate.ts'
import { AppError } from './errors.ts'
import { uuid7 } from './id.ts'
import { EventPublisher } from './publisher.ts'
import { RpcClient } from './rpc-client.ts'
import type { Running } from './serve.ts'

let gate: Gate
let w: World
let app: Running
let rpc: RpcClient
beforeAll(async () => {
  gate = await gateTo(Number(new URL(amqpUrl()).port))
  w = await world({ amqp_url: through(amqpUrl(), gate) })
  app = await w.serve([alpha, beta])
  rpc = new RpcClient(w.bus, calls, { log })
  await rpc.ready(30_000)
})
afterAll(async () => {
  gate.open()
  await until(() => w.bus.isUp)
  await rpc.close()
  await w[Symbol.asyncDispose]()
  await gate[Symbol.asyncDispose]()
})

const seqs = async (id: string) => {
  const rows = await w.query<{ resource_seq: number }>('SELECT resource_seq FROM beta_heard WHERE resource_id = ? ORDER BY n', [id])
  return rows.map(row => row.resource_seq)
}

test('while the broker is away a request fails at once, and works again afterwards', async () => {
  gate.shut()
  await until(() => !w.bus.isUp)
  expect(app.isReady).toBe(false)
  const started = Date.now()
  const failure = await rpc.call(caller(), 'echo', {}).catch((error: unknown) => error)
  expect(failure).toBeInstanceOf(AppError)
  expect(failure).toMatchObject({ status: 'UNAVAILABLE' })
  expect(Date.now() - started).toBeLessThan(5_000)
  gate.open()
  await until(() => app.isReady)
  await expect(until(() => rpc.call(caller(), 'echo', { a: 1 }).catch(() => undefined))).resolves.toMatchObject({ a: 1 })
})

test('a request on its way when the broker goes is answered once it is back', async () => {
  const answer = rpc.call(caller(), 'slowItem', { ms: 300 })
  await new Promise(resolve => setTimeout(resolve, 50))
  gate.shut()
  await until(() => !w.bus.isUp)
  gate.open()
  await expect(answer).resolves.toHaveProperty('left_ms')
})

test('events committed meanwhile leave afterwards, in order, each heard once', async () => {
  const id = uuid7()
  await until(() => rpc.call(caller(), 'createItem', { id, name: 'n' }).catch(() => undefined))
  let sent = 0
  const message_ids: string[] = []
  for (let round = 0; round < 5; round++) {
    // Cut in the middle of a burst, wherever that hits: requests, answers, publishes, confirms, acks.
    const burst = Array.from({ length: 10 }, async () => {
      const message_id = uuid7()
      message_ids.push(message_id)
      sent++
      await until(() =>
        rpc.call(caller(), 'hitItem', { id }, { message_id }).then(
          () => true,
          () => undefined,
        ),
      )
    })
    await new Promise(resolve => setTimeout(resolve, 5 * round))
    gate.shut()
    await until(() => !w.bus.isUp)
    gate.open()
    await Promise.all(burst)
  }
  await until(async () => (await seqs(id)).length >= sent + 1)
  expect(await seqs(id)).toEqual(Array.from({ length: sent + 1 }, (_, i) => i + 1))
  expect(await w.query('SELECT hits FROM alpha_items WHERE id = ?', [id])).toEqual([{ hits: sent }])
})

test('a publisher without a database keeps its events, in order', async () => {
  const publisher = new EventPublisher(w.bus, { exchange: 'alpha.events', max_buffered: 50 })
  await publisher.ready(30_000)
  const id = uuid7()
  const event = (seq: number) => ({
    event_id: uuid7(),
    event_type: 'item.hit',
    timestamp: new Date().toISOString(),
    customer_id: '',
    resource_type: 'item',
    resource_id: id,
    resource_seq: seq,
    request_id: 'r',
    data: {},
  })
  const sent: Promise<void>[] = []
  for (let seq = 1; seq <= 10; seq++) sent.push(publisher.publish('item.hit', event(seq)))
  gate.shut()
  await until(() => !w.bus.isUp)
  for (let seq = 11; seq <= 40; seq++) sent.push(publisher.publish('item.hit', event(seq)))
  const more = await Promise.allSettled(
    Array.from({ length: 50 }, (_, i) => Promise.race([publisher.publish('x', event(100 + i)), Promise.resolve()])),
  )
  expect(more.some(one => one.status === 'rejected')).toBe(true)
  gate.open()
  await Promise.all(sent)
  await publisher.close()
  await until(async () => (await seqs(id)).length >= 40)
  expect((await seqs(id)).slice(0, 40)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1))
})

test('a second instance goes on when the first one is stopped, without losing or doubling anything', async () => {
  const bus = await w.open()
  const second = await w.serve([alpha, beta], { bus })
  const id = uuid7()
  await until(() => rpc.call(caller(), 'createItem', { id, name: 'n' }).catch(() => undefined))
  let sent = 0
  const load = Array.from({ length: 8 }, async () => {
    for (let i = 0; i < 15; i++) {
      sent++
      await rpc.call(caller(), 'hitItem', { id })
    }
  })
  await until(async () => (await seqs(id)).length > 5)
  await app.close()
  await Promise.all(load)
  await until(async () => (await seqs(id)).length >= sent + 1)
  expect(await seqs(id)).toEqual(Array.from({ length: sent + 1 }, (_, i) => i + 1))
  expect(second.isReady).toBe(true)
  await second.close()
})
