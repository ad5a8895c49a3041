import { once } from 'node:events'
import {
  type Bus,
  type Database,
  openBus,
  openCache,
  type RedisCache,
  type Running,
  StatePublisher,
  serve,
  silentLogger,
  tokenHash,
  uuid7,
} from '@voipbin/kernel'
import { testDatabase, testPrefix, testUrl } from '@voipbin/kernel/testing'
import WebSocket from 'ws'
import { readConfig } from '../src/config.ts'
import { type Contract, type GatewayParts, type RunningGateway, startGateway } from '../src/gateway.ts'
import { idempotency } from '../src/schema.ts'
import { fixtureContract } from './fixture-contract.ts'
import { type FixtureState, fixtureErrors, fixtureServices, fixtureTables } from './fixture-services.ts'

export const fixtureConfig = (env: Record<string, string> = {}) =>
  readConfig({
    MYSQL_URL: testUrl('MYSQL_URL'),
    REDIS_URL: testUrl('REDIS_URL'),
    AMQP_URL: testUrl('AMQP_URL'),
    HTTP_PORT: '0',
    JWT_KEYS: 'k1:0123456789abcdef0123456789abcdef',
    INSTALLATION_KEY: Buffer.alloc(32, 7).toString('base64'),
    ...env,
  })

export interface Tenant {
  customer_id: string
  agent_id: string
  username: string
  password: string
  accesskey: string
}

/** Everything a gateway test needs, on servers of its own names. */
export class Fixture {
  readonly state: FixtureState = {
    agents: new Map(),
    sessions: new Map(),
    accesskeys: new Map(),
    customers: new Map(),
    runs: new Map(),
    hold: undefined,
  }
  readonly prefix = `${testPrefix('gw')}.`
  readonly gateways: RunningGateway[] = []
  readonly sockets: WebSocket[] = []
  bus!: Bus
  cache!: RedisCache
  database!: Database & { readonly url: string; drop(): Promise<void> }
  running!: Running
  states!: StatePublisher
  #contract!: Contract

  static async open(parts: Partial<GatewayParts> & { env?: Record<string, string> } = {}): Promise<Fixture> {
    const fixture = new Fixture()
    fixture.database = await testDatabase({ tables: [idempotency, ...fixtureTables] })
    fixture.cache = openCache({ url: testUrl('REDIS_URL'), prefix: fixture.prefix, command_ms: 30_000 })
    await fixture.cache.ready()
    fixture.bus = await openBus({ url: testUrl('AMQP_URL'), log: silentLogger, prefix: fixture.prefix })
    fixture.states = await StatePublisher.open({ bind: 'tcp://127.0.0.1:*', log: silentLogger })
    const { services, calls } = fixtureServices(fixture.state)
    fixture.running = await serve(services, {
      bus: fixture.bus,
      database: fixture.database,
      cache: fixture.cache,
      log: silentLogger,
      errors: fixtureErrors,
      states: fixture.states,
      http: { request: () => Promise.reject(new Error('no http here')) },
    })
    fixture.#contract = fixtureContract(calls)
    await fixture.addGateway(parts)
    return fixture
  }

  async addGateway({ env = {}, ...parts }: Partial<GatewayParts> & { env?: Record<string, string> } = {}): Promise<RunningGateway> {
    const config = fixtureConfig(env)
    const gateway = await startGateway({
      config,
      bus: this.bus,
      database: this.database,
      cache: this.cache,
      log: silentLogger,
      contract: this.#contract,
      ...parts,
    })
    this.gateways.push(gateway)
    return gateway
  }

  /** A customer with an agent and an access key. */
  tenant({
    permissions = ['customer_admin'],
    api = 1_000_000,
    call_create = 1_000_000,
    login = 1_000_000,
    status = 'active',
  } = {}): Tenant {
    const customer_id = uuid7()
    const agent_id = uuid7()
    const username = `agent-${agent_id}@example.com`
    const accesskey = `ak_${uuid7().replaceAll('-', '')}`
    this.state.customers.set(customer_id, { status, rate_limits: { api, call_create, login } })
    this.state.agents.set(username, { id: agent_id, customer_id, username, password: 'correct horse', permissions })
    this.state.accesskeys.set(tokenHash(accesskey), { id: uuid7(), customer_id, scopes: permissions, tm_expire: null })
    return { customer_id, agent_id, username, password: 'correct horse', accesskey }
  }

  url(path: string, gateway = 0): string {
    return `http://127.0.0.1:${this.gateways[gateway]?.port}${path}`
  }

  /** One request; the body, if any, as JSON. */
  async request(
    method: string,
    path: string,
    { body, headers = {}, gateway = 0 }: { body?: unknown; headers?: Record<string, string>; gateway?: number } = {},
  ): Promise<Answer> {
    const json = body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }
    const response = await fetch(this.url(path, gateway), {
      method,
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...json,
    })
    const text = await response.text()
    return { status: response.status, headers: response.headers, text, body: text.startsWith('{') ? JSON.parse(text) : undefined }
  }

  async login(tenant: Tenant, gateway = 0): Promise<string> {
    const { status, body } = await this.request('POST', '/auth/login', {
      body: { username: tenant.username, password: tenant.password },
      gateway,
    })
    if (status !== 200) throw new Error(`login answered ${status} ${JSON.stringify(body)}`)
    return (body as { token: string }).token
  }

  socket(query: string, gateway = 0): Promise<TestSocket> {
    return TestSocket.open(this.url(`/ws${query}`, gateway).replace('http', 'ws'), this.sockets)
  }

  runs(operation: string): number {
    return this.state.runs.get(operation) ?? 0
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.terminate()
    await Promise.all(this.gateways.map(gateway => gateway.close()))
    await this.running.close()
    await this.#removeQueues()
    await this.states.close()
    await this.bus.close()
    const keys = await this.cache.redis.keys(`${this.prefix}*`)
    if (keys.length > 0) await this.cache.redis.del(...keys.map(key => key.slice(this.prefix.length)))
    await this.cache.close()
    await this.database.drop()
  }

  /** What a killed process leaves on the broker. */
  async removeQueue(queue: string): Promise<void> {
    const session = this.bus.consuming.open({})
    await (await session.ready(30_000)).deleteQueue(queue)
    await session.close()
  }

  /** What a gateway with a name of its own leaves when it stops; for after `close`. */
  async removeLeft(queue: string): Promise<void> {
    const bus = await openBus({ url: testUrl('AMQP_URL'), log: silentLogger, prefix: this.prefix })
    const session = bus.consuming.open({})
    await (await session.ready(30_000)).deleteQueue(bus.named(queue))
    await bus.close()
  }

  async #removeQueues(): Promise<void> {
    const session = this.bus.consuming.open({})
    const channel = await session.ready(30_000)
    for (const service of ['widget', 'agent', 'customer']) {
      await channel.deleteQueue(this.bus.named(`bin-manager.${service}.request`))
      await channel.deleteExchange(this.bus.named(`${service}.events`))
    }
    await channel.deleteExchange(this.bus.named('gateway.hello'))
    await session.close()
  }
}

export interface Answer {
  status: number
  headers: Headers
  text: string
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  body: any
}

export const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` })
export const key = ({ accesskey }: Tenant): Record<string, string> => ({ authorization: `AccessKey ${accesskey}` })

type Frame = Record<string, unknown>

/** A WebSocket that remembers what came. */
export class TestSocket {
  readonly frames: Frame[] = []
  readonly socket: WebSocket
  closed: { code: number; reason: string } | undefined
  #waiting = new Set<() => void>()

  constructor(socket: WebSocket) {
    this.socket = socket
    socket.on('message', data => {
      this.frames.push(JSON.parse(String(data)) as Frame)
      for (const wake of this.#waiting) wake()
    })
    socket.on('close', (code, reason) => {
      this.closed = { code, reason: String(reason) }
      for (const wake of this.#waiting) wake()
    })
  }

  static async open(url: string, all: WebSocket[]): Promise<TestSocket> {
    const socket = new WebSocket(url)
    all.push(socket)
    const test = new TestSocket(socket)
    await once(socket, 'open')
    return test
  }

  send(frame: unknown): void {
    this.socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame))
  }

  /** The first frame that fits, also one that came before. Rejects after `timeout_ms`. */
  async frame(fits: (frame: Frame) => boolean, timeout_ms = 30_000): Promise<Frame> {
    await this.#until(() => this.frames.some(fits), timeout_ms)
    const found = this.frames.find(fits)
    if (!found) throw new Error(`no such frame; came: ${JSON.stringify(this.frames)}`)
    return found
  }

  async ask(frame: Frame & { id: string }): Promise<Frame> {
    this.send(frame)
    return this.frame(answer => answer.id === frame.id)
  }

  async close(timeout_ms = 30_000): Promise<{ code: number; reason: string }> {
    await this.#until(() => this.closed !== undefined, timeout_ms)
    if (!this.closed) throw new Error('the socket stays open')
    return this.closed
  }

  #until(done: () => boolean, timeout_ms: number): Promise<void> {
    if (done()) return Promise.resolve()
    return new Promise(resolve => {
      const finish = (): void => {
        clearTimeout(timer)
        this.#waiting.delete(check)
        resolve()
      }
      const check = (): void => {
        if (done()) finish()
      }
      const timer = setTimeout(finish, timeout_ms)
      this.#waiting.add(check)
    })
  }
}
