import type { MySqlTable } from 'drizzle-orm/mysql-core'
import { z } from 'zod'
import { type Bus, openBus } from './bus.ts'
import { noCache, openCache } from './cache.ts'
import { systemCaller } from './caller.ts'
import { Subscription } from './consumer.ts'
import type { Caller, Context, Http, Logger } from './context.ts'
import type { CallRow, CallTable, Event } from './contract.ts'
import type { ErrorTable } from './errors.ts'
import { openHttp } from './http.ts'
import { uuid7 } from './id.ts'
import { silentLogger } from './log.ts'
import type { MigrationSet } from './migrate.ts'
import { shardCount, shardExchange, shardedDomain, shardQueue } from './publisher.ts'
import { serve } from './serve.ts'
import type { Service } from './service.ts'
import { systemTables } from './system-tables.ts'
import { type TestDatabase, testDatabase, testPrefix, testUrl } from './testing.ts'

export interface TestServicesOptions {
  /** `generated/errors.ts`. */
  errors: ErrorTable
  /** The services' own tables as the code declares them; the kernel's are added. */
  tables?: readonly MySqlTable[]
  /** Instead of `tables`: migrations to run. */
  migrations?: readonly MigrationSet[]
  /** Answers of services that are not here, by operationId: real requests, answered by a real peer on the bus. */
  peers?: Readonly<Record<string, (input: never, ctx: Context) => unknown>>
  http?: Http
  log?: Logger
  now?: () => Date
  /** Keep a real Redis cache instead of none. */
  cached?: boolean
  /** Values for queue names with a parameter. */
  instance?: Readonly<Record<string, string>>
}

export interface TestServices extends AsyncDisposable {
  readonly database: TestDatabase
  readonly bus: Bus
  /** Every event that has left, in the order of its arrival. */
  readonly events: Event[]
  /** Asks as a customer's agent; `caller` changes who asks. Give `message_id` to ask the same again. */
  call(operation: string, input: object, caller?: Partial<Caller> & { message_id?: string }): Promise<never>
  /** Sends an event as another service would. */
  publish(domain: string, event: Partial<Event> & Pick<Event, 'event_type'> & Record<string, unknown>): Promise<void>
  /** Resolves with the first event that fits; fails after `limit_ms`. */
  event(fits: (event: Event) => boolean, limit_ms?: number): Promise<Event>
}

/** Runs services against a database and a corner of the broker that are theirs alone. */
export async function testServices(services: readonly Service[], options: TestServicesOptions): Promise<TestServices> {
  const { errors, tables = [], migrations, peers = {}, log = silentLogger, now, instance } = options
  const own = services.flatMap(({ contract }) => Object.values(systemTables(contract.name)))
  const database = await testDatabase({ pool_max: 20, ...(migrations ? { migrations } : { tables: [...own, ...tables] }) })
  const prefix = `${testPrefix()}.`
  const bus = await openBus({ url: testUrl('AMQP_URL'), log, prefix })
  const http = openHttp({ allow_private: true })
  const cache = options.cached ? openCache({ url: testUrl('REDIS_URL'), prefix, log }) : undefined
  const shared = { bus, cache: cache ?? noCache, http: options.http ?? http, log, errors, grace_ms: 2_000, ...(now && { now }) }
  const calls = Object.assign({}, ...services.map(({ contract }) => contract.calls)) as CallTable
  const others = peerServices(peers, calls)
  const answering = await serve(others, { ...shared, ...(instance && { instance }) })
  const running = await serve(services, { ...shared, database, ...(instance && { instance }) })

  const events: Event[] = []
  const arrived = new Set<() => void>()
  const domains = new Set(services.flatMap(({ contract }) => Object.values<{ domain: string }>(contract.emits).map(event => event.domain)))
  const recorder = new Subscription({
    bus,
    log,
    service: 'test',
    queue: 'test.events',
    exchanges: [...domains].map(domain => `${domain}.events`),
    handle: async event => {
      events.push(event)
      for (const look of arrived) look()
    },
  })
  await recorder.ready(10_000)
  const sender = bus.publishing.open({ confirm: true })

  const close = async () => {
    await running.close()
    await answering.close()
    await recorder.close(500)
    await removeAll(bus, [...services, ...others])
    await bus.close()
    await http.close()
    await cache?.close()
    await database.drop()
  }
  let closing: Promise<void> | undefined
  return {
    database,
    bus,
    events,
    call: (operation, input, { message_id, ...caller } = {}) => {
      const request_id = uuid7()
      const actor = { type: 'agent', id: caller.agent_id ?? 'test' } as const
      const who = systemCaller('test', { request_id, actor, deadline: Date.now() + 30_000, ...caller })
      return running.rpc.call(who, operation, input, message_id ? { message_id } : {}) as Promise<never>
    },
    publish: async (domain, event) => {
      const full = { event_id: uuid7(), timestamp: new Date().toISOString(), customer_id: '', request_id: uuid7(), ...event }
      const channel = await sender.ready(5_000)
      const exchange = bus.named(domain === shardedDomain ? shardExchange : `${domain}.events`)
      const key = domain === shardedDomain ? '0' : event.event_type
      await new Promise<void>((resolve, reject) => {
        channel.publish(exchange, key, Buffer.from(JSON.stringify(full)), { persistent: true }, error =>
          error ? reject(error) : resolve(),
        )
      })
    },
    event: (fits, limit_ms = 10_000) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const found = events.find(fits)
          if (!found) return
          clearTimeout(timer)
          arrived.delete(look)
          resolve(found)
        }
        const timer = setTimeout(() => {
          arrived.delete(look)
          reject(new Error(`no such event within ${limit_ms} ms; there were ${events.map(event => event.event_type).join(', ') || 'none'}`))
        }, limit_ms)
        arrived.add(look)
        look()
      }),
    [Symbol.asyncDispose]: () => {
      closing ??= close()
      return closing
    },
  }
}

/** One service per queue that the peers' operations are asked on. */
function peerServices(peers: NonNullable<TestServicesOptions['peers']>, calls: CallTable): Service[] {
  const rows = Object.entries(peers).map(([operation, answer]) => {
    const row = calls[operation]
    if (!row) throw new Error(`no operation ${operation} in the contract`)
    return { operation, answer, row }
  })
  const byQueue = Map.groupBy(rows, ({ row }) => row.queue)
  return [...byQueue].map(([queue, group]) => {
    const method = (row: CallRow) => ({ ...row, input: z.looseObject({}), errors: [] })
    return {
      contract: {
        name: queue.split('.')[1] ?? queue,
        methods: Object.fromEntries(group.map(({ operation, row }) => [operation, method(row)])) as never,
        emits: {},
        consumes: {},
        calls,
      },
      handlers: Object.fromEntries(
        group.map(({ operation, answer }) => [operation, async (ctx: Context, input: object) => answer(input as never, ctx)]),
      ),
      consumers: {},
      timers: {},
      jobs: {},
      resources: {},
    }
  })
}

async function removeAll(bus: Bus, services: readonly Service[]): Promise<void> {
  const session = bus.consuming.open({})
  const channel = await session.ready(5_000)
  const queues = new Set(['test.events', 'test.events.dlq'])
  const exchanges = new Set<string>()
  for (const { contract } of services) {
    queues.add(`bin-manager.${contract.name}.request`)
    for (const { domain } of Object.values<{ domain: string }>(contract.emits)) exchanges.add(`${domain}.events`)
    for (const domain of new Set(Object.values<string>(contract.consumes))) {
      if (domain === shardedDomain) {
        exchanges.add(shardExchange)
        for (let shard = 0; shard < shardCount; shard++) for (const end of ['', '.dlq']) queues.add(`${shardQueue(shard)}${end}`)
        continue
      }
      exchanges.add(`${domain}.events`)
      for (const end of ['', '.dlq']) queues.add(`${contract.name}.${domain}.events${end}`)
    }
  }
  for (const queue of queues) await channel.deleteQueue(bus.named(queue))
  for (const exchange of exchanges) await channel.deleteExchange(bus.named(exchange))
  await session.close()
}
