import { randomBytes } from 'node:crypto'
import type { MySqlTable } from 'drizzle-orm/mysql-core'
import { createConnection } from 'mysql2/promise'
import { audits } from './audit.ts'
import { noCache } from './cache.ts'
import type { Cache, Caller, Context, Http, Logger, Tx } from './context.ts'
import { type Database, openDb } from './db.ts'
import { createTableSql } from './ddl.ts'
import { AppError } from './errors.ts'
import { uuid7 } from './id.ts'
import { silentLogger } from './log.ts'
import { createDatabase, kernelMigrations, type MigrationSet, migrate } from './migrate.ts'

type Needed = 'MYSQL_URL' | 'REDIS_URL' | 'AMQP_URL'

/** The address of a server the tests need. Throws when it is missing: a test never passes by not running. */
export function testUrl(name: Needed): string {
  const url = process.env[name]
  if (url) return url
  throw new Error(`${name} is not set: tests run against real servers; \`npm test\` starts them, or export their addresses`)
}

/** A name no other test uses: letters, digits and underscores. */
export const testPrefix = (name = 'test'): string => `${name}_${randomBytes(6).toString('hex')}`

export interface TestDatabase extends Database {
  readonly url: string
  readonly name: string
  /** Closes the pool and drops the database. Safe to call twice. */
  drop(): Promise<void>
}
export interface TestDatabaseOptions {
  /** Tables to make as the code declares them; `kernel_audits` is always there. */
  tables?: readonly MySqlTable[]
  /** Instead of `tables`: migrations to run, the kernel's first. */
  migrations?: readonly MigrationSet[]
  pool_max?: number
}

/** A database of its own on the test server: `await using database = await testDatabase({ tables: [calls] })`. */
export async function testDatabase({ tables = [], migrations, pool_max = 10 }: TestDatabaseOptions = {}): Promise<TestDatabase> {
  const server = testUrl('MYSQL_URL')
  const name = testPrefix('voipbin_test')
  const target = new URL(server)
  target.pathname = `/${name}`
  const url = target.href
  await createDatabase(url)
  if (migrations) await migrate({ url, sets: [kernelMigrations, ...migrations] })
  else await run(url, [audits, ...tables].map(createTableSql))
  const database = openDb({ url, pool_max })
  let dropping: Promise<void> | undefined
  const drop = () => {
    dropping ??= database.close().then(() => run(url, [`DROP DATABASE \`${name}\``]))
    return dropping
  }
  return { ...database, url, name, drop, [Symbol.asyncDispose]: drop }
}

async function run(url: string, statements: readonly string[]): Promise<void> {
  const connection = await createConnection({ uri: url })
  try {
    for (const statement of statements) await connection.query(statement)
  } finally {
    await connection.end()
  }
}

export interface TestContext extends Context {
  /** Events of committed transactions, in order. */
  readonly events: { event_type: string; data: unknown }[]
  /** Timers of committed transactions by key. */
  readonly timers: Map<string, { name: string; at: Date; payload: object }>
}
export interface TestContextOptions extends Partial<Caller> {
  database: Pick<Database, 'db' | 'transaction'>
  cache?: Cache
  http?: Http
  /** Settings, as parsed. */
  config?: Readonly<Record<string, unknown>>
  log?: Logger
  now?: () => Date
  /** Answers `ctx.call` by operationId. */
  calls?: Readonly<Record<string, (input: object) => unknown>>
}

/** A context over a real database without a bus: for repos and rules that write. Services are tested through the bus instead. */
export function testContext(options: TestContextOptions): TestContext {
  const events: TestContext['events'] = []
  const timers: TestContext['timers'] = new Map()
  return contextFor(options, { events, timers })
}

function contextFor(options: TestContextOptions, seen: Pick<TestContext, 'events' | 'timers'>): TestContext {
  const { database, cache = noCache, log = silentLogger, now = () => new Date(), calls = {} } = options
  const caller: Caller = {
    customer_id: options.customer_id ?? uuid7(),
    agent_id: options.agent_id ?? null,
    actor: options.actor ?? { type: 'agent', id: options.agent_id ?? 'test' },
    permissions: options.permissions ?? [],
    request_id: options.request_id ?? testPrefix('request'),
    locale: options.locale ?? 'en',
    deadline: options.deadline ?? Date.now() + 30_000,
    address: options.address,
    user_agent: options.user_agent,
  }
  return {
    ...caller,
    ...seen,
    log,
    cache,
    now,
    config: options.config ?? {},
    db: database.db,
    signal: new AbortController().signal,
    http: options.http ?? { request: async url => Promise.reject(new Error(`no http in this test: ${url}`)) },
    newId: uuid7,
    call: async (operation, input) => {
      const answer = calls[String(operation)]
      if (!answer) throw new Error(`this test answers no ${String(operation)}`)
      return answer(input) as never
    },
    tx: async work => {
      const jobs: (() => Promise<void>)[] = []
      const events: TestContext['events'] = []
      const timers: (() => void)[] = []
      const result = await database.transaction(async db => {
        jobs.length = events.length = timers.length = 0
        const tx: Tx = {
          ...caller,
          db,
          log,
          now,
          newId: uuid7,
          emit: async (event_type, data) => void events.push({ event_type, data }),
          setTimer: async (name, { key, at, payload }) => void timers.push(() => seen.timers.set(key, { name, at, payload })),
          cancelTimer: async key => void timers.push(() => seen.timers.delete(key)),
          afterCommit: job => void jobs.push(job),
        }
        return work(tx)
      })
      for (const timer of timers) timer()
      for (const job of jobs) await job()
      seen.events.push(...events)
      return result
    },
    as: customer_id => contextFor({ ...options, ...caller, customer_id }, seen),
    error: (reason, data = {}) => new AppError(reason, reason.endsWith('_NOT_FOUND') ? 'NOT_FOUND' : 'FAILED_PRECONDITION', data),
  }
}

/** Asks again until the answer is truthy; the way to wait in tests. Throws naming `what` after `timeout_ms` (default 30,000). */
export async function until<T>(
  condition: () => T | Promise<T>,
  { timeout_ms = 30_000, every_ms = 10, what = 'the condition' }: { timeout_ms?: number; every_ms?: number; what?: string } = {},
): Promise<NonNullable<T>> {
  const end = Date.now() + timeout_ms
  for (;;) {
    const value = await condition()
    if (value) return value
    if (Date.now() > end) throw new Error(`${what} did not come true within ${timeout_ms} ms`)
    await new Promise(resolve => setTimeout(resolve, every_ms))
  }
}
