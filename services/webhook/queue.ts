import type { WebhookContext, WebhookEvents } from '@voipbin/generated/rpc/webhook'
import type { WebhookDelivery } from '@voipbin/generated/schemas'
import { stamp, type Tx } from '@voipbin/kernel'
import { and, asc, eq, like, sql } from 'drizzle-orm'
import { nextDelay } from './rules.ts'
import { type DeliveryRow, deliveries, deliveryTable, laneTable } from './schema.ts'

export type Ctx = WebhookContext
export type WebhookTx = Tx<WebhookEvents>

/** Where a delivery goes. */
export interface Target {
  target_type: WebhookDelivery['target_type']
  webhook_id: string | null
  activeflow_id: string | null
  uri: string
  method: DeliveryRow['method']
  ordered: boolean
  timeout: number
  retry_schedule: number[]
}
export interface Content {
  event_id: string
  event_type: string
  resource_type: string
  resource_id: string
  request_body: string
  content_type?: string
  replay_of_id?: string
}

export const defaultSchedule = [0, 60, 300, 1800, 7200, 18_000, 36_000, 86_400]
export const defaultTimeout = 10

/**
 * Adds a delivery: its first attempt is made after `first_ms`, or when the earlier ones of its resource are through.
 */
export async function enqueue(
  tx: WebhookTx,
  target: Target,
  content: Content,
  first_ms = nextDelay(target.retry_schedule, 0) ?? 0,
): Promise<DeliveryRow> {
  const { ordered, ...place } = target
  const lane = ordered ? `${place.webhook_id ?? place.activeflow_id ?? place.target_type}:${tx.customer_id}:${content.resource_id}` : null
  const waits = lane !== null && (await lockLane(tx, lane))
  const at = new Date(tx.now().getTime() + first_ms)
  const row = await deliveries.insert(tx, { ...place, ...content, lane, status: 'pending', tm_next_attempt: waits ? null : stamp(at) })
  if (!waits) await schedule(tx, row, at)
  return row
}

export const schedule = (tx: WebhookTx, row: Pick<DeliveryRow, 'id'>, at: Date): Promise<void> =>
  tx.setTimer('deliver', { key: `deliver:${row.id}`, at, payload: { delivery_id: row.id } })

/** The delivery, locked until the transaction ends; `undefined` when it is over. */
export async function lockPending(tx: WebhookTx, id: string): Promise<DeliveryRow | undefined> {
  const [row] = await deliveries.system.find(tx, { id, status: 'pending' }, { limit: 1, forUpdate: true })
  return row
}

/** Locks a lane until the transaction ends. True when something in it is still under way. */
async function lockLane(tx: WebhookTx, lane: string): Promise<boolean> {
  const tm_update = stamp(tx.now())
  await tx.db.insert(laneTable).values({ lane, tm_update }).onDuplicateKeyUpdate({ set: { tm_update } })
  return (await firstOf(tx, lane)) !== undefined
}

/** The oldest delivery of a lane that is not over. */
async function firstOf(tx: WebhookTx, lane: string): Promise<DeliveryRow | undefined> {
  const waiting = and(eq(deliveryTable.lane, lane), eq(deliveryTable.status, 'pending'))
  const [row] = await tx.db
    .select()
    .from(deliveryTable)
    .where(waiting)
    .orderBy(asc(deliveryTable.tm_create), asc(deliveryTable.id))
    .limit(1)
  return row
}

type End = Pick<DeliveryRow, 'status'> & Partial<Pick<DeliveryRow, 'attempt_count'>>

/** Ends a delivery that is locked and lets the next one of its lane go. */
export async function finish(tx: WebhookTx, row: DeliveryRow, end: End): Promise<void> {
  if (row.lane) await lockLane(tx, row.lane)
  await deliveries.system.update(tx, row, { ...end, tm_next_attempt: null, tm_finish: stamp(tx.now()) })
  await tx.cancelTimer(`deliver:${row.id}`)
  if (!row.lane) return
  const next = await firstOf(tx, row.lane)
  if (!next) {
    await tx.db.delete(laneTable).where(eq(laneTable.lane, row.lane))
    return
  }
  const at = new Date(tx.now().getTime() + (nextDelay(next.retry_schedule, 0) ?? 0))
  await deliveries.system.update(tx, next, { tm_next_attempt: stamp(at) })
  await schedule(tx, next, at)
}

/** Ends everything that waits for an endpoint that is gone. Timers that are set already find nothing to do. */
export async function cancelAll(tx: WebhookTx, webhook_id: string): Promise<void> {
  const now = stamp(tx.now())
  const end = { status: 'canceled' as const, tm_next_attempt: null, tm_finish: now, tm_update: now }
  await tx.db
    .update(deliveryTable)
    .set({ ...end, version: sql`${deliveryTable.version} + 1` })
    .where(and(eq(deliveryTable.webhook_id, webhook_id), eq(deliveryTable.status, 'pending')))
  await tx.db.delete(laneTable).where(like(laneTable.lane, `${webhook_id}:%`))
}
