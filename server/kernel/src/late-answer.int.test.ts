import { expect, test } from 'vitest'
import { alpha, beta, calls } from '../test/fixture.ts'
import { amqpUrl, caller, log, until, world } from '../test/setup.ts'
import { gateTo, through } from '../test/tcp-gate.ts'
import type { Bus } from './bus.ts'
import { RpcClient } from './rpc-client.ts'

test('an answer waits for the connection it goes out on, when that one comes back after the one that brought the request', async () => {
  await using gate = await gateTo(Number(new URL(amqpUrl()).port))
  await using w = await world()
  const late = await w.open({ amqp_url: through(amqpUrl(), gate) })
  const bus: Bus = { ...w.bus, named: w.bus.named, consuming: w.bus.consuming, publishing: late.publishing, log, isUp: true }
  await using _app = await w.serve([alpha, beta], { bus })
  const rpc = new RpcClient(w.bus, calls, { log })
  await rpc.ready(30_000)
  expect(await rpc.call(caller(), 'echo', { a: 1 })).toMatchObject({ a: 1 })
  gate.shut()
  await until(() => !late.publishing.isUp)
  let answered = false
  const answer = rpc.call(caller(), 'echo', { a: 2 }).finally(() => {
    answered = true
  })
  // The request is taken up and carried out within this time; its answer has nowhere to go.
  await new Promise(resolve => setTimeout(resolve, 300))
  expect(answered).toBe(false)
  gate.open()
  await expect(answer).resolves.toMatchObject({ a: 2 })
  await rpc.close()
})
