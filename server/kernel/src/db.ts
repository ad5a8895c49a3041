import { drizzle } from 'drizzle-orm/mysql2'
import { createPool, type Pool, type PoolConnection } from 'mysql2'
import type { Db } from './context.ts'
import { isBroken, isRetryable, rootCause, UnavailableError } from './db-errors.ts'
import { pause } from './wake.ts'

export interface DbOptions {
  /** `mysql://user:password@host:port/database`. `?ssl={…}` as mysql2 reads it. */
  url: string
  /** Connections at most (10–50, default 20). */
  pool_max?: number
  /** How long to wait for a free connection or a new one, in milliseconds. Default 5,000. */
  acquire_ms?: number
  /** One statement's limit in milliseconds, on the server and on the wire. Default 35,000: above the lock wait of 30 s. */
  statement_ms?: number
}

export interface TransactionOptions {
  /**
   * `work` recognises its own earlier commit (an inbox row), so that a connection lost while committing may be retried as well.
   * Default false: the outcome is unknown then, and the caller gets an UnavailableError.
   */
  repeatable?: boolean
}

export interface Database extends AsyncDisposable {
  readonly pool: Pool
  readonly db: Db
  /**
   * Runs `work` in one READ COMMITTED transaction. Deadlocks, lock timeouts and lost connections run it again from the start, so `work`
   * must keep its effects inside the transaction. Rejects with UnavailableError when the database cannot be reached.
   */
  transaction<T>(work: (db: Db) => Promise<T>, options?: TransactionOptions): Promise<T>
  /** Answers within `acquire_ms` whether the database does. For readiness. */
  ping(): Promise<void>
  /** Safe to call twice. */
  close(): Promise<void>
}

const idle_ms = 5 * 60_000
const life_ms = 60 * 60_000
const lock_wait_s = 30
/** Pauses before the second, third … try of a transaction, in milliseconds (plus up to as much again at random). */
const retry_ms = [5, 20, 80, 300]

/** Opens the pool. Connects on first use: a server that is away shows as UnavailableError of the queries, not here. */
export function openDb(options: DbOptions): Database {
  const { url, pool_max = 20, acquire_ms = 5_000, statement_ms = 35_000 } = options
  const pool = createPool({
    uri: url,
    connectionLimit: pool_max,
    maxIdle: Math.min(10, pool_max),
    idleTimeout: idle_ms,
    queueLimit: pool_max * 50,
    connectTimeout: acquire_ms,
    enableKeepAlive: true,
    timezone: 'Z',
    // Plain statements (statements.ts) get times as text too; Date would lose the microseconds.
    dateStrings: true,
    charset: 'utf8mb4',
  })
  const born = new WeakMap<object, number>()
  pool.on('connection', (connection: PoolConnection) => {
    born.set(connection, Date.now())
    // First in the connection's queue, so every later statement runs under these settings.
    for (const setting of sessionSettings(statement_ms)) {
      connection.query(setting, error => {
        if (error) connection.destroy()
      })
    }
  })
  const client = boundedClient(pool, { born, acquire_ms, statement_ms })
  const db = drizzle(client as never, { logger: false }) as unknown as Db

  let closing: Promise<void> | undefined
  const close = () => {
    // A connection that was already broken is closed as well as any other.
    closing ??= new Promise<void>(resolve => pool.end(() => resolve()))
    return closing
  }
  return {
    pool,
    db,
    transaction: (work, options = {}) => runTransaction(db, work, options),
    ping: async () => {
      await client.query('SELECT 1', [])
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** `/*M!` runs on MariaDB only, `/*!50708` on MySQL only: their statement limits have different names and units. */
const sessionSettings = (statement_ms: number) => [
  'SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED',
  `SET SESSION time_zone='+00:00', innodb_lock_wait_timeout=${lock_wait_s}` +
    ` /*M! , max_statement_time=${statement_ms / 1000} */ /*!50708 , max_execution_time=${statement_ms} */`,
]

interface Bounds {
  born: WeakMap<object, number>
  acquire_ms: number
  statement_ms: number
}
interface Statement {
  sql: string
}
type Result = [unknown, unknown]
interface BoundedConnection {
  query(statement: Statement | string, params?: unknown[]): Promise<Result>
  release(): void
}
interface BoundedClient extends BoundedConnection {
  getConnection(): Promise<BoundedConnection>
}

/** What drizzle sees instead of the pool: the same calls, each with a deadline, and no broken connection goes back. */
function boundedClient(pool: Pool, bounds: Bounds): BoundedClient {
  const { born, acquire_ms, statement_ms } = bounds

  const acquire = () =>
    new Promise<PoolConnection>((resolve, reject) => {
      let late = false
      const timer = setTimeout(() => {
        late = true
        reject(new UnavailableError(`no database connection within ${acquire_ms} ms`))
      }, acquire_ms)
      pool.getConnection((error, connection) => {
        clearTimeout(timer)
        if (late) return connection?.release()
        if (error) return reject(new UnavailableError('the database is away', { cause: error }))
        resolve(connection)
      })
    })

  const run = (connection: PoolConnection, statement: Statement | string, params: unknown[] = []) =>
    new Promise<Result>((resolve, reject) => {
      const query = typeof statement === 'string' ? { sql: statement } : statement
      connection.query({ ...query, timeout: statement_ms + 2_000 }, params, (error, rows, fields) => {
        if (!error) return resolve([rows, fields])
        if (!isBroken(error)) return reject(withoutValues(error, query.sql))
        connection.destroy()
        reject(new UnavailableError('the database connection broke', { cause: error }))
      })
    })

  const release = (connection: PoolConnection) => {
    if (Date.now() - (born.get(connection) ?? 0) > life_ms) connection.destroy()
    else connection.release()
  }

  const once = async (statement: Statement | string, params?: unknown[]) => {
    const connection = await acquire()
    try {
      return await run(connection, statement, params)
    } finally {
      release(connection)
    }
  }

  return {
    query: async (statement, params) => {
      try {
        return await once(statement, params)
      } catch (error) {
        const text = typeof statement === 'string' ? statement : statement.sql
        // A pooled connection may have died unseen; reading again changes nothing.
        if (!(error instanceof UnavailableError) || !/^\s*\(?select\b/i.test(text) || isTimeout(error)) throw error
        return once(statement, params)
      }
    },
    getConnection: async () => {
      const connection = await acquire()
      return { query: (statement, params) => run(connection, statement, params), release: () => release(connection) }
    },
    release: () => undefined,
  }
}

/** The driver writes the statement with all its values into the error; logs get it with placeholders only. */
const withoutValues = (error: Error, statement: string) => Object.assign(error, { sql: statement })

const isTimeout = (error: UnavailableError) => {
  const cause = error.cause
  return cause instanceof Error && 'code' in cause && (cause.code === 'PROTOCOL_SEQUENCE_TIMEOUT' || cause.code === 'ETIMEDOUT')
}

async function runTransaction<T>(db: Db, work: (db: Db) => Promise<T>, { repeatable = false }: TransactionOptions): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    let committing = false
    try {
      return await db.transaction(async tx => {
        const result = await work(tx as unknown as Db)
        committing = true
        return result
      })
    } catch (error) {
      const cause = rootCause(error)
      const pause_ms = retry_ms[attempt]
      const unknown = committing && cause instanceof UnavailableError && !repeatable
      if (unknown) throw new UnavailableError('the database went away while committing', { cause })
      if (pause_ms === undefined || !isRetryable(cause)) throw cause
      await pause(pause_ms * (1 + Math.random()))
    }
  }
}
