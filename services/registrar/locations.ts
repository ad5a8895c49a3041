import type { Extension } from '@voipbin/generated/schemas'
import { type Context, type Db, utc } from '@voipbin/kernel'
import { and, eq, gt, inArray, type SQL, sql } from 'drizzle-orm'
import { mysqlSchema, varchar } from 'drizzle-orm/mysql-core'
import { config } from './config.ts'
import { type Location, shownExtension } from './rules.ts'
import { type ExtensionRow, extensionTable } from './schema.ts'

/** The edge's table, which Kamailio writes (usrloc, `db_mode` 3): it asks the table at every call, so a row that is deleted here rings no more. */
const locationIn = (database: string) =>
  mysqlSchema(database).table('location', {
    ruid: varchar({ length: 64 }).notNull(),
    username: varchar({ length: 64 }).notNull(),
    domain: varchar({ length: 64 }),
    contact: varchar({ length: 512 }).notNull(),
    received: varchar({ length: 128 }),
    path: varchar({ length: 512 }),
    socket: varchar({ length: 64 }),
    user_agent: varchar({ length: 255 }).notNull(),
    expires: utc().notNull(),
  })
type LocationTable = ReturnType<typeof locationIn>
const tables = new Map<string, LocationTable>()

/** What a look at the phones needs: a context, or a transaction with the service's settings. */
export type Looker = Pick<Context, 'config' | 'now'> & { readonly db: Db }

export function locationTable(ctx: Pick<Context, 'config'>): LocationTable {
  const { EDGE_DATABASE } = config.of(ctx)
  const table = tables.get(EDGE_DATABASE) ?? locationIn(EDGE_DATABASE)
  tables.set(EDGE_DATABASE, table)
  return table
}

/** Kamailio leaves a row there for some seconds after it has run out. */
export const isLiveLocation = (table: LocationTable, now: Date): SQL => gt(table.expires, now.toISOString())

const keyOf = (username: string, domain: string | null) => `${username}@${domain ?? ''}`

/** The live phones of these extensions by `extension@domain`, in one query. */
async function locationsOf(ctx: Looker, rows: readonly ExtensionRow[]): Promise<Map<string, Location[]>> {
  const found = new Map<string, Location[]>()
  const live = rows.filter(row => row.tm_delete === null)
  if (live.length === 0) return found
  const table = locationTable(ctx)
  const names = [...new Set(live.map(row => row.extension))]
  const domains = [...new Set(live.map(row => row.domain))]
  const wanted = and(inArray(table.username, names), inArray(table.domain, domains), isLiveLocation(table, ctx.now()))
  const locations: Location[] = await ctx.db.select().from(table).where(wanted).orderBy(table.ruid)
  for (const location of locations) {
    const key = keyOf(location.username, location.domain)
    found.set(key, [...(found.get(key) ?? []), location])
  }
  return found
}

/** Extensions with where they are registered now: one query for all of them. */
export async function withContacts(ctx: Looker, rows: readonly ExtensionRow[]): Promise<Extension[]> {
  const locations = await locationsOf(ctx, rows)
  return rows.map(row => shownExtension(row, locations.get(keyOf(row.extension, row.domain)) ?? []))
}

/** `withContacts` for one. */
export async function withOwnContacts(ctx: Looker, row: ExtensionRow): Promise<Extension> {
  const [extension = shownExtension(row, [])] = await withContacts(ctx, [row])
  return extension
}

/** Forgets the phones of extensions that are gone or have a new password: they cannot be called any more, and what was learned in the past signs in no more. */
export async function forgetContacts(
  ctx: Pick<Looker, 'config' | 'db'>,
  rows: readonly Pick<ExtensionRow, 'extension' | 'domain'>[],
): Promise<void> {
  const table = locationTable(ctx)
  for (const { extension, domain } of rows) await ctx.db.delete(table).where(and(eq(table.username, extension), eq(table.domain, domain)))
}

/** Condition on extensions: some phone is registered, or none. */
export function isRegistered(ctx: Looker, registered: boolean): SQL {
  const table = locationTable(ctx)
  // The set of live phones is built once, whatever the two tables think of equal letters.
  const phones = sql`(SELECT ${table.username}, ${table.domain} FROM ${table} WHERE ${table.domain} IS NOT NULL AND ${isLiveLocation(table, ctx.now())})`
  const one = sql`(${extensionTable.extension}, ${extensionTable.domain})`
  return registered ? sql`${one} IN ${phones}` : sql`${one} NOT IN ${phones}`
}
