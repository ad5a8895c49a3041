// RPC round trip, ours against bare amqplib doing the same: JSON both ways, direct reply-to, ack after the answer, prefetch 64, noDelay.
// Prints `name ours floor ratio` (round trips per second, median of the rounds, both in the same run).
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'amqplib'
import { openBus } from '../src/bus.ts'
import type { Caller } from '../src/context.ts'
import type { CallTable } from '../src/contract.ts'
import { silentLogger } from '../src/log.ts'
import { RpcClient } from '../src/rpc-client.ts'

const url = process.env.AMQP_URL
if (!url) throw new Error('AMQP_URL must point to a broker')
const rounds = Number(process.env.BENCH_ROUNDS ?? 5)
const round_ms = Number(process.env.BENCH_ROUND_MS ?? 2_000)
const prefix = `bench${process.pid}.`

const peer = async (kind: string) => {
  const child = fork(new URL('./rpc-peer.ts', import.meta.url), [kind, url, prefix])
  await once(child, 'message')
  return child
}
const children = [await peer('floor'), await peer('ours')]

const body = {
  source: { type: 'tel', target: '+15551230000' },
  destinations: [{ type: 'agent', target: crypto.randomUUID() }],
  note: 'y'.repeat(150),
}

const bus = await openBus({ url, log: silentLogger, prefix })
const calls = {
  createCall: { method: 'POST', route: '/v1/calls', query: [], timeout_ms: 30_000, queue: 'bin-manager.bench.request' },
} as CallTable
const rpc = new RpcClient(bus, calls, { log: silentLogger })
await rpc.ready(5_000)
const caller = (): Caller => ({
  customer_id: crypto.randomUUID(),
  agent_id: null,
  actor: { type: 'accesskey', id: 'k' },
  permissions: ['call_create'],
  request_id: 'r',
  locale: 'en',
  deadline: Date.now() + 30_000,
})
const who = caller()

const connection = await connect(url, { noDelay: true })
const channel = await connection.createChannel()
const waiting = new Map<string, (answer: unknown) => void>()
await channel.consume(
  'amq.rabbitmq.reply-to',
  message => {
    if (!message) return
    const id = message.properties.correlationId
    waiting.get(id)?.(JSON.parse(message.content.toString()))
    waiting.delete(id)
  },
  { noAck: true },
)
let counter = 0
const bare = () =>
  new Promise(resolve => {
    const id = String(++counter)
    waiting.set(id, resolve)
    const request = { message_id: id, timestamp: '2026-01-20T12:00:00.000Z', route: '/v1/calls', method: 'POST', headers: who, body }
    channel.sendToQueue(`${prefix}floor`, Buffer.from(JSON.stringify(request)), { replyTo: 'amq.rabbitmq.reply-to', correlationId: id })
  })

async function measure(call: () => Promise<unknown>, in_flight: number): Promise<number> {
  let done = 0
  const end = performance.now() + round_ms
  await Promise.all(
    Array.from({ length: in_flight }, async () => {
      while (performance.now() < end) {
        await call()
        done++
      }
    }),
  )
  return (done / round_ms) * 1000
}
const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1] ?? 0

for (const in_flight of [1, 64]) {
  const results = { ours: [] as number[], floor: [] as number[] }
  const one = { ours: () => rpc.call({ ...who, deadline: Date.now() + 30_000 }, 'createCall', body), floor: bare }
  for (const kind of ['floor', 'ours'] as const) await measure(one[kind], in_flight)
  for (let round = 0; round < rounds; round++) {
    for (const kind of ['floor', 'ours'] as const) results[kind].push(await measure(one[kind], in_flight))
  }
  const ours = median(results.ours)
  const floor = median(results.floor)
  console.log(`rpc_round_trip_${in_flight}_in_flight_per_s ${ours.toFixed(0)} ${floor.toFixed(0)} ${(ours / floor).toFixed(2)}`)
}

await channel.deleteQueue(`${prefix}floor`)
await channel.deleteQueue(`${prefix}bin-manager.bench.request`)
for (const child of children) child.kill()
await rpc.close()
await bus.close()
await connection.close()
