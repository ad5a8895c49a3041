import { stamp } from '@voipbin/kernel'
import { and, asc, eq, gt, gte, inArray, isNull, lt, or, sql } from 'drizzle-orm'
import { engineOf } from './engine.ts'
import { contentOf } from './handlers/deliveries.ts'
import { type Ctx, heldUp, insertDeliveries, newDelivery, release, type Target, type WebhookTx } from './queue.ts'
import { deliveryId, wants } from './rules.ts'
import { type DeliveryRow, deliveryTable, type ReplayRow, replays, webhooks } from './schema.ts'
import { customerTarget, endpointTarget } from './targets.ts'

/** Deliveries that one step looks at. */
const step = 200
/** Deliveries of one replay under way at the same time: it must not push aside what happens now. */
const underWay = 500
/** How long a step waits for room, or for the last deliveries, in milliseconds. */
const wait_ms = 1_000

/** The next step of a replay, now or after `delay_ms`. */
export const stepReplay = (tx: WebhookTx, replay_id: string, delay_ms = 0): Promise<void> =>
  tx.setTimer('replay', { key: `replay:${replay_id}`, at: new Date(tx.now().getTime() + delay_ms), payload: { replay_id } })

/** Timer: queues the next deliveries of a replay again, in the order they were made, until the range is through and all of them are over. */
export async function replayStep(ctx: Ctx, { replay_id }: { replay_id: string }): Promise<void> {
  const known = await replays.system.get({ db: ctx.db }, replay_id)
  if (known?.status !== 'running') return
  const mine = ctx.as(known.customer_id)
  const freed = await mine.tx(tx => freeLanes(tx, replay_id))
  const target = await placeNow(mine, known)
  const queued = await mine.tx(async tx => {
    const [row] = await replays.system.find(tx, { id: replay_id, status: 'running' }, { limit: 1, forUpdate: true })
    if (!row) return []
    if (!target) return finish(tx, row, 'canceled')
    const pending = await pendingOf(tx, row.id)
    if (pending >= underWay) return later(tx, row.id)
    const sources = await nextOf(tx, row)
    if (sources.length === 0) return pending === 0 ? finish(tx, row, 'completed') : later(tx, row.id)
    const rows = sources.filter(source => wants(row.event_types, source.event_type)).map(source => again(tx, row, source, target))
    await insertDeliveries(tx, rows, () => stamp(tx.now()))
    const last = sources.at(-1) as DeliveryRow
    const position = { tm_position: last.tm_create, position_id: last.id, queued_count: row.queued_count + rows.length }
    await tx.db
      .update(replays.table)
      .set({ ...position, tm_update: stamp(tx.now()) })
      .where(eq(replays.table.id, row.id))
    await stepReplay(tx, row.id)
    return [...new Set(rows.flatMap(({ queue }) => queue ?? []))]
  })
  engineOf(ctx)?.claim([...freed, ...queued])
}

/** The one before in a lane may have ended while the step before this one added the next, neither seeing the other. Every step looks again. */
async function freeLanes(tx: WebhookTx, replay_id: string): Promise<string[]> {
  const { lane, queue, webhook_replay_id, status, tm_due } = deliveryTable
  const waiting = await tx.db
    .selectDistinct({ lane, queue })
    .from(deliveryTable)
    .where(and(eq(webhook_replay_id, replay_id), eq(status, 'pending'), isNull(tm_due)))
  const lanes = waiting.flatMap(row => row.lane ?? [])
  await release(tx, await heldUp(tx, lanes, { locked: true }), stamp(tx.now()))
  return waiting.flatMap(row => row.queue ?? [])
}

async function placeNow(ctx: Ctx, { webhook_id }: ReplayRow): Promise<Target | undefined> {
  if (webhook_id === null) return (await customerTarget(ctx))[0]
  const endpoint = await webhooks.get(ctx, webhook_id)
  return endpoint?.status === 'enabled' ? endpointTarget(endpoint) : undefined
}

async function pendingOf(tx: WebhookTx, id: string): Promise<number> {
  const [found] = await tx.db
    .select({ count: sql<number>`COUNT(*)`.mapWith(Number) })
    .from(deliveryTable)
    .where(and(eq(deliveryTable.webhook_replay_id, id), eq(deliveryTable.status, 'pending')))
  return found?.count ?? 0
}

/** The next deliveries of the range, oldest first. */
function nextOf(tx: WebhookTx, row: ReplayRow): Promise<DeliveryRow[]> {
  const { tm_create, id } = deliveryTable
  const { tm_position, position_id } = row
  const beyond =
    tm_position !== null && position_id !== null && or(gt(tm_create, tm_position), and(eq(tm_create, tm_position), gt(id, position_id)))
  const place =
    row.webhook_id === null
      ? and(eq(deliveryTable.customer_id, row.customer_id), eq(deliveryTable.target_type, 'customer'))
      : eq(deliveryTable.webhook_id, row.webhook_id)
  return tx.db
    .select()
    .from(deliveryTable)
    .where(
      and(
        place,
        beyond || undefined,
        gte(tm_create, row.tm_from),
        lt(tm_create, row.tm_to),
        inArray(deliveryTable.status, row.delivery_statuses),
        isNull(deliveryTable.replay_of_id),
        sql`${deliveryTable.event_type} <> 'webhook.ping'`,
      ),
    )
    .orderBy(asc(tm_create), asc(id))
    .limit(step)
}

function again(tx: WebhookTx, row: ReplayRow, source: DeliveryRow, target: Target): DeliveryRow {
  const content = { ...contentOf(source), replay_of_id: source.id, webhook_replay_id: row.id }
  const id = deliveryId(tx.newId(), `${row.id} ${source.id}`)
  return newDelivery(target, content, { customer_id: row.customer_id, request_id: source.request_id, id })
}

async function finish(tx: WebhookTx, row: ReplayRow, status: 'completed' | 'canceled'): Promise<string[]> {
  await replays.system.update(tx, row, { status, tm_finish: stamp(tx.now()) })
  return []
}

async function later(tx: WebhookTx, replay_id: string): Promise<string[]> {
  await stepReplay(tx, replay_id, wait_ms)
  return []
}
