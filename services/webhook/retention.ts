import { stamp } from '@voipbin/kernel'
import { and, asc, eq, inArray, lt, ne, type SQL, sql } from 'drizzle-orm'
import { config } from './config.ts'
import { type Ctx, ended } from './queue.ts'
import { type AddressRow, addressTable, attemptTable, type DeliveryRow, deliveryTable, replayTable, webhooks } from './schema.ts'

const day_ms = 24 * 3_600_000
const hour_ms = 3_600_000
/** Rows that one transaction touches: nobody waits long for their locks. */
const step = 500

/** On every instance once it runs: the next sweep is now, and from then on every hour. */
export const scheduleSweep = (ctx: Ctx): Promise<void> => ctx.tx(tx => tx.setTimer('sweep', { key: 'sweep', at: tx.now(), payload: {} }))

/** Timer: deletes what is older than it is kept, deliveries with their attempts, in short transactions. The next run is set first: a sweep that is cut short goes on then. */
export async function sweep(ctx: Ctx): Promise<void> {
  await ctx.tx(tx => tx.setTimer('sweep', { key: 'sweep', at: new Date(tx.now().getTime() + hour_ms), payload: {} }))
  const before = new Date(ctx.now().getTime() - config.of(ctx).WEBHOOK_RETENTION_DAYS * day_ms)
  let more = true
  while (more && !ctx.signal.aborted) more = await deleteSome(ctx, before)
  await ctx.tx(async tx => {
    const old = and(lt(replayTable.tm_create, stamp(before)), ne(replayTable.status, 'running'))
    await tx.db.delete(replayTable).where(old).limit(step)
    await tx.db
      .delete(addressTable)
      .where(lt(addressTable.tm_update, stamp(before)))
      .limit(step)
  })
}

/** True when there is more. Ids begin with their time, so the oldest come first by the primary key. */
async function deleteSome(ctx: Ctx, before: Date): Promise<boolean> {
  const time = before.getTime().toString(16).padStart(12, '0')
  const { id, tm_create, status } = deliveryTable
  const old = and(lt(id, `${time.slice(0, 8)}-${time.slice(8)}`), lt(tm_create, before.toISOString()), ne(status, 'pending'))
  const rows = await ctx.db.select({ id }).from(deliveryTable).where(old).orderBy(asc(id)).limit(step)
  if (rows.length === 0) return false
  const ids = rows.map(row => row.id)
  await ctx.tx(async tx => {
    await tx.db.delete(attemptTable).where(inArray(attemptTable.webhook_delivery_id, ids))
    await tx.db.delete(deliveryTable).where(inArray(id, ids))
  })
  return rows.length === step
}

/** Timer: cancels everything that waits for an endpoint that is disabled or deleted. */
export async function cancelAll(ctx: Ctx, { webhook_id }: { webhook_id: string }): Promise<void> {
  const waiting = and(
    eq(deliveryTable.webhook_id, webhook_id),
    eq(deliveryTable.status, 'pending'),
    ne(deliveryTable.event_type, 'webhook.ping'),
  )
  // Enabled again meanwhile: what waits now is new.
  await cancelWhile(ctx, waiting, async () => (await webhooks.system.get({ db: ctx.db }, webhook_id))?.status !== 'enabled')
}

/** Timer: cancels everything that waits for an address that is disabled. */
export async function cancelAddress(ctx: Ctx, { queue, target_type }: Pick<AddressRow, 'queue' | 'target_type'>): Promise<void> {
  const targets: DeliveryRow['target_type'][] = target_type === 'customer' ? ['customer'] : ['activeflow', 'action']
  const waiting = and(eq(deliveryTable.queue, queue), inArray(deliveryTable.target_type, targets), eq(deliveryTable.status, 'pending'))
  const isOff = and(eq(addressTable.queue, queue), eq(addressTable.target_type, target_type), eq(addressTable.status, 'disabled'))
  await cancelWhile(ctx, waiting, async () => (await ctx.db.select({ id: addressTable.id }).from(addressTable).where(isOff)).length > 0)
}

async function cancelWhile(ctx: Ctx, waiting: SQL | undefined, isOff: () => Promise<boolean>): Promise<void> {
  while (await isOff()) {
    const rows = await ctx.db.select({ id: deliveryTable.id }).from(deliveryTable).where(waiting).limit(step)
    if (rows.length === 0) return
    const ids = rows.map(row => row.id)
    await ctx.tx(async tx => {
      const still = and(inArray(deliveryTable.id, ids), sql`${deliveryTable.status} = 'pending'`)
      await tx.db
        .update(deliveryTable)
        .set({ ...ended(stamp(tx.now())), status: 'canceled' })
        .where(still)
    })
  }
}
