// Both transports of the port against bare `ws` that asks and listens over one socket, on one real Asterisk that nothing else uses.
// Prints `name ours floor ratio`: connecting (once the process is warm), a cheap request at 1 and 32 in flight, originate → StasisStart; medians of all rounds,
// in milliseconds, and this process's CPU for each request in microseconds. Needs VOIPBIN_INROOT and MYSQL_URL.
import WebSocket from 'ws'
import { startStack } from '../../../testing/stack.ts'
import { openAriClientPort } from '../ari-client-port.ts'
import type { AriEvent } from '../ari-types.ts'
import type { AsteriskPort, PortOptions } from '../port.ts'
import { openWebSocketPort } from '../ws-port.ts'

const rounds = Number(process.env.BENCH_ROUNDS ?? 9)
const requests = { 1: 300, 32: 3_200 }
const originates = 20

/** One way to Asterisk, connected. */
interface Side {
  ask(): Promise<unknown>
  originate(channelId: string): Promise<unknown>
  hangup(channelId: string): Promise<unknown>
  stop(): Promise<unknown>
}
type Connect = (options: PortOptions, event: (event: AriEvent) => void) => Promise<Side>

const call = (channelId: string, app: string) => ({ channelId, endpoint: 'Local/selftest@from-edge', app, timeout: 10 })

const overPort =
  (open: (options: PortOptions) => AsteriskPort): Connect =>
  async (options, event) => {
    const port = open(options)
    await new Promise<void>(resolve => port.start({ connected: resolve, disconnected: () => undefined, event }))
    return {
      ask: () => port.request('asterisk.getGlobalVar', { variable: 'BENCH' }),
      originate: channelId => port.request('channels.originateWithId', call(channelId, options.app)),
      hangup: channelId => port.request('channels.hangup', { channelId }),
      stop: () => port.stop(),
    }
  }

const bare: Connect = async ({ url, user, password, app }, event) => {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/ari/events?subscribeAll=true&app=${app}`, {
    auth: `${user}:${password}`,
    perMessageDeflate: false,
  })
  const waiting = new Map<string, (answer: unknown) => void>()
  let count = 0
  socket.on('message', data => {
    const message = JSON.parse(String(data)) as { type: string; request_id: string; message_body?: string }
    if (message.type !== 'RESTResponse') return event(message as unknown as AriEvent)
    waiting.get(message.request_id)?.(message.message_body ? JSON.parse(message.message_body) : undefined)
    waiting.delete(message.request_id)
  })
  const ask = (method: string, uri: string) =>
    new Promise(resolve => {
      const request_id = String(++count)
      waiting.set(request_id, resolve)
      socket.send(JSON.stringify({ type: 'RESTRequest', transaction_id: request_id, request_id, method, uri }))
    })
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
  return {
    ask: () => ask('GET', 'asterisk/variable?variable=BENCH'),
    originate: channelId => ask('POST', `channels/${channelId}?${new URLSearchParams({ ...call('', app), timeout: '10' })}`),
    hangup: channelId => ask('DELETE', `channels/${channelId}`),
    stop: () => new Promise(resolve => socket.once('close', resolve).close()),
  }
}

const sides = { floor: bare, websocket: overPort(openWebSocketPort), ari_client: overPort(openAriClientPort) }
type Name = keyof typeof sides
const measured = [
  'connect_p50_ms',
  'request_1_in_flight_p50_ms',
  'request_32_in_flight_p50_ms',
  'request_cpu_us',
  'originate_p50_ms',
] as const
type Row = (typeof measured)[number]
const found = Object.fromEntries(
  Object.keys(sides).map(name => [name, Object.fromEntries(measured.map(row => [row, [] as number[]]))]),
) as Record<Name, Record<Row, number[]>>
const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN

/** How long each of `count` requests took, with `in_flight` at a time. */
async function timed(work: () => Promise<unknown>, count: number, in_flight: number): Promise<number[]> {
  const times: number[] = []
  let left = count
  const worker = async () => {
    while (left-- > 0) {
      const began = performance.now()
      await work()
      times.push(performance.now() - began)
    }
  }
  await Promise.all(Array.from({ length: in_flight }, worker))
  return times
}

async function round(name: Name, options: PortOptions, keep: boolean): Promise<void> {
  const entered = new Map<string, () => void>()
  const began = performance.now()
  const side = await sides[name](options, event => {
    if (event.type === 'StasisStart') entered.get(event.channel.id)?.()
  })
  const connected = performance.now() - began
  await timed(side.ask, 100, 8)
  const one = await timed(side.ask, requests[1], 1)
  const cpu = process.cpuUsage()
  const many = await timed(side.ask, requests[32], 32)
  const { user, system } = process.cpuUsage(cpu)
  const originated: number[] = []
  for (let n = 0; n < originates; n++) {
    const id = `${options.app}-${crypto.randomUUID()}`
    const inApp = new Promise<void>(resolve => entered.set(id, resolve))
    const asked = performance.now()
    await Promise.all([side.originate(id), inApp])
    originated.push(performance.now() - asked)
    await side.hangup(id)
  }
  await side.stop()
  if (!keep) return
  const values = [[connected], one, many, [(user + system) / requests[32]], originated]
  for (const [n, row] of measured.entries()) found[name][row].push(...(values[n] ?? []))
}

const stack = await startStack()
try {
  const ari = stack.asterisks[0]?.ari
  if (ari === undefined) throw new Error('no Asterisk')
  const names = Object.keys(sides) as Name[]
  // each side comes first, second and third in turn; the first round warms up
  for (let n = 0; n <= rounds; n++)
    for (const name of [...names.slice(n % 3), ...names.slice(0, n % 3)]) await round(name, { ...ari, app: `bench-${name}` }, n > 0)
} finally {
  await stack.stop()
}
for (const name of ['websocket', 'ari_client'] as const)
  for (const row of measured) {
    const [ours, floor] = [median(found[name][row]), median(found.floor[row])]
    console.log(
      `ari_${name === 'websocket' ? 'websocket' : 'client'}_${row} ${ours.toFixed(3)} ${floor.toFixed(3)} ${(ours / floor).toFixed(2)}`,
    )
  }
