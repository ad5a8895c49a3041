import { Batch } from './batch.ts'
import type { Bus } from './bus.ts'
import { systemCaller } from './caller.ts'
import { loadConfig } from './config.ts'
import { type SeenStore, type Subscription, subscriptionsOf } from './consumer.ts'
import type { Cache, Http, Logger } from './context.ts'
import type { CallTable, Event } from './contract.ts'
import type { Database } from './db.ts'
import type { ErrorTable } from './errors.ts'
import type { Host, HostData } from './host.ts'
import { uuid7 } from './id.ts'
import { Inbox } from './inbox.ts'
import { Leaders } from './leader.ts'
import { makeContext } from './make-context.ts'
import { Message } from './message.ts'
import { metrics } from './metrics.ts'
import { Outbox } from './outbox.ts'
import { OutboxRelay } from './relay.ts'
import { RpcClient } from './rpc-client.ts'
import { RpcServer } from './rpc-server.ts'
import type { Service } from './service.ts'
import { TimerStore } from './timer-store.ts'
import { TimerRunner } from './timers.ts'
import { atMost, pause } from './wake.ts'
import { Workers } from './workers.ts'
import type { StateSink } from './zmq.ts'

export interface ServeOptions {
  bus: Bus
  /** Left out in processes without tables: their handlers have neither `ctx.db` nor `ctx.tx`, and nothing remembers messages. */
  database?: Database
  cache: Cache
  http: Http
  log: Logger
  /** `generated/errors.ts`. */
  errors: ErrorTable
  /** Where services find the settings they declare: the environment, given by who starts them. Default: empty. */
  env?: Readonly<Record<string, string | undefined>>
  /** The fast path for states; without it none go out. */
  states?: StateSink | undefined
  /** Values for queue names with a parameter, e.g. `{ asterisk_id }`. */
  instance?: Readonly<Record<string, string>>
  /** How long stopping waits for work in flight, in milliseconds. Default 10,000. */
  grace_ms?: number
  /** After how long the timers of a killed process run elsewhere, in milliseconds. Default 15,000. */
  timer_lease_ms?: number
  now?: () => Date
}

export interface Running extends AsyncDisposable {
  readonly rpc: RpcClient
  /** Takes requests and events: started, not stopping, and the broker is there. */
  readonly isReady: boolean
  /** Stops consuming, finishes what is in flight (within the grace), flushes the outbox, closes. Leaves bus, database and cache open. Safe to call twice. */
  close(): Promise<void>
}

/** How long starting may wait for broker and database, in milliseconds. */
const start_ms = 60_000
/** A context for one event gets this long, in milliseconds. */
const event_ms = 120_000
const purge_ms = 10 * 60_000
const depth_ms = 15_000

/**
 * Runs any number of services in this process, over one bus and one pool. Resolves when all of them take requests. Throws ConfigError naming the
 * settings that a service declares and `env` lacks.
 */
export async function serve(services: readonly Service[], options: ServeOptions): Promise<Running> {
  const { bus, database, log, env = {}, grace_ms = 10_000 } = options
  const configs = services.map(({ config }) => (config ? loadConfig(config.schema, env) : {}))
  const stopping = new AbortController()
  const rpc = new RpcClient(bus, {}, { log })
  const leaders = database && new Leaders(database, log)
  const parts = services.map((service, at) =>
    startable(service, { ...options, rpc, leaders, config: configs[at] ?? {}, stopping: stopping.signal }),
  )
  let ready = false

  const close = async () => {
    ready = false
    const end = Date.now() + grace_ms
    const left = () => Math.max(0, end - Date.now())
    const grace = setTimeout(() => stopping.abort(), grace_ms)
    // Nothing new first; the RPC servers last, since whatever is in flight may still be asking them.
    await Promise.all(parts.flatMap(part => [...part.subscriptions.map(one => one.close(left())), part.timers?.close(left())]))
    await Promise.all(parts.map(part => part.server.close(left())))
    await Promise.all(parts.map(part => part.workers.close(left())))
    stopping.abort()
    clearTimeout(grace)
    await Promise.all(parts.map(part => part.relay?.flush(Math.min(3_000, Math.max(500, left())))))
    await atMost(Math.max(1_000, left()), leaders?.close())
    await Promise.all(parts.map(part => part.close()))
    await rpc.close()
    log.info('services stopped', { services: services.map(service => service.contract.name) })
  }
  let closing: Promise<void> | undefined
  const closeOnce = () => {
    closing ??= close()
    return closing
  }

  try {
    if (database) await within(start_ms, stopping.signal, () => database.ping(), log)
    await rpc.ready(start_ms)
    await Promise.all(parts.map(part => part.start(start_ms)))
  } catch (error) {
    await closeOnce()
    throw error
  }
  ready = true
  log.info('services started', { services: services.map(service => service.contract.name) })
  return {
    rpc,
    get isReady() {
      return ready && bus.isUp
    },
    close: closeOnce,
    [Symbol.asyncDispose]: closeOnce,
  }
}

/** Tries until it works or the time is up. */
async function within(limit_ms: number, signal: AbortSignal, work: () => Promise<unknown>, log: Logger): Promise<void> {
  const end = Date.now() + limit_ms
  for (;;) {
    try {
      await work()
      return
    } catch (error) {
      if (Date.now() > end) throw error
      log.warn('waiting for the database', { err: error })
      await pause(500, signal)
    }
  }
}

interface PartOptions extends ServeOptions {
  rpc: RpcClient
  leaders: Leaders | undefined
  stopping: AbortSignal
  config: Readonly<Record<string, unknown>>
}
interface Part {
  server: RpcServer
  subscriptions: Subscription[]
  timers: TimerRunner | undefined
  relay: OutboxRelay | undefined
  workers: Workers
  start(timeout_ms: number): Promise<void>
  close(): Promise<void>
}

/** Everything that runs for one service. */
function startable(service: Service, options: PartOptions): Part {
  const { bus, database, leaders, rpc, errors, cache, http, config, stopping, now = () => new Date() } = options
  const { contract } = service
  const log = options.log.child({ service: contract.name })
  rpc.add(contract.calls as CallTable)

  const exchanges = [...new Set(Object.values<{ domain: string }>(contract.emits).map(event => `${event.domain}.events`))]
  const emits = database && exchanges.length > 0
  const outbox = new Outbox(contract)
  const relay = emits ? new OutboxRelay({ service: contract.name, bus, db: database.db, outbox, exchanges, log }) : undefined
  let timers: TimerRunner | undefined
  const data: HostData | undefined = database && {
    database,
    inbox: new Inbox(contract.name),
    outbox,
    timers: new TimerStore(contract.name),
    committed: ({ events, states, timer_due }) => {
      for (const state of states) options.states?.publish(state)
      if (events.length > 0) relay?.committed(events)
      if (timer_due !== undefined) timers?.committed(timer_due)
    },
  }
  const host: Host = { service, name: contract.name, log, rpc, errors, data, cache, http, config, stopping, now }
  if (data && Object.keys(service.timers).length > 0) {
    timers = new TimerRunner({ host, store: data.timers, lease_ms: options.timer_lease_ms ?? 15_000 })
  }
  const server = new RpcServer({ host, bus, ...(options.instance && { instance: options.instance }) })
  const workers = new Workers(log)
  const part: Part = { server, subscriptions: [], timers, relay, workers, start, close }
  const housekeeping: NodeJS.Timeout[] = []
  const depth = bus.consuming.open({})

  async function start(timeout_ms: number): Promise<void> {
    await relay?.ready(timeout_ms)
    if (relay) leaders?.lead(`${contract.name}.outbox`, log, signal => relay.lead(signal))
    for (const [name, work] of Object.entries(service.workers ?? {})) workers.start(name, work, signal => jobContext(host, name, signal))
    timers?.start()
    for (const [name, job] of Object.entries(service.jobs))
      leaders?.lead(`${contract.name}.job.${name}`, log, signal => job(jobContext(host, name, signal)))
    part.subscriptions = subscriptionsOf(contract.name, contract.consumes, {
      bus,
      log,
      ...(data && { seen: seenStore(data) }),
      handle: event => handleEvent(host, event),
    })
    await Promise.all(part.subscriptions.map(one => one.ready(timeout_ms)))
    await server.start(timeout_ms)
    housekeeping.push(setInterval(() => void sampleDepth(), depth_ms))
    if (data) housekeeping.push(setInterval(() => void purge(data), purge_ms * (0.5 + Math.random())))
  }

  async function close(): Promise<void> {
    for (const timer of housekeeping) clearInterval(timer)
    await Promise.all([relay?.close(), depth.close()])
  }

  async function sampleDepth(): Promise<void> {
    try {
      for (const queue of [...server.queues, ...part.subscriptions.map(one => one.queue)]) {
        const state = await depth.channel?.checkQueue(bus.named(queue))
        if (state) metrics.queueDepth.set({ queue }, state.messageCount)
      }
    } catch (error) {
      log.debug('queue depth not read', { err: error })
    }
  }

  async function purge(from: HostData): Promise<void> {
    try {
      await from.inbox.purge(from.database.db, stopping)
    } catch (error) {
      log.warn('inbox not purged', { err: error })
    }
  }
  return part
}

function seenStore({ database, inbox }: HostData): SeenStore {
  // Events come in bursts: one question for all that arrive together.
  const asked = new Batch<string, boolean>(256, event_ids => inbox.areSeen(database.db, event_ids))
  return {
    isSeen: event_id => asked.add(event_id),
    markSeen: event_ids => inbox.markSeen(database.db, event_ids),
  }
}

async function handleEvent(host: Host, event: Event): Promise<void> {
  const handler = host.service.consumers[event.event_type]
  if (!handler) throw new Error(`${host.name} has no consumer ${event.event_type}`)
  const caller = systemCaller(host.name, {
    customer_id: event.customer_id ?? '',
    request_id: event.request_id ?? event.event_id,
    deadline: Date.now() + event_ms,
  })
  await handler(makeContext(host, new Message(event.event_id, true), caller, { operation: event.event_type }), event)
}

function jobContext(host: Host, name: string, signal: AbortSignal) {
  const caller = systemCaller(host.name, { request_id: uuid7(), deadline: Number.POSITIVE_INFINITY })
  return makeContext(host, new Message(caller.request_id, false), caller, { operation: name, cancel: signal })
}

export interface ClientOptions {
  bus: Bus
  /** `generated/rpc/calls.ts`. */
  calls: CallTable
  log: Logger
}

/** For a process that only asks: the gateway. */
export const createClient = ({ bus, calls, log }: ClientOptions): RpcClient => new RpcClient(bus, calls, { log })
