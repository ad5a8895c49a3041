import type { WebhookContext, WebhookEvents } from '@voipbin/generated/rpc/webhook'
import type { WebhookDelivery } from '@voipbin/generated/schemas'
import { stamp, type Tx } from '@voipbin/kernel'
import { eq } from 'drizzle-orm'
import { type DeliveryRow, deliveries, laneTable } from './schema.ts'

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

/** Adds a delivery: sent at once, or when the earlier ones of its resource are through. */
export async function enqueue(tx: WebhookTx, target: Target, content: Content): Promise<DeliveryRow> {
  const { ordered, ...place } = target
  const lane = ordered ? `${place.webhook_id ?? place.activeflow_id ?? place.target_type}:${tx.customer_id}:${content.resource_id}` : null
  const waits = lane !== null && (await lockLane(tx, lane))
  const now = stamp(tx.now())
  const row = await deliveries.insert(tx, { ...place, ...content, lane, status: 'pending', tm_next_attempt: waits ? null : now })
  if (!waits) await schedule(tx, row, tx.now())
  return row
}

export const schedule = (tx: WebhookTx, row: Pick<DeliveryRow, 'id'>, at: Date): Promise<void> =>
  tx.setTimer('deliver', { key: `deliver:${row.id}`, at, payload: { delivery_id: row.id } })

/** Locks a lane until the transaction ends. True when something in it is still under way. */
async function lockLane(tx: WebhookTx, lane: string): Promise<boolean> {
  const tm_update = stamp(tx.now())
  await tx.db.insert(laneTable).values({ lane, tm_update }).onDuplicateKeyUpdate({ set: { tm_update } })
  const [first] = await deliveries.system.find(tx, { lane, status: 'pending' }, { limit: 1 })
  return first !== undefined
}

/** Ends a delivery and lets the next one of its lane go. */
export async function finish(
  tx: WebhookTx,
  row: DeliveryRow,
  patch: Partial<DeliveryRow> & Pick<DeliveryRow, 'status'>,
): Promise<DeliveryRow> {
  if (row.lane) await lockLane(tx, row.lane)
  const done = await deliveries.system.update(tx, row, { ...patch, tm_next_attempt: null, tm_finish: stamp(tx.now()) })
  if (!row.lane) return done
  const waiting = await deliveries.system.find(tx, { lane: row.lane, status: 'pending' }, { limit: 1_000 })
  const [next] = waiting.toSorted((a, b) => (a.tm_create < b.tm_create || (a.tm_create === b.tm_create && a.id < b.id) ? -1 : 1))
  if (next) {
    await deliveries.system.update(tx, next, { tm_next_attempt: stamp(tx.now()) })
    await schedule(tx, next, tx.now())
  } else {
    await tx.db.delete(laneTable).where(eq(laneTable.lane, row.lane))
  }
  return done
}
