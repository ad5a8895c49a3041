import type { WebhookContext, WebhookEvents } from '@voipbin/generated/rpc/webhook'
import type { WebhookDelivery } from '@voipbin/generated/schemas'
import { insertRows, stamp, type Tx } from '@voipbin/kernel'
import { and, asc, inArray, isNull, sql } from 'drizzle-orm'
import { deliveryId } from './rules.ts'
import { type DeliveryRow, deliveryTable } from './schema.ts'

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
  /** Seconds. */
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
  webhook_replay_id?: string
}

export const defaultSchedule = [0, 60, 300, 1800, 7200, 18_000, 36_000, 86_400]
export const defaultTimeout = 10

/** Names the place in ids and lanes. */
const placeOf = ({ webhook_id, activeflow_id, target_type }: Target, customer_id: string): string =>
  webhook_id ?? `${target_type}:${activeflow_id ?? customer_id}`

/** What shares the places for requests: an endpoint, or all else that one customer has on one server. */
function queueOf({ webhook_id, uri }: Target, customer_id: string): string {
  return webhook_id ?? `${customer_id}:${(URL.parse(uri)?.host ?? '').slice(-43)}`
}

interface Made {
  customer_id: string
  request_id: string
  id?: string
}

/** The row of a delivery, not due yet. It has the same id whenever it is made for the same event and place, unless it is a replay. */
export function newDelivery(target: Target, content: Content, { customer_id, request_id, id }: Made): DeliveryRow {
  const { ordered, ...where } = target
  const place = placeOf(target, customer_id)
  const now = stamp()
  return {
    id: id ?? deliveryId(content.event_id, place),
    customer_id,
    request_id,
    version: 1,
    tm_create: now,
    tm_update: now,
    tm_delete: null,
    ...where,
    replay_of_id: null,
    webhook_replay_id: null,
    content_type: 'application/json',
    ...content,
    status: 'pending',
    attempt_count: 0,
    queue: queueOf(target, customer_id),
    // A replay does not wait behind what goes there now, nor the other way round.
    lane: ordered ? `${content.webhook_replay_id ?? place}:${content.resource_id}` : null,
    tm_due: null,
    tm_next_attempt: null,
    tm_finish: null,
  }
}

/**
 * Adds deliveries. Those that are first in their lane are due at `due`, to be sent by whoever claims them; the others wait for them. The answer
 * tells both: rows keep their order. Rows that were there are left as they are.
 */
export async function insertDeliveries(tx: WebhookTx, rows: readonly DeliveryRow[], due: (row: DeliveryRow) => string): Promise<number> {
  const lanes = rows.flatMap(({ lane }) => lane ?? [])
  const taken = new Set<string>()
  if (lanes.length > 0) {
    const busy = await tx.db.select({ lane: deliveryTable.lane }).from(deliveryTable).where(inArray(deliveryTable.lane, lanes))
    for (const { lane } of busy) if (lane) taken.add(lane)
  }
  for (const row of rows) {
    if (row.lane && taken.has(row.lane)) continue
    if (row.lane) taken.add(row.lane)
    row.tm_due = due(row)
    row.tm_next_attempt = row.tm_due
  }
  return insertRows(tx.db, deliveryTable, rows)
}

interface Waiting {
  id: string
  lane: string | null
  tm_due: string | null
}

/** The first delivery of each lane, when nobody has made it due. `locked`: waits for whoever is just ending the one before. */
export async function heldUp(tx: WebhookTx, lanes: readonly string[], { locked }: { locked: boolean }): Promise<string[]> {
  if (lanes.length === 0) return []
  const query = tx.db
    .select({ id: deliveryTable.id, lane: deliveryTable.lane, tm_due: deliveryTable.tm_due })
    .from(deliveryTable)
    .where(inArray(deliveryTable.lane, [...lanes]))
    .orderBy(asc(deliveryTable.lane), asc(deliveryTable.tm_create), asc(deliveryTable.id))
  const rows: Waiting[] = locked ? await query.for('update') : await query
  const seen = new Set<string | null>()
  const first: string[] = []
  for (const { id, lane, tm_due } of rows) {
    if (seen.has(lane)) continue
    seen.add(lane)
    if (tm_due === null) first.push(id)
  }
  return first
}

/** Makes deliveries due that have waited for their lane. */
export async function release(tx: WebhookTx, ids: readonly string[], tm_due: string): Promise<void> {
  if (ids.length === 0) return
  await tx.db
    .update(deliveryTable)
    .set({ tm_due, tm_next_attempt: tm_due })
    .where(and(inArray(deliveryTable.id, [...ids]), isNull(deliveryTable.tm_due), sql`${deliveryTable.status} = 'pending'`))
}

/** What ends a delivery, whatever way it went. */
export const ended = (now: string) => ({
  queue: null,
  lane: null,
  tm_due: null,
  tm_next_attempt: null,
  tm_finish: now,
  tm_update: now,
  version: sql`${deliveryTable.version} + 1`,
})
