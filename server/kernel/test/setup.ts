import { type Bus, openBus } from '../src/bus.ts'
import { noCache } from '../src/cache.ts'
import type { Caller } from '../src/context.ts'
import { type Database, openDb } from '../src/db.ts'
import { openHttp } from '../src/http.ts'
import { createLogger } from '../src/log.ts'
import { type Running, type ServeOptions, serve } from '../src/serve.ts'
import type { Service } from '../src/service.ts'
import { errors } from './fixture.ts'
import { freshDatabase } from './tables.ts'

const need = (name: string): string => {
  const value = process.env[name]
  if (!value) throw new Error(`${name} must point to a real server`)
  return value
}
export const amqpUrl = () => need('AMQP_URL')
export const mysqlUrl = () => need('MYSQL_URL')

export const log = createLogger({ service: 'test', level: (process.env.TEST_LOG as 'info' | undefined) ?? 'silent' })

export const caller = (fields: Partial<Caller> = {}): Caller => ({
  customer_id: '0190a000-0000-7000-8000-000000000001',
  agent_id: null,
  actor: { type: 'agent', id: 'a-1' },
  permissions: ['item_create'],
  request_id: 'r-1',
  locale: 'en',
  deadline: Date.now() + 30_000,
  ...fields,
})

export interface World extends AsyncDisposable {
  bus: Bus
  database: Database
  url: string
  prefix: string
  open(options?: { amqp_url?: string }): Promise<Bus>
  serve(services: readonly Service[], options?: Partial<ServeOptions>): Promise<Running>
  query<T>(sql: string, params?: unknown[]): Promise<T[]>
}

/** A database and a name space on the broker of its own; all of it goes when the test is over. */
export async function world(options: { amqp_url?: string } = {}): Promise<World> {
  const prefix = `t${crypto.randomUUID().slice(0, 8)}.`
  const { url, drop } = await freshDatabase(mysqlUrl())
  const database = openDb({ url, pool_max: 30 })
  const running: Running[] = []
  const buses: Bus[] = []
  const open = async (other: { amqp_url?: string } = {}) => {
    const bus = await openBus({ url: other.amqp_url ?? options.amqp_url ?? amqpUrl(), log, prefix })
    buses.push(bus)
    return bus
  }
  const bus = await open()
  const http = openHttp()
  return {
    bus,
    database,
    url,
    prefix,
    open,
    serve: async (services, own = {}) => {
      const app = await serve(services, { bus, database, cache: noCache, http, log, errors, grace_ms: 3_000, ...own })
      running.push(app)
      return app
    },
    query: async <T>(sql: string, params: unknown[] = []) => {
      const [rows] = await database.pool.promise().query(sql, params)
      return rows as T[]
    },
    [Symbol.asyncDispose]: async () => {
      for (const app of running) await app.close()
      await removeQueues(prefix, buses)
      for (const one of buses) await one.close()
      await database.close()
      await http.close()
      await drop()
    },
  }
}

const queues = ['bin-manager.alpha.request', 'bin-manager.beta.request', 'beta.alpha.events', 'beta.alpha.events.dlq']

async function removeQueues(prefix: string, [bus]: Bus[]): Promise<void> {
  const session = bus?.consuming.open({})
  const channel = await session?.ready(30_000)
  for (const queue of queues) await channel?.deleteQueue(prefix + queue)
  await channel?.deleteExchange(`${prefix}alpha.events`)
}

/** Polls until `check` gives something; fails after `limit_ms`. */
export async function until<T>(check: () => Promise<T | undefined | false> | T | undefined | false, limit_ms = 30_000): Promise<T> {
  const end = Date.now() + limit_ms
  for (;;) {
    const value = await check()
    if (value !== undefined && value !== false) return value
    if (Date.now() > end) throw new Error(`not so after ${limit_ms} ms`)
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}
