// A change over REST → its frame on a WebSocket, at 50 changes a second on the whole platform: the time counts from the event's own `timestamp`, made
// in the transaction before its commit. Floor: publish with confirm → quorum queue → ws, with a body of the same size, at the same pace and in the
// same seconds, so that both share the machine with the requests. Both clocks are this machine's, both starts are cut to the millisecond. The
// path alone, without requests beside it, is measured by server/gateway/bench/websocket.bench.ts. Needs VOIPBIN_STATE and AMQP_URL.
import { once } from 'node:events'
import { connect } from 'amqplib'
import WebSocket from 'ws'
import { clientOf, platform } from '../support/platform.ts'
import { liftLimits, median, now_ms, pause, quantile, row, setting } from './measure.ts'
import { peer } from './peer.ts'

const rounds = Number(process.env.BENCH_ROUNDS ?? 3)
const seconds = Number(process.env.BENCH_SECONDS ?? 6)
const perSecond = 50
const state = platform()

/** Sends at an even pace and waits until all have arrived on both sides or nothing more comes. */
async function round(): Promise<void> {
  ours.length = 0
  floor.length = 0
  const count = perSecond * seconds
  const began = performance.now()
  for (let n = 0; n < count; n++) {
    await pause(Math.max(0, began + (n * 1_000) / perSecond - performance.now()))
    change(n)
    publish()
  }
  const end = performance.now() + 10_000
  while ((ours.length < count || floor.length < count) && performance.now() < end) await pause(20)
  if (ours.length !== count || floor.length !== count) throw new Error(`${ours.length} and ${floor.length} of ${count} frames came`)
}

const restore = await liftLimits(state)
const client = clientOf(state, state.demo)
const flows = await Promise.all(
  Array.from({ length: 10 }, (_, n) => client.flows.create({ name: `bench ${n}`, actions: [{ type: 'answer' }, { type: 'hangup' }] })),
)

const ours: number[] = []
const mine = new Set(flows.map(flow => flow.id))
let size = 0
const socket = new WebSocket(`${state.ws_url}?accesskey=${state.demo.accesskey}`)
await once(socket, 'open')
const subscribed = new Promise<void>(resolve => {
  socket.on('message', data => {
    const at = now_ms()
    const frame = JSON.parse(String(data)) as {
      type: string
      request?: string
      event_type?: string
      resource_id?: string
      timestamp?: string
    }
    if (frame.type === 'ack' && frame.request === 'subscribe') resolve()
    if (frame.event_type !== 'flow.updated' || !mine.has(frame.resource_id ?? '')) return
    size = String(data).length
    ours.push(at - Date.parse(frame.timestamp ?? ''))
  })
})
socket.send(JSON.stringify({ type: 'subscribe', id: '1', topics: [`customer_id:${state.demo.customer_id}:flow`] }))
await subscribed
const change = (n: number): void => {
  const flow = flows[n % flows.length]
  if (flow) client.flows.update(flow.id, { detail: `change ${n}` }).catch((error: unknown) => console.error('a change failed', error))
}

const names = { exchange: `bench${process.pid}.events`, queue: `bench${process.pid}.frames` }
const bare = await peer('frames', names)
const broker = await connect(setting('AMQP_URL'), { noDelay: true })
const channel = await broker.createConfirmChannel()
const floor: number[] = []
const bareSocket = new WebSocket(`ws://127.0.0.1:${bare.port}`)
await once(bareSocket, 'open')
bareSocket.on('message', data => {
  const at = now_ms()
  floor.push(at - (JSON.parse(String(data)) as { at: number }).at)
})
const publish = (): void => {
  const body = { at: Date.now(), filling: 'x'.repeat(Math.max(0, size - 40)) }
  channel.publish(names.exchange, '', Buffer.from(JSON.stringify(body)), { persistent: true })
}

try {
  const found = { ours: [] as number[][], floor: [] as number[][] }
  await round()
  for (let n = 0; n < rounds; n++) {
    await round()
    found.ours.push([...ours])
    found.floor.push([...floor])
  }
  for (const [name, share] of [
    ['change_to_frame_p50_ms', 0.5],
    ['change_to_frame_p99_ms', 0.99],
  ] as const) {
    const of = (all: readonly number[][]): number => median(all.map(values => quantile(values, share)))
    row(name, of(found.ours), of(found.floor))
  }
} finally {
  socket.terminate()
  bareSocket.terminate()
  await bare.stop()
  await channel.deleteQueue(names.queue)
  await channel.deleteExchange(names.exchange)
  await broker.close()
  for (const flow of flows) await client.flows.delete(flow.id)
  await restore()
}
