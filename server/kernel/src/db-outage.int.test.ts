import { afterAll, beforeAll, expect, test } from 'vitest'
import { alpha, beta, calls } from '../test/fixture.ts'
import { caller, log, mysqlUrl, until, type World, world } from '../test/setup.ts'
import { type Gate, gateTo, through } from '../test/tcp-gate.ts'
import { type Database, openDb } from './db.ts'
import { uuid7 } from './id.ts'
import { RpcClient } from './rpc-client.ts'

let gate: Gate
let w: World
let database: Database
let rpc: RpcClient
beforeAll(async () => {
  gate = await gateTo(Number(new URL(mysqlUrl()).port))
  w = await world()
  database = openDb({ url: through(w.url, gate), pool_max: 20, acquire_ms: 1_000 })
  await w.serve([alpha, beta], { database })
  rpc = new RpcClient(w.bus, calls, { log })
  await rpc.ready(30_000)
})
afterAll(async () => {
  gate.open()
  await rpc.close()
  await w[Symbol.asyncDispose]()
  await database.close()
  await gate[Symbol.asyncDispose]()
})

test('while the database is away requests are answered UNAVAILABLE and events wait, in order', async () => {
  const id = uuid7()
  await rpc.call(caller(), 'createItem', { id, name: 'n' })
  const burst = Array.from({ length: 20 }, (_, i) =>
    rpc.call(caller(), 'hitItem', { id }, { message_id: `m-${id}-${i}` }).catch((error: unknown) => error),
  )
  await burst[0]
  gate.shut()
  const outcomes = await Promise.all(burst)
  for (const outcome of outcomes) if (outcome instanceof Error) expect(outcome).toMatchObject({ status: 'UNAVAILABLE' })
  await expect(rpc.call(caller(), 'getItem', { id })).rejects.toMatchObject({ status: 'UNAVAILABLE' })
  await expect(rpc.call(caller(), 'echo', { still: 'here' })).resolves.toMatchObject({ still: 'here' })
  gate.open()
  // Each asked again with its id: what had committed is answered from the record, the rest is done now.
  for (let i = 0; i < 20; i++) {
    await until(() =>
      rpc.call(caller(), 'hitItem', { id }, { message_id: `m-${id}-${i}` }).then(
        () => true,
        () => false,
      ),
    )
  }
  const seqs = async () =>
    (await w.query<{ resource_seq: number }>('SELECT resource_seq FROM beta_heard WHERE resource_id = ? ORDER BY n', [id])).map(
      row => row.resource_seq,
    )
  await until(async () => (await seqs()).length >= 21)
  expect(await seqs()).toEqual(Array.from({ length: 21 }, (_, i) => i + 1))
  expect(await w.query('SELECT hits FROM alpha_items WHERE id = ?', [id])).toEqual([{ hits: 20 }])
})
