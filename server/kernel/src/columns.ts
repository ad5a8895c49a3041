import { type SQL, sql } from 'drizzle-orm'
import { type AnyMySqlColumn, customType, index, int, varchar } from 'drizzle-orm/mysql-core'
import { decryptText, encryptText } from './crypto.ts'

/** What `tm_delete` holds while a row is alive. */
export const endOfTime = '9999-01-01 00:00:00.000000'

const rfc3339 = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z$/

/** RFC 3339 in UTC -> DATETIME(6) text. Digits beyond microseconds are cut. Throws on anything else. */
export function toDbTime(value: string): string {
  const match = rfc3339.exec(value)
  if (match) return `${match[1]} ${match[2]}.${(match[3] ?? '').slice(0, 6).padEnd(6, '0')}`
  const at = Date.parse(value)
  // Another offset is legal RFC 3339; it has no more than milliseconds for us.
  if (Number.isNaN(at) || !/[T ].*(Z|[+-]\d\d:\d\d)$/i.test(value)) throw new TypeError(`not an RFC 3339 time: ${value}`)
  return new Date(at).toISOString().replace('T', ' ').replace('Z', '000')
}

/** DATETIME(6) text -> RFC 3339 with microseconds. */
export const fromDbTime = (value: string): string => `${value.slice(0, 10)}T${value.slice(11, 19)}.${value.slice(20).padEnd(6, '0')}Z`

/** A UTC moment: DATETIME(6) in the database, RFC 3339 with microseconds and `Z` in code and JSON. */
export const utc = customType<{ data: string; driverData: string }>({
  dataType: () => 'datetime(6)',
  toDriver: toDbTime,
  fromDriver: fromDbTime,
})

/** When a row died: `9999-01-01` in the database and `null` in code while it lives. Leave it out of an insert. */
export const utcDelete = customType<{ data: string | null; driverData: string }>({
  dataType: () => 'datetime(6)',
  toDriver: value => (value === null ? endOfTime : toDbTime(value)),
  fromDriver: value => (value.startsWith('9999-') ? null : fromDbTime(value)),
})

/** Text that is encrypted in the database and the cache (AES-256-GCM, installation key) and plain in code; never in an audit row. Up to 4,000 characters. */
export const secretText = customType<{ data: string; driverData: string }>({
  dataType: () => 'text',
  toDriver: encryptText,
  fromDriver: decryptText,
})

/** The columns every resource row has. Spread them first into `mysqlTable`. */
export const owned = {
  id: varchar({ length: 36 }).primaryKey(),
  customer_id: varchar({ length: 36 }).notNull(),
  /** Counts writes, from 1; an update names the version it read. */
  version: int().notNull().default(1),
  tm_create: utc().notNull(),
  tm_update: utc().notNull(),
  tm_delete: utcDelete()
    .notNull()
    .default(sql.raw(`'${endOfTime}'`)),
}

interface OwnedColumns {
  id: AnyMySqlColumn
  customer_id: AnyMySqlColumn
  tm_create: AnyMySqlColumn
  tm_delete: AnyMySqlColumn
}

/** The index behind a customer's newest-first list. Use as third argument of `mysqlTable`: `t => [...ownedIndexes('call_calls', t)]`. */
export const ownedIndexes = (table: string, t: OwnedColumns) => [
  index(`${table}_list`).on(t.customer_id as never, t.tm_delete as never, t.tm_create as never, t.id as never),
]

/** Condition: the row is not deleted. */
export const isLive = (t: Pick<OwnedColumns, 'tm_delete'>): SQL => sql`${t.tm_delete} = ${sql.raw(`'${endOfTime}'`)}`

let last_us = 0
/**
 * The moment as RFC 3339 with microseconds, never the same twice in a process.
 * `at` gives the millisecond (default: now); the digits below it only keep stamps apart and in order.
 */
export function stamp(at?: Date): string {
  const us = (at?.getTime() ?? Date.now()) * 1000
  // A clock that was set to another year (tests) starts afresh; one that merely stands still or steps back a little goes on counting.
  last_us = us > last_us || last_us - us > 1_000_000 ? us : last_us + 1
  return `${new Date(Math.floor(last_us / 1000)).toISOString().slice(0, 23)}${String(last_us % 1000).padStart(3, '0')}Z`
}
