// The processes of websocket.bench.ts: `node websocket.sides.ts <role> <json>`. Times are the machine's monotonic clock, the same in all of them.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect as connectTcp, type Socket } from 'node:net'
import {
  type Context,
  defineService,
  openBus,
  openCache,
  openDb,
  type Service,
  StatePublisher,
  serve,
  silentLogger,
  systemTables,
  tokenHash,
  uuid7,
} from '@voipbin/kernel'
import { testDatabase } from '@voipbin/kernel/testing'
import { connect } from 'amqplib'
import { WebSocketServer } from 'ws'
import { Subscriber } from 'zeromq'
import { startGateway } from '../src/gateway.ts'
import { idempotency } from '../src/schema.ts'
import { fixtureConfig } from '../test/fixture.ts'
import { fixtureContract } from '../test/fixture-contract.ts'
import { type FixtureState, fixtureErrors, fixtureServices, fixtureTables } from '../test/fixture-services.ts'

interface Given {
  prefix?: string
  database_url?: string
  exchange?: string
  endpoint?: string
  port?: number
}
interface Order {
  commit?: { count: number; per_second: number }
  state?: { count: number; per_second: number }
  memory?: true
  open?: { count: number; path: string; subscribe?: string }
  bytes?: true
  broadcast?: number
  stop?: true
}
const [role = '', text = '{}'] = process.argv.slice(2)
const given = JSON.parse(text) as Given
const stop: (() => unknown)[] = []
const tell = (message: object): void => void process.send?.(message)
const now_ms = (): number => Number(process.hrtime.bigint()) / 1e6
const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))
const setting = (name: string): string => {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set`)
  return value
}

export const customer_id = '01980000-0000-7000-8000-00000000000a'
export const accesskey = `ak_${'a'.repeat(32)}`
const filling = 'x'.repeat(300)
const fixtureState = (): FixtureState => ({
  agents: new Map(),
  sessions: new Map(),
  customers: new Map([[customer_id, { status: 'active', rate_limits: { api: 1e9, call_create: 1e9, login: 1e9 } }]]),
  runs: new Map(),
  hold: undefined,
  accesskeys: new Map([[tokenHash(accesskey), { id: uuid7(), customer_id, scopes: ['customer_admin'], tm_expire: null }]]),
})

/** Calls `work` at an even pace. */
async function paced({ count, per_second }: { count: number; per_second: number }, work: (n: number) => void): Promise<void> {
  const began = now_ms()
  for (let n = 0; n < count; n++) {
    const wait_ms = began + (n * 1_000) / per_second - now_ms()
    if (wait_ms > 0) await pause(wait_ms)
    work(n)
  }
}

/** Where the ordered transactions run: a job of a service, which has a context like any other. */
const rows = Array.from({ length: 10 }, () => uuid7())
let orders: ((order: Order) => void) | undefined
const commits = (ctx: Context): Promise<void> =>
  new Promise(resolve => {
    ctx.signal.addEventListener('abort', () => resolve())
    orders = ({ commit }) => {
      if (!commit) return
      const times: [n: number, written: number, committed: number][] = []
      const one = async (n: number): Promise<void> => {
        let written = 0
        await ctx.tx(async tx => {
          tx.afterCommit(async () => void times.push([n, written, now_ms()]))
          await tx.emit('widget.created', { id: rows[n % rows.length], customer_id, name: String(n), part_id: filling })
          written = now_ms()
          return null
        })
        if (times.length === commit.count) tell({ times })
      }
      void paced(commit, n => void one(n))
    }
  })

const roles: Record<string, () => Promise<(order: Order) => unknown>> = {
  /** Credentials for the gateway, and a service that commits when told to. */
  service: async () => {
    const prefix = `bench${process.pid}.`
    const database = await testDatabase({ tables: [idempotency, ...fixtureTables, ...Object.values(systemTables('pace'))] })
    const cache = openCache({ url: setting('REDIS_URL'), prefix })
    await cache.ready()
    const bus = await openBus({ url: setting('AMQP_URL'), log: silentLogger, prefix })
    const { services } = fixtureServices(fixtureState())
    const emits = { 'widget.created': { domain: 'widget', resource: 'widget', internal: false } }
    const pace = defineService({ name: 'pace', methods: {}, emits, consumes: {}, calls: {} }, {
      handlers: {},
      consumers: {},
      jobs: { commits },
    } as never) as Service
    const http = { request: () => Promise.reject(new Error('no http here')) }
    const running = await serve([...services, pace], { bus, database, cache, http, log: silentLogger, errors: fixtureErrors })
    const states = await StatePublisher.open({ bind: 'tcp://127.0.0.1:*', log: silentLogger })
    stop.push(
      () => states.close(),
      () => running.close(),
      () => bus.close(),
      () => cache.close(),
      () => database.drop(),
    )
    tell({ prefix, database_url: database.url, endpoint: states.endpoint })
    return order => {
      orders?.(order)
      if (!order.state) return
      const times: [number, number][] = []
      void paced(order.state, n => {
        times.push([n, now_ms()])
        const data = { customer_id, widget_id: rows[n % rows.length], name: `${n}`, detail: filling, timestamp: new Date().toISOString() }
        states.publish({ type: 'widget.state', data })
      }).then(() => tell({ times }))
    }
  },
  gateway: async () => {
    const env = { MYSQL_URL: given.database_url ?? '', ZMQ_CONNECT: given.endpoint ?? '', WS_SOCKETS_PER_CUSTOMER: '1000000' }
    const config = fixtureConfig(env)
    const cache = openCache({ url: config.REDIS_URL, prefix: given.prefix ?? '' })
    await cache.ready()
    const bus = await openBus({ url: config.AMQP_URL, log: silentLogger, prefix: given.prefix ?? '' })
    const database = openDb({ url: config.MYSQL_URL })
    const contract = fixtureContract(fixtureServices(fixtureState()).calls)
    const wide = { ...contract, states: { 'widget.state': { resource: 'widget', fields: ['name', 'detail'] } } }
    const gateway = await startGateway({ config, bus, database, cache, log: silentLogger, contract: wide })
    stop.push(
      () => gateway.close(),
      () => bus.close(),
      () => cache.close(),
      () => database.close(),
    )
    tell({ port: gateway.port })
    return memory
  },
  /** Everything from a quorum queue, and everything from a bare ZeroMQ socket, to every socket. */
  bare: async () => {
    const server = createServer()
    const sockets = new WebSocketServer({ server, perMessageDeflate: false })
    const send = (content: Buffer): void => {
      for (const socket of sockets.clients) socket.send(content, { binary: false })
    }
    const connection = await connect(setting('AMQP_URL'), { noDelay: true })
    const channel = await connection.createChannel()
    const name = given.exchange ?? ''
    await channel.assertExchange(name, 'fanout', { durable: true })
    await channel.assertQueue(name, { durable: true, arguments: { 'x-queue-type': 'quorum', 'x-expires': 60_000 } })
    await channel.bindQueue(name, name, '')
    await channel.prefetch(200)
    await channel.consume(name, message => {
      if (!message) return
      send(message.content)
      channel.ack(message)
    })
    const subscriber = new Subscriber({ linger: 0 })
    subscriber.subscribe('')
    subscriber.connect(given.endpoint ?? '')
    void (async () => {
      for await (const [, body] of subscriber) if (body) send(body)
    })()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    stop.push(
      () => subscriber.close(),
      async () => {
        await channel.deleteQueue(name)
        await channel.deleteExchange(name)
        await connection.close()
      },
      () => server.close(),
      () => sockets.clients.forEach(socket => void socket.terminate()),
    )
    tell({ port: (server.address() as AddressInfo).port })
    return memory
  },
  /** Many sockets that only count bytes, so that they cost little beside the server. */
  crowd: async () => {
    const sockets: Socket[] = []
    let bytes = 0
    stop.push(() => sockets.forEach(socket => void socket.destroy()))
    tell({})
    return async order => {
      if (order.bytes) tell({ bytes })
      if (!order.open) return
      for (let n = 0; n < order.open.count; n++) sockets.push(await handshake(given.port ?? 0, order.open.path, order.open.subscribe))
      for (const socket of sockets) {
        socket.removeAllListeners('data')
        socket.on('data', data => {
          bytes += data.length
        })
      }
      tell({ opened: sockets.length })
    }
  },
}

async function memory(order: Order): Promise<void> {
  if (!order.memory) return
  for (let i = 0; i < 5; i++) {
    globalThis.gc?.()
    await pause(100)
  }
  const { heapUsed, external } = process.memoryUsage()
  tell({ used: heapUsed + external })
}

async function handshake(port: number, path: string, subscribe: string | undefined): Promise<Socket> {
  const socket = connectTcp(port, '127.0.0.1')
  const key = Buffer.alloc(16).toString('base64')
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n\r\n`,
  )
  // The upgrade's answer and, where there is one, the ack behind it.
  let seen = ''
  const until = async (mark: string): Promise<void> => {
    while (!seen.includes(mark)) seen += String((await once(socket, 'data'))[0])
    seen = ''
  }
  await until(path.includes('accesskey') ? '"request":"auth"' : '\r\n\r\n')
  if (subscribe === undefined) return socket
  socket.write(masked(subscribe))
  await until('"request":"subscribe"')
  return socket
}

/** A masked text frame as a client sends it (RFC 6455, 5.2), shorter than 64 KiB. */
function masked(frame: string): Buffer {
  const body = Buffer.from(frame)
  const head = body.length < 126 ? [0x81, 0x80 | body.length] : [0x81, 0xfe, body.length >> 8, body.length & 0xff]
  return Buffer.concat([Buffer.from(head), Buffer.alloc(4), body])
}

const start = roles[role]
if (start) {
  const take = await start()
  process.on('message', async (order: Order) => {
    if (!order.stop) return void take(order)
    for (const end of stop) await end()
    process.exit(0)
  })
}
