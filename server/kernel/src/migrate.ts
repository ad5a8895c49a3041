import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { drizzle } from 'drizzle-orm/mysql2'
import { migrate as runDrizzle } from 'drizzle-orm/mysql2/migrator'
import { type Connection, createConnection, type RowDataPacket } from 'mysql2/promise'
import { isBroken, UnavailableError } from './db-errors.ts'

export interface MigrationSet {
  /** The service; its migrations are remembered in `<name>_migrations`. */
  name: string
  /** What drizzle-kit wrote: `0000_….sql` and `meta/_journal.json`. */
  folder: string
}
export interface MigrateOptions {
  /** `mysql://user:password@host:port/database`; the database is made when it is missing and the user may. */
  url: string
  sets: readonly MigrationSet[]
}
export interface Migrated {
  name: string
  /** Tags of the migrations this run has applied, in order. */
  applied: string[]
}

/** The kernel's own tables (audit). */
export const kernelMigrations: MigrationSet = { name: 'kernel', folder: fileURLToPath(new URL('../migrations', import.meta.url)) }

/** The database has been through migrations that are not here: its tables may be others than the ones to come expect. Nothing was changed. */
export class ForeignDatabaseError extends Error {}

/**
 * Brings a database up to date. Forward only; running it again or twice at once changes nothing more. Throws naming the migration that failed, and
 * ForeignDatabaseError before it changes anything.
 */
export async function migrate({ url, sets }: MigrateOptions): Promise<Migrated[]> {
  const database = databaseOf(url)
  const connection = await connectOrCreate(url)
  const lock = `voipbin_migrate:${database}`.slice(0, 64)
  try {
    if ((await scalar(connection, 'SELECT GET_LOCK(?, ?)', [lock, wait_s])) !== 1) {
      throw new Error(`another process has been migrating ${database} for more than ${wait_s} s`)
    }
    for (const set of sets) await refuseForeign(connection, set)
    const done: Migrated[] = []
    for (const set of sets) done.push({ name: set.name, applied: await migrateOne(connection, set) })
    return done
  } finally {
    // The lock goes with the connection.
    await connection.end()
  }
}

interface JournalEntry {
  tag: string
  when: number
}

const readJournal = (folder: string): JournalEntry[] => {
  const { entries } = JSON.parse(readFileSync(join(folder, 'meta', '_journal.json'), 'utf8')) as { entries: JournalEntry[] }
  return entries
}
/** How long to wait while another process migrates, in seconds. */
const wait_s = 120
const tableOf = (name: string) => `${name}_migrations`

async function missing(connection: Connection, set: MigrationSet): Promise<JournalEntry[]> {
  const known = await applied(connection, set)
  return readJournal(set.folder).filter(({ when }) => !known.has(when))
}

/** Times of the migrations that the database has been through; each is known by its time. */
async function applied(connection: Connection, { name }: MigrationSet): Promise<Set<number>> {
  const exists = await scalar(
    connection,
    'SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?',
    [tableOf(name)],
  )
  const known = new Set<number>()
  if (Number(exists) > 0) {
    const [rows] = await connection.query<RowDataPacket[]>('SELECT created_at FROM ??', [tableOf(name)])
    for (const row of rows) known.add(Number(row.created_at))
  }
  return known
}

/** A database that is only newer (this version was rolled back) is fine: there is nothing to do. */
async function refuseForeign(connection: Connection, set: MigrationSet): Promise<void> {
  const [next] = await missing(connection, set)
  if (!next) return
  const own = new Set(readJournal(set.folder).map(({ when }) => when))
  const foreign = [...(await applied(connection, set))].filter(when => !own.has(when))
  if (foreign.length === 0) return
  const times = foreign.map(when => new Date(when).toISOString()).join(', ')
  throw new ForeignDatabaseError(
    `this database was made by another version: the tables of ${set.name} come from migrations that are not in this one (of ${times}), so ${set.name}/${next.tag} cannot be applied`,
  )
}

async function migrateOne(connection: Connection, set: MigrationSet): Promise<string[]> {
  const before = await missing(connection, set)
  if (before.length === 0) return []
  try {
    // The parameter is said, not inferred: inferring compares all of drizzle with itself, half a second of every type check.
    await runDrizzle<Record<string, never>>(drizzle(connection), { migrationsFolder: set.folder, migrationsTable: tableOf(set.name) })
  } catch (error) {
    const [next] = await missing(connection, set)
    throw new Error(`migration ${set.name}/${next?.tag} failed; its earlier statements stay (MySQL cannot take back DDL)`, { cause: error })
  }
  // drizzle passes over a migration that is older than the newest one applied (two branches merged); better loud than missing.
  const [skipped] = await missing(connection, set)
  if (skipped) throw new Error(`migration ${set.name}/${skipped.tag} is older than one already applied: generate it again`)
  return before.map(({ tag }) => tag)
}

async function scalar(connection: Connection, sql: string, params: (string | number)[]): Promise<unknown> {
  const [rows] = await connection.query<RowDataPacket[]>({ sql, rowsAsArray: true }, params)
  return (rows as unknown[][])[0]?.[0]
}

const databaseOf = (url: string): string => {
  const name = decodeURIComponent(new URL(url).pathname.slice(1))
  if (!/^[\w-]{1,64}$/.test(name)) throw new Error('the MySQL URL must name a database of letters, digits, _ and -')
  return name
}

async function connectOrCreate(url: string): Promise<Connection> {
  try {
    return await createConnection({ uri: url })
  } catch (error) {
    if (isBroken(error)) throw new UnavailableError(`no database server answers at ${new URL(url).host}`, { cause: error })
    if (!(error instanceof Error && 'code' in error && error.code === 'ER_BAD_DB_ERROR')) throw error
    await createDatabase(url)
    return createConnection({ uri: url })
  }
}

/** Makes the database of the URL unless it is there. */
export async function createDatabase(url: string): Promise<void> {
  const name = databaseOf(url)
  const server = new URL(url)
  server.pathname = '/'
  const connection = await createConnection({ uri: server.href })
  try {
    await connection.query(`CREATE DATABASE IF NOT EXISTS \`${name}\` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci`)
  } finally {
    await connection.end()
  }
}
