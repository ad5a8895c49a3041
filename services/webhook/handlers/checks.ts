import type { WebhookContext } from '@voipbin/generated/rpc/webhook'
import { type AppError, type ErrorData, mayRequest, stamp } from '@voipbin/kernel'
import { config } from '../config.ts'
import { engineOf } from '../engine.ts'
import { insertDeliveries, type WebhookTx } from '../queue.ts'
import { unknownFilter } from '../rules.ts'
import type { DeliveryRow } from '../schema.ts'

export interface Refuse<R extends string> {
  error(reason: R, data?: ErrorData): AppError
}

export function checkFilters(ctx: Refuse<'EVENT_TYPE_UNKNOWN'>, event_types: readonly string[] = []): void {
  const filter = unknownFilter(event_types)
  if (filter === undefined) return
  const field = `/event_types/${event_types.indexOf(filter)}`
  throw ctx.error('EVENT_TYPE_UNKNOWN', { details: [{ field, rule: 'event_type', expected: 'an event type, <resource>.* or *' }] })
}

/** Refuses what could never be delivered. Names are looked up when something is sent, and checked then. */
export function checkUri(ctx: Refuse<'WEBHOOK_URI_REFUSED'> & Pick<WebhookContext, 'config'>, uri: string | undefined): void {
  if (uri === undefined || mayRequest(uri, config.of(ctx))) return
  throw ctx.error('WEBHOOK_URI_REFUSED', {
    details: [{ field: '/uri', rule: 'public', expected: 'an address that is reachable from outside' }],
  })
}

/** Adds a delivery that is due now; it is sent as soon as the transaction has committed. */
export async function enqueue(ctx: Pick<WebhookContext, 'config'>, tx: WebhookTx, row: DeliveryRow): Promise<DeliveryRow> {
  await insertDeliveries(tx, [row], () => stamp(tx.now()))
  const { queue } = row
  tx.afterCommit(async () => {
    if (queue) engineOf(ctx)?.claim([queue])
  })
  return row
}
