import type { RegistrarContext, RegistrarEvents } from '@voipbin/generated/rpc/registrar'
import type { Tx } from '@voipbin/kernel'
import { inArray, type SQL, sql } from 'drizzle-orm'
import { isLiveLocation, locationTable, withOwnContacts } from './locations.ts'
import { difference, type Known } from './rules.ts'
import { contactTable, extensions } from './schema.ts'

/** Job, run about every second: tells of phones that came and went since it last told. What it has told is in `registrar_contacts`. */
export async function watchContacts(ctx: RegistrarContext): Promise<void> {
  if (await nothingNew(ctx)) return
  const table = locationTable(ctx)
  const { ruid, username, domain } = table
  const [known, live] = await Promise.all([
    ctx.db.select().from(contactTable),
    ctx.db.select({ ruid, username, domain }).from(table).where(isLiveLocation(table, ctx.now())),
  ])
  const { come, gone } = difference(known, live)
  const owned = await owners(ctx, come)
  const changes = new Map<string | null, Changes>()
  for (const one of owned) changesOf(changes, one.extension_id).come.push(one.ruid)
  for (const one of gone) changesOf(changes, one.extension_id).gone.push(one.ruid)
  for (const [extension_id, change] of changes) {
    if (ctx.signal.aborted) return
    await ctx.tx(tx => tell(ctx, tx, extension_id, change))
  }
}

interface Changes {
  come: string[]
  gone: string[]
}
function changesOf(all: Map<string | null, Changes>, extension_id: string | null): Changes {
  const known = all.get(extension_id) ?? { come: [], gone: [] }
  all.set(extension_id, known)
  return known
}

interface Digest {
  n: number | string
  a: number | string
  b: number | string
}

/** Compares a digest of both sets: one row each, so that a quiet second costs next to nothing whatever the number of phones. */
async function nothingNew(ctx: RegistrarContext): Promise<boolean> {
  const table = locationTable(ctx)
  const digest = (ruid: unknown): SQL =>
    sql`COUNT(*) AS n, COALESCE(BIT_XOR(CRC32(${ruid})), 0) AS a, COALESCE(BIT_XOR(CRC32(REVERSE(${ruid}))), 0) AS b`
  const told = sql`SELECT ${digest(contactTable.ruid)} FROM ${contactTable}`
  const there = sql`SELECT ${digest(table.ruid)} FROM ${table} WHERE ${isLiveLocation(table, ctx.now())}`
  const [rows] = (await ctx.db.execute(sql`${told} UNION ALL ${there}`)) as unknown as [Digest[]]
  const [first, second] = rows
  if (!first || !second) throw new Error('a digest of no rows')
  return String(first.n) === String(second.n) && String(first.a) === String(second.a) && String(first.b) === String(second.b)
}

/** The extension each phone belongs to; null for a phone of none (any more). */
async function owners(
  ctx: RegistrarContext,
  phones: readonly { ruid: string; username: string; domain: string | null }[],
): Promise<Known[]> {
  const owned: Known[] = []
  for (let at = 0; at < phones.length; at += 500) {
    const part = phones.slice(at, at + 500)
    const rows = await extensions.system.find(ctx, { extension: [...new Set(part.map(phone => phone.username))] }, { limit: 50_000 })
    const ids = new Map(rows.map(row => [`${row.extension}@${row.domain}`, row.id]))
    owned.push(...part.map(({ ruid, username, domain }) => ({ ruid, extension_id: ids.get(`${username}@${domain}`) ?? null })))
  }
  return owned
}

/** Remembers and tells in one transaction. Those that came first: a phone that only changed its contact was never gone. */
async function tell(ctx: RegistrarContext, tx: Tx<RegistrarEvents>, extension_id: string | null, { come, gone }: Changes): Promise<void> {
  if (come.length > 0) await tx.db.insert(contactTable).values(come.map(ruid => ({ ruid, extension_id })))
  if (gone.length > 0) await tx.db.delete(contactTable).where(inArray(contactTable.ruid, gone))
  const row = extension_id === null ? null : await extensions.system.get(tx, extension_id)
  if (!row) {
    // it signed in while its extension was being deleted
    const table = locationTable(ctx)
    if (come.length > 0) await tx.db.delete(table).where(inArray(table.ruid, come))
    return
  }
  const extension = await withOwnContacts({ config: ctx.config, now: () => tx.now(), db: tx.db }, row)
  for (const _ of come) await tx.emit('extension.registered', extension)
  for (const _ of gone) await tx.emit('extension.unregistered', extension)
}
