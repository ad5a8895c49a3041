import { projectWebhookAddress } from '@voipbin/generated/project'
import { isDuplicate, recordAudit, stamp, uuid7 } from '@voipbin/kernel'
import { and, eq, inArray, lte } from 'drizzle-orm'
import { config } from './config.ts'
import { day_ms, failingDetail, gone, leastFailures, notice_ms } from './health.ts'
import type { Ctx, WebhookTx } from './queue.ts'
import { type AddressRow, type AttemptRow, addressTable, type DeliveryRow } from './schema.ts'

// Endpoints keep their record on their own row (health.ts). What follows is for addresses that have none: the customer-level webhook and the
// servers that runs name. A row exists only while nothing gets through, so that all is free while all is well.

/** How often a disabled address is tried with one event, in milliseconds. */
const probe_ms = 3_600_000

export type AddressType = AddressRow['target_type']
export const addressType = ({ target_type }: Pick<DeliveryRow, 'target_type'>): AddressType =>
  target_type === 'customer' ? 'customer' : 'activeflow'

/** What was tried at one address. */
export interface Tried {
  queue: string
  target_type: AddressType
  attempts: readonly AttemptRow[]
}

/**
 * Keeps the record of an address: tells its owner after a day without a success, disables it after days or at 410, and enables it by a success.
 * True when it has just been disabled.
 */
export async function noteAddress(ctx: Ctx, { queue, target_type, attempts }: Tried): Promise<boolean> {
  const last = attempts.at(-1)
  if (!last) return false
  const isPlace = and(eq(addressTable.queue, queue), eq(addressTable.target_type, target_type))
  try {
    return await ctx.as(last.customer_id).tx(async tx => {
      const [row] = await tx.db.select().from(addressTable).where(isPlace).for('update')
      const since = attempts.findLastIndex(({ outcome }) => outcome === 'succeeded')
      if (row && since >= 0) await forget(tx, row)
      const failed = attempts.slice(since + 1)
      if (failed.length === 0) return false
      const now = stamp(tx.now())
      const before = since >= 0 ? undefined : row
      const seen = { uri: last.uri, tm_last_failure: now, tm_update: now, failure_count: (before?.failure_count ?? 0) + failed.length }
      const next: AddressRow = { ...(before ?? fresh(last, queue, target_type, now)), ...seen }
      if (before) await tx.db.update(addressTable).set(seen).where(eq(addressTable.id, next.id))
      else await tx.db.insert(addressTable).values(next)
      return judge(ctx, tx, next, failed)
    })
  } catch (error) {
    // Another process has just begun the same record.
    if (isDuplicate(error)) return false
    throw error
  }
}

const fresh = (attempt: AttemptRow, queue: string, target_type: AddressType, now: string): AddressRow => ({
  id: uuid7(),
  customer_id: attempt.customer_id,
  target_type,
  queue,
  uri: attempt.uri,
  status: 'enabled',
  disabled_reason: null,
  disabled_detail: null,
  tm_last_failure: now,
  tm_failing: now,
  failure_count: 0,
  tm_notice: null,
  tm_probe: null,
  tm_create: now,
  tm_update: now,
})

async function forget(tx: WebhookTx, row: AddressRow): Promise<void> {
  await tx.db.delete(addressTable).where(eq(addressTable.id, row.id))
  if (row.status === 'enabled') return
  const enabled = { ...row, status: 'enabled', disabled_reason: null, disabled_detail: null } as const
  await recordAudit(tx, { action: 'update', resource_type: 'webhook_address', resource_id: row.id, old: shown(row), new: shown(enabled) })
  await tx.emit('webhook.address_enabled', enabled)
}

async function judge(ctx: Ctx, tx: WebhookTx, row: AddressRow, failed: readonly AttemptRow[]): Promise<boolean> {
  if (row.status === 'disabled') return false
  const failing_ms = tx.now().getTime() - Date.parse(row.tm_failing)
  const limit_ms = config.of(ctx).WEBHOOK_DISABLE_DAYS * day_ms
  // 410 of a run's address is about that run; the customer-level webhook is one address for good.
  const isGone = row.target_type === 'customer' && failed.some(({ status_code }) => status_code === 410)
  if (isGone) return disable(tx, row, { disabled_reason: 'gone', disabled_detail: gone, tm_probe: null })
  if (failing_ms > limit_ms && row.failure_count >= leastFailures) {
    const disabled_detail = failingDetail(row, failed.at(-1) as AttemptRow)
    const tm_probe = stamp(new Date(tx.now().getTime() + probe_ms))
    return disable(tx, row, { disabled_reason: 'failing', disabled_detail, tm_probe })
  }
  if (failing_ms > notice_ms && row.tm_notice === null) {
    await tx.db
      .update(addressTable)
      .set({ tm_notice: stamp(tx.now()) })
      .where(eq(addressTable.id, row.id))
    await tx.emit('webhook.address_failing', row)
    tx.log.warn('webhook address is failing', { address_id: row.id, customer_id: row.customer_id, tm_failing: row.tm_failing })
  }
  return false
}

type Verdict = Pick<AddressRow, 'disabled_reason' | 'disabled_detail' | 'tm_probe'>

async function disable(tx: WebhookTx, row: AddressRow, verdict: Verdict): Promise<true> {
  const disabled: AddressRow = { ...row, ...verdict, status: 'disabled' }
  await tx.db
    .update(addressTable)
    .set({ ...verdict, status: 'disabled' })
    .where(eq(addressTable.id, row.id))
  await recordAudit(tx, { action: 'update', resource_type: 'webhook_address', resource_id: row.id, old: shown(row), new: shown(disabled) })
  await tx.emit('webhook.address_disabled', disabled)
  const { queue, target_type } = row
  await tx.setTimer('cancel_address', { key: `cancel_address:${row.id}`, at: tx.now(), payload: { queue, target_type } })
  tx.log.warn('webhook address disabled', { address_id: row.id, customer_id: row.customer_id, disabled_reason: verdict.disabled_reason })
  return true
}

const shown = (row: AddressRow): object => projectWebhookAddress(row)

/** The customer has said where its webhook goes, perhaps again: it gets events from now on. */
export const renewCustomerAddress = async (ctx: Ctx, customer_id: string): Promise<void> => {
  const isOwn = and(eq(addressTable.customer_id, customer_id), eq(addressTable.target_type, 'customer'))
  await ctx.tx(tx => tx.db.delete(addressTable).where(isOwn))
}

/** Names an address among the disabled ones. */
const nameOf = ({ queue, target_type }: { queue: string | null; target_type: AddressType }): string => `${target_type} ${queue}`

export interface Sorted {
  open: DeliveryRow[]
  /** To addresses that are disabled: kept as canceled, so that they are seen and can be replayed. */
  closed: DeliveryRow[]
}

/** Which deliveries may go. Once an hour one may go to a disabled address, with a single attempt. */
export async function sortByAddress(ctx: Ctx, rows: readonly DeliveryRow[]): Promise<Sorted> {
  const plain = rows.filter(({ webhook_id }) => webhook_id === null)
  if (plain.length === 0) return { open: [...rows], closed: [] }
  const customers = [...new Set(plain.map(({ customer_id }) => customer_id))]
  const isOff = and(inArray(addressTable.customer_id, customers), eq(addressTable.status, 'disabled'))
  const found = new Map((await ctx.db.select().from(addressTable).where(isOff)).map(row => [nameOf(row), row]))
  if (found.size === 0) return { open: [...rows], closed: [] }
  const sorted: Sorted = { open: [], closed: [] }
  for (const row of rows) {
    const address = row.webhook_id === null ? found.get(nameOf({ queue: row.queue, target_type: addressType(row) })) : undefined
    if (!address) sorted.open.push(row)
    else if (await probes(ctx, address)) sorted.open.push({ ...row, lane: null, retry_schedule: [0] })
    else sorted.closed.push(row)
  }
  return sorted
}

/** True for the one who may try now. Past `ctx.tx`: how many of its transactions a message takes must not depend on the time at which it comes. */
async function probes(ctx: Ctx, address: AddressRow): Promise<boolean> {
  const now = ctx.now()
  if (address.tm_probe === null || Date.parse(address.tm_probe) > now.getTime()) return false
  const tm_probe = stamp(new Date(now.getTime() + probe_ms))
  const isDue = and(eq(addressTable.id, address.id), lte(addressTable.tm_probe, stamp(now)))
  const [{ affectedRows }] = await ctx.db.update(addressTable).set({ tm_probe }).where(isDue)
  address.tm_probe = tm_probe
  return affectedRows === 1
}
