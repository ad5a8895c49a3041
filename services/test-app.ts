import { errors } from '@voipbin/generated/errors'
import { type Calls, calls } from '@voipbin/generated/rpc/calls'
import {
  type Bus,
  type Caller,
  type CallOptions,
  type Context,
  createLogger,
  type Event,
  type In,
  type MethodRow,
  noCache,
  type Out,
  openBus,
  openHttp,
  RpcClient,
  type Running,
  requestQueue,
  type Service,
  serve,
  setInstallationKey,
  systemCaller,
} from '@voipbin/kernel'
import { testDatabase, testPrefix, testUrl, until } from '@voipbin/kernel/testing'

export interface TestApp extends AsyncDisposable {
  readonly bus: Bus
  /** Every event the services have sent, in the order they came, once however often it came. Emptied by the test. */
  readonly events: Event[]
  /** Asks over the bus, as an agent of the customer given. */
  call<M extends keyof Calls & string>(
    operation: M,
    input: In<Calls, M>,
    as?: Partial<Caller>,
    options?: CallOptions,
  ): Promise<Out<Calls, M>>
  ownerOf(service: string, resource: string, id: string): Promise<string | null>
  /** Puts an event of somebody else on the bus. */
  publish(domain: string, event: Partial<Event> & Pick<Event, 'event_type' | 'data'>): Promise<void>
  query<T>(sql: string, params?: unknown[]): Promise<T[]>
  /** Empties `events`, also of what is committed and has not come yet. */
  forget(): Promise<void>
  /** What another process needs to serve the same world. */
  readonly address: { amqp_url: string; mysql_url: string; prefix: string }
  close(): Promise<void>
}
export interface TestAppOptions {
  services: readonly Service[]
  /** Served by other processes of the test, in this world. */
  elsewhere?: readonly Service[]
  /** Answer operations of other services; they have no tables. */
  standIns?: readonly Service[]
  env?: Readonly<Record<string, string>>
  now?: () => Date
  /** Values for queue names with a parameter. */
  instance?: Readonly<Record<string, string>>
}

/** For tests: an installation key that every process of a test uses. */
export const testKey = Buffer.alloc(32, 7).toString('base64')

/** Services on the real servers, with a database and names on the broker of their own. All of it goes with `close`. */
export async function testApp({ services, elsewhere = [], standIns = [], env = {}, now, instance }: TestAppOptions): Promise<TestApp> {
  setInstallationKey(testKey)
  const log = createLogger({ service: 'test', level: process.env.TEST_LOG === 'debug' ? 'debug' : 'silent' })
  const prefix = `${testPrefix('t')}.`
  const own = [...services, ...elsewhere]
  const folders = own.map(({ contract: { name } }) => ({ name, folder: new URL(`${name}/migrations`, import.meta.url).pathname }))
  const database = await testDatabase({ migrations: folders, pool_max: 20 })
  const bus = await openBus({ url: testUrl('AMQP_URL'), log, prefix })
  const http = openHttp({ allow_private: true })
  const rpc = new RpcClient(bus, calls, { log, breaker_ms: 200 })
  const events: Event[] = []
  const all = [...own, ...standIns]
  const domains = [...new Set(own.flatMap(({ contract }) => Object.values<{ domain: string }>(contract.emits).map(row => row.domain)))]
  const known = new Set<string>()
  const heard = hear(bus, domains, event => {
    if (!known.has(event.event_id)) events.push(event)
    known.add(event.event_id)
  })
  const running: Running[] = []
  let closing: Promise<void> | undefined
  const close = () => {
    closing ??= (async () => {
      for (const app of running) await app.close()
      await rpc.close()
      await heard.close()
      await removeNames(bus, all, { domains, instance })
      await bus.close()
      await http.close()
      await database.drop()
    })()
    return closing
  }
  const common = { bus, cache: noCache, http, log, errors, env, grace_ms: 3_000, ...(now && { now }), ...(instance && { instance }) }
  try {
    await Promise.all([heard.ready(30_000), rpc.ready(30_000)])
    if (standIns.length > 0) running.push(await serve(standIns, common))
    if (services.length > 0) running.push(await serve(services, { ...common, database }))
  } catch (error) {
    await close()
    throw error
  }
  const query = async <T>(sql: string, params: unknown[] = []) => (await database.pool.promise().query(sql, params))[0] as T[]
  const forget = async () => {
    for (const { name } of folders) await until(async () => (await query(`SELECT 1 FROM ${name}_outbox LIMIT 1`)).length === 0)
    // Comes behind all that has left.
    const event_id = crypto.randomUUID()
    await publish(bus, domains[0] ?? '', { event_type: 'test.marker', event_id, data: {} })
    await until(() => known.has(event_id))
    events.length = 0
  }
  const caller = (fields: Partial<Caller> = {}): Caller =>
    systemCaller('test', {
      actor: { type: 'agent', id: 'test' },
      request_id: testPrefix('request'),
      deadline: Date.now() + 30_000,
      ...fields,
    })
  return {
    bus,
    events,
    address: { amqp_url: testUrl('AMQP_URL'), mysql_url: database.url, prefix },
    call: (operation, input, as, options) => rpc.call(caller(as), operation, input, options) as Promise<never>,
    ownerOf: (service, resource, id) => rpc.ownerOf(caller(), service, resource, id),
    publish: (domain, event) => publish(bus, domain, event),
    query,
    forget,
    close,
    [Symbol.asyncDispose]: close,
  }
}

type Answers<M extends keyof Calls> = { [K in M]: (ctx: Context, input: In<Calls, K>) => Promise<Out<Calls, K>> }
interface Described {
  readonly name: string
  readonly methods: object
  readonly calls: Service['contract']['calls']
}

/** A stand-in for a service that another one calls: answers some operations of its contract over the real bus. */
export function standIn<M extends keyof Calls & string>(contract: Described, handlers: Answers<M>): Service {
  const rows = contract.methods as Record<string, MethodRow>
  const methods = Object.fromEntries(Object.keys(handlers).map(name => [name, rows[name]]))
  const own = { name: contract.name, methods, emits: {}, consumes: {}, calls: contract.calls }
  return { contract: own, handlers, consumers: {}, timers: {}, jobs: {}, resources: {} } as unknown as Service
}

function hear(bus: Bus, domains: readonly string[], listener: (event: Event) => void) {
  return bus.consuming.open({
    setup: async channel => {
      const { queue } = await channel.assertQueue('', { exclusive: true })
      for (const domain of domains) {
        await channel.assertExchange(bus.named(`${domain}.events`), 'fanout', { durable: true })
        await channel.bindQueue(queue, bus.named(`${domain}.events`), '')
      }
      await channel.consume(queue, message => message && listener(JSON.parse(message.content.toString()) as Event), { noAck: true })
    },
  })
}

async function publish(bus: Bus, domain: string, event: Partial<Event> & Pick<Event, 'event_type' | 'data'>): Promise<void> {
  const { id = crypto.randomUUID(), customer_id = '' } = (event.data ?? {}) as { id?: string; customer_id?: string }
  const resource_type = event.event_type.split('.')[0] ?? ''
  const identity = { event_id: crypto.randomUUID(), timestamp: new Date().toISOString(), request_id: testPrefix('request') }
  const whole: Event = { ...identity, customer_id, resource_type, resource_id: id, resource_seq: 1, ...event }
  const session = bus.publishing.open({ confirm: true })
  const channel = await session.ready(30_000)
  channel.publish(bus.named(`${domain}.events`), event.event_type, Buffer.from(JSON.stringify(whole)), { type: event.event_type })
  await channel.waitForConfirms()
  await session.close()
}

interface Names {
  domains: readonly string[]
  instance: TestAppOptions['instance']
}

async function removeNames(bus: Bus, services: readonly Service[], { domains, instance }: Names): Promise<void> {
  const session = bus.consuming.open({})
  const channel = await session.ready(30_000)
  const queues = services.flatMap(({ contract: { name, consumes } }) => [
    requestQueue(name),
    ...Object.values(instance ?? {}).map(value => requestQueue(`${name}.${value}`)),
    ...Object.values<string>(consumes).flatMap(domain => [`${name}.${domain}.events`, `${name}.${domain}.events.dlq`]),
  ])
  for (const queue of new Set(queues)) await channel.deleteQueue(bus.named(queue))
  const heard = services.flatMap(({ contract }) => Object.values<string>(contract.consumes))
  for (const domain of new Set([...domains, ...heard])) await channel.deleteExchange(bus.named(`${domain}.events`))
  await session.close()
}
