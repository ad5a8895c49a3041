import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import type { Publisher, Subscriber } from 'zeromq'
import type { Logger } from './context.ts'
import { metrics } from './metrics.ts'

/** A small message of the fast path: its name, and what it says. */
export interface StateMessage {
  readonly type: string
  readonly data: Readonly<Record<string, unknown>>
}
/** Takes states that have been committed. Never throws, never waits: what cannot be sent is lost, which the fast path allows. */
export interface StateSink {
  publish(message: StateMessage): void
}

/** Messages that wait for one subscriber, or for the socket; what comes beyond is dropped. */
const highWater = 1_000
/** How often the names of publishers are looked up again, in milliseconds: behind one name instances come and go. */
const lookup_ms = 10_000

export interface StatePublisherOptions {
  /** `tcp://<address>:<port>`; a `*` for all addresses, or for any free port. */
  bind: string
  log: Logger
}

/** Publishes states to whoever is connected (ZeroMQ PUB). */
export class StatePublisher implements StateSink {
  /** Where it listens, with the real port. */
  readonly endpoint: string
  readonly #socket: Publisher
  readonly #log: Logger
  #queue: StateMessage[] = []
  #sending: Promise<void> | undefined
  #closed = false

  private constructor(socket: Publisher, endpoint: string, log: Logger) {
    this.#socket = socket
    this.endpoint = endpoint
    this.#log = log
  }

  /** Rejects when the address is taken or the library does not load. */
  static async open({ bind, log }: StatePublisherOptions): Promise<StatePublisher> {
    // Loaded when wanted: a process without the fast path does not need the native library.
    const zeromq = await import('zeromq')
    const socket = new zeromq.Publisher({ sendHighWaterMark: highWater, linger: 0, tcpKeepalive: 1 })
    await socket.bind(bind)
    return new StatePublisher(socket, socket.lastEndpoint ?? bind, log)
  }

  publish(message: StateMessage): void {
    if (this.#closed || this.#queue.length >= highWater) return void metrics.states.inc({ state_type: message.type, outcome: 'dropped' })
    this.#queue.push(message)
    this.#sending ??= this.#send()
  }

  /** Safe to call twice. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#sending
    this.#socket.close()
  }

  /** One after another: the socket takes no second message while it sends. */
  async #send(): Promise<void> {
    await Promise.resolve()
    for (let message = this.#queue.shift(); message; message = this.#queue.shift()) {
      try {
        await this.#socket.send([message.type, JSON.stringify(message.data)])
        metrics.states.inc({ state_type: message.type, outcome: 'sent' })
      } catch (error) {
        metrics.states.inc({ state_type: message.type, outcome: 'dropped' })
        this.#log.debug('state not sent', { state_type: message.type, err: error })
      }
    }
    // In the same turn as the last look at the queue, or what comes in between would stay there.
    this.#sending = undefined
  }
}

/**
 * The fast path of a process: what `bind` says, or nothing without it. A library that does not load or an address that is taken is logged and leaves
 * the process without: everything that matters goes another way.
 */
export async function openStates(bind: string | undefined, log: Logger): Promise<StatePublisher | undefined> {
  if (bind === undefined) return undefined
  try {
    return await StatePublisher.open({ bind, log })
  } catch (error) {
    log.warn('no fast path for states', { bind, err: error })
    return undefined
  }
}

export interface StateSubscriptionOptions {
  /** `tcp://<host>:<port>`; a host name stands for all addresses it has. */
  connect: readonly string[]
  /** `agent.*` means every name that begins with `agent.`, an empty one all. Default: all. */
  topics?: readonly string[]
  log: Logger
  receive(message: StateMessage): void
}

/** Hears states (ZeroMQ SUB). Comes back by itself when a publisher does. */
export class StateSubscription {
  readonly #socket: Subscriber
  readonly #options: StateSubscriptionOptions
  readonly #connected = new Set<string>()
  readonly #timer: NodeJS.Timeout
  readonly #reading: Promise<void>

  private constructor(socket: Subscriber, options: StateSubscriptionOptions) {
    this.#socket = socket
    this.#options = options
    this.#timer = setInterval(() => void this.#resolve(), lookup_ms)
    this.#timer.unref()
    this.#reading = this.#read()
  }

  /** Rejects when the library does not load. Publishers need not be there yet. */
  static async open(options: StateSubscriptionOptions): Promise<StateSubscription> {
    const zeromq = await import('zeromq')
    const socket = new zeromq.Subscriber({
      receiveHighWaterMark: highWater,
      linger: 0,
      tcpKeepalive: 1,
      reconnectInterval: 100,
      reconnectMaxInterval: 2_000,
    })
    socket.subscribe(...(options.topics ?? ['']).map(topicPrefix))
    const subscription = new StateSubscription(socket, options)
    await subscription.#resolve()
    return subscription
  }

  /** Safe to call twice. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#socket.close()
    await this.#reading
  }

  async #resolve(): Promise<void> {
    const found = await Promise.all(this.#options.connect.map(endpoint => addressesOf(endpoint, this.#options.log)))
    if (this.#socket.closed) return
    for (const [i, addresses] of found.entries()) {
      // A name that cannot be looked up right now keeps what it had.
      const known = [...this.#connected].filter(one => one.startsWith(`${i} `))
      if (!addresses) continue
      const wanted = addresses.map(address => `${i} ${address}`)
      for (const one of wanted) if (!this.#connected.has(one)) this.#socket.connect(endpointOf(one))
      for (const one of known) if (!wanted.includes(one)) this.#socket.disconnect(endpointOf(one))
      for (const one of known) this.#connected.delete(one)
      for (const one of wanted) this.#connected.add(one)
    }
  }

  async #read(): Promise<void> {
    for await (const [type, body] of this.#socket) {
      const message = parse(type, body)
      if (!message) this.#options.log.debug('state is not readable', { state_type: String(type) })
      else this.#options.receive(message)
    }
  }
}

/** As the contract spells it -> as ZeroMQ matches it. */
export const topicPrefix = (topic: string): string => topic.replace(/\*$/, '')

const endpointOf = (numbered: string): string => numbered.slice(numbered.indexOf(' ') + 1)

async function addressesOf(endpoint: string, log: Logger): Promise<string[] | undefined> {
  const { hostname, port } = new URL(endpoint)
  if (isIP(hostname.replace(/^\[|\]$/g, '')) !== 0) return [endpoint]
  try {
    const found = await lookup(hostname, { all: true })
    return found.map(({ address, family }) => `tcp://${family === 6 ? `[${address}]` : address}:${port}`)
  } catch (error) {
    log.debug('publisher not found by name', { endpoint, err: error })
    return undefined
  }
}

function parse(type: Buffer | undefined, body: Buffer | undefined): StateMessage | undefined {
  try {
    const data = JSON.parse(String(body)) as unknown
    const isObject = typeof data === 'object' && data !== null && !Array.isArray(data)
    return type && isObject ? { type: type.toString(), data: data as Record<string, unknown> } : undefined
  } catch {
    return undefined
  }
}
