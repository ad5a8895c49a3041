// What a WebSocket costs, against the bare libraries in the same run: commit → frame, ZeroMQ → frame, one event to 1,000 sockets, memory of idle
// sockets. Every side is a process. Ours and the floor take turns; medians of the rounds count. Needs MYSQL_URL, REDIS_URL and AMQP_URL.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'amqplib'
import WebSocket from 'ws'
import { Publisher } from 'zeromq'
import { accesskey, customer_id } from './websocket.sides.ts'

const rounds = Number(process.env.BENCH_ROUNDS ?? 3)
const seconds = Number(process.env.BENCH_SECONDS ?? 5)
const per_second = 50
const idle = Number(process.env.BENCH_SOCKETS ?? 10_000)
const now_ms = (): number => Number(process.hrtime.bigint()) / 1e6
const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))
const quantile = (values: readonly number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? Number.NaN
const median = (values: readonly number[]): number => quantile(values, 0.5)
const row = (name: string, ours: number, floor: number, ratio = ours / floor): void =>
  console.log(`${name} ${ours.toFixed(3)} ${floor.toFixed(3)} ${ratio.toFixed(2)}`)

type Message = Record<string, never>
const children: ChildProcess[] = []
async function start(role: string, given: object): Promise<{ child: ChildProcess; ready: Message }> {
  const child = fork(new URL('./websocket.sides.ts', import.meta.url), [role, JSON.stringify(given)], { execArgv: ['--expose-gc'] })
  children.push(child)
  return { child, ready: await answer(child) }
}
async function answer(child: ChildProcess): Promise<Message> {
  const gone = new AbortController()
  const failed = once(child, 'exit', { signal: gone.signal }).then(() => Promise.reject(new Error('a side ended')))
  try {
    return (await Promise.race([once(child, 'message'), failed]))[0] as Message
  } finally {
    gone.abort()
    failed.catch(() => undefined)
  }
}
const ask = (child: ChildProcess, order: object): Promise<Message> => {
  const found = answer(child)
  child.send(order)
  return found
}
/** Resolves with what arrived by its number once all of it has. */
async function all(arrived: Map<number, number>, count: number): Promise<Map<number, number>> {
  const end = now_ms() + 20_000
  while (arrived.size < count && now_ms() < end) await pause(20)
  if (arrived.size < count) throw new Error(`${arrived.size} of ${count} frames came`)
  return new Map(arrived)
}

const exchange = `bench${process.pid}.bare`
const publisher = new Publisher({ linger: 0 })
await publisher.bind('tcp://127.0.0.1:*')
const service = await start('service', {})
const gateway = await start('gateway', service.ready)
const bare = await start('bare', { exchange, endpoint: publisher.lastEndpoint })

const got = { event: new Map<number, number>(), state: new Map<number, number>(), bare: new Map<number, number>() }
const topics = [`customer_id:${customer_id}:widget`]
const subscribe = JSON.stringify({ type: 'subscribe', id: '1', topics })
const ours = new WebSocket(`ws://127.0.0.1:${gateway.ready.port}/ws?accesskey=${accesskey}`)
const subscribed = new Promise<void>(resolve =>
  ours.on('message', data => {
    const at = now_ms()
    const frame = JSON.parse(String(data)) as { type: string; request?: string; data?: { name: string } }
    if (frame.request === 'subscribe') resolve()
    if (frame.type === 'event' || frame.type === 'state') got[frame.type].set(Number(frame.data?.name), at)
  }),
)
await once(ours, 'open')
ours.send(subscribe)
await subscribed
const floor = new WebSocket(`ws://127.0.0.1:${bare.ready.port}`)
await once(floor, 'open')
floor.on('message', data => {
  const at = now_ms()
  got.bare.set((JSON.parse(String(data)) as { n: number }).n, at)
})

const broker = await connect(process.env.AMQP_URL ?? '', { noDelay: true })
const channel = await broker.createConfirmChannel()
const filling = 'x'.repeat(700)
async function paced(work: (n: number) => unknown): Promise<Map<number, number>> {
  const sent = new Map<number, number>()
  const began = now_ms()
  for (let n = 0; n < per_second * seconds; n++) {
    await pause(Math.max(0, began + (n * 1_000) / per_second - now_ms()))
    sent.set(n, now_ms())
    await work(n)
  }
  return sent
}
const latencies = (sent: Map<number, number>, arrived: Map<number, number>): number[] =>
  [...sent].map(([n, at]) => (arrived.get(n) ?? Number.NaN) - at)

async function commitRound(): Promise<{ written: number[]; committed: number[] }> {
  got.event.clear()
  const { times } = (await ask(service.child, { commit: { count: per_second * seconds, per_second } })) as unknown as { times: number[][] }
  const arrived = await all(got.event, per_second * seconds)
  const pick = (at: number): number[] => times.map(one => (arrived.get(one[0] ?? -1) ?? Number.NaN) - (one[at] ?? Number.NaN))
  return { written: pick(1), committed: pick(2) }
}
async function publishRound(): Promise<number[]> {
  got.bare.clear()
  const sent = await paced(n => void channel.publish(exchange, '', Buffer.from(JSON.stringify({ n, filling })), { persistent: true }))
  return latencies(sent, await all(got.bare, sent.size))
}
async function stateRound(): Promise<number[]> {
  got.state.clear()
  const { times } = (await ask(service.child, { state: { count: per_second * seconds, per_second } })) as unknown as {
    times: [number, number][]
  }
  return latencies(new Map(times), await all(got.state, times.length))
}
async function bareStateRound(): Promise<number[]> {
  got.bare.clear()
  const sent = await paced(n => publisher.send(['x', JSON.stringify({ n, filling })]))
  return latencies(sent, await all(got.bare, sent.size))
}

try {
  const found = {
    written: [] as number[][],
    committed: [] as number[][],
    publish: [] as number[][],
    state: [] as number[][],
    bare: [] as number[][],
  }
  for (let n = -1; n < rounds; n++) {
    const [publish, commit, bareState, state] = [await publishRound(), await commitRound(), await bareStateRound(), await stateRound()]
    // The first time warms everything up.
    if (n < 0) continue
    found.publish.push(publish)
    found.written.push(commit.written)
    found.committed.push(commit.committed)
    found.bare.push(bareState)
    found.state.push(state)
  }
  for (const [share, name] of [
    [0.5, 'p50'],
    [0.99, 'p99'],
  ] as const) {
    const of = (values: readonly number[][]): number => median(values.map(one => quantile(one, share)))
    row(`commit_to_frame_${name}_ms`, of(found.committed), of(found.publish))
    row(`write_and_commit_to_frame_${name}_ms`, of(found.written), of(found.publish))
    row(`state_to_frame_${name}_ms`, of(found.state), of(found.bare))
  }
  ours.terminate()
  floor.terminate()
  await crowds()
} finally {
  await broker.close()
  publisher.close()
  for (const child of children.reverse()) {
    const over = once(child, 'exit')
    child.send({ stop: true })
    await over
  }
}

/** One state to 1,000 sockets, then how much the idle ones weigh. */
async function crowds(): Promise<void> {
  const size = 1_000
  const frames = 100
  const open = async (server: typeof bare, path: string, send: (count: number) => Promise<unknown>, subscribe?: string) => {
    const before = Number((await ask(server.child, { memory: true })).used)
    const { child } = await start('crowd', { port: server.ready.port })
    await ask(child, { open: { count: size, path, subscribe } })
    const bytes = async (): Promise<number> => Number((await ask(child, { bytes: true })).bytes)
    const arrived = async (want: number): Promise<void> => {
      const end = now_ms() + 60_000
      while ((await bytes()) < want && now_ms() < end) await pause(2)
    }
    // One frame first, to know how long it is. The last digits of its fields make it a byte or two longer later.
    await send(1)
    await arrived(size)
    await pause(500)
    const length = (await bytes()) / size
    return {
      rates: [] as number[],
      round: async (): Promise<number> => {
        const seen = await bytes()
        const began = now_ms()
        await send(frames)
        await arrived(seen + (length - 1) * size * frames)
        return (size * frames * 1_000) / (now_ms() - began)
      },
      weigh: async (): Promise<number> => {
        await ask(child, { open: { count: idle - size, path } })
        return (Number((await ask(server.child, { memory: true })).used) - before) / idle / 1_024
      },
    }
  }
  const bareSend = async (count: number): Promise<void> => {
    for (let n = 0; n < count; n++) await publisher.send(['x', JSON.stringify({ n: n % 10, filling: 'x'.repeat(620) })])
  }
  const ourSend = (count: number): Promise<unknown> => ask(service.child, { state: { count, per_second: 1e9 } })
  const least = await open(bare, '/', bareSend)
  const mine = await open(gateway, `/ws?accesskey=${accesskey}`, ourSend, subscribe)
  for (let n = -1; n < 2 * rounds; n++) {
    for (const side of [least, mine]) {
      const rate = await side.round()
      // The first time warms everything up.
      if (n >= 0) side.rates.push(rate)
    }
  }
  const [ours, floor] = [median(mine.rates), median(least.rates)]
  row('fan_out_1000_deliveries_per_s', ours, floor, floor / ours)
  row('idle_socket_kb', await mine.weigh(), await least.weigh())
}
