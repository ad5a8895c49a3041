import { stamp } from '@voipbin/kernel'
import { eq } from 'drizzle-orm'
import { config } from './config.ts'
import type { Ctx, WebhookTx } from './queue.ts'
import { type AttemptRow, type WebhookRow, webhooks, webhookTable } from './schema.ts'

export const day_ms = 24 * 3_600_000
/** Since when an endpoint fails before its owner is told, in milliseconds. */
export const notice_ms = day_ms
/** Fewer failures than these, however long ago the first was, disable nothing: an endpoint that gets an event a week is not dead. */
export const leastFailures = 5
/** For people, when an endpoint has answered 410. */
export const gone = 'It answered 410 Gone, which means that it wants no more events.'

/**
 * Keeps an endpoint's own record of what was just tried. 410 disables it at once, days without a success do so too, after a notice; never silently:
 * there is an event, an audit row, and the endpoint says why.
 */
export async function note(ctx: Ctx, tx: WebhookTx, webhook_id: string, made: readonly AttemptRow[]): Promise<void> {
  const [row] = await webhooks.system.find(tx, { id: webhook_id }, { limit: 1, forUpdate: true })
  const last = made.at(-1)
  if (!row || !last) return
  const seen = record(row, made, stamp(tx.now()))
  // Past the repo: what nobody asked for needs no audit.
  await tx.db.update(webhookTable).set(seen).where(eq(webhookTable.id, webhook_id))
  if (row.status === 'disabled') return
  const isGone = made.some(({ status_code }) => status_code === 410)
  const now = { ...row, ...seen }
  const failing_ms = now.tm_failing === null ? 0 : tx.now().getTime() - Date.parse(now.tm_failing)
  const limit_ms = config.of(ctx).WEBHOOK_DISABLE_DAYS * day_ms
  if (isGone) await disable(tx, now, 'gone', gone)
  else if (failing_ms > limit_ms && now.failure_count >= leastFailures) await disable(tx, now, 'failing', failingDetail(now, last))
  else if (failing_ms > notice_ms && now.tm_notice === null) {
    const tm_notice = stamp(tx.now())
    await tx.db.update(webhookTable).set({ tm_notice }).where(eq(webhookTable.id, webhook_id))
    const told: WebhookRow = { ...now, tm_notice }
    await tx.emit('webhook.failing', told)
    tx.log.warn('webhook endpoint is failing', { webhook_id, customer_id: row.customer_id, tm_failing: now.tm_failing })
  }
}

type Record = Pick<WebhookRow, 'tm_last_success' | 'tm_last_failure' | 'tm_failing' | 'failure_count' | 'tm_notice'>

function record(row: WebhookRow, made: readonly AttemptRow[], now: string): Record {
  const { tm_last_success, tm_last_failure, tm_failing, failure_count, tm_notice } = row
  const state: Record = { tm_last_success, tm_last_failure, tm_failing, failure_count, tm_notice }
  for (const { outcome } of made) {
    if (outcome === 'succeeded') Object.assign(state, { tm_last_success: now, tm_failing: null, failure_count: 0, tm_notice: null })
    else Object.assign(state, { tm_last_failure: now, tm_failing: state.tm_failing ?? now, failure_count: state.failure_count + 1 })
  }
  return state
}

export const failingDetail = (
  { tm_failing, failure_count }: Pick<WebhookRow, 'tm_failing' | 'failure_count'>,
  { status_code, error }: AttemptRow,
): string => `${failure_count} attempts since ${tm_failing} have failed and none succeeded; the last: ${error ?? `HTTP ${status_code}`}.`

async function disable(tx: WebhookTx, row: WebhookRow, disabled_reason: 'gone' | 'failing', disabled_detail: string): Promise<void> {
  const patch = { status: 'disabled', disabled_reason, disabled_detail } as const
  await tx.emit('webhook.disabled', await webhooks.system.update(tx, row, patch))
  await cancelLater(tx, row.id)
  tx.log.warn('webhook endpoint disabled', { webhook_id: row.id, customer_id: row.customer_id, disabled_reason, disabled_detail })
}

/** Has everything that waits for an endpoint canceled, in steps, however much it is. */
export const cancelLater = (tx: WebhookTx, webhook_id: string): Promise<void> =>
  tx.setTimer('cancel', { key: `cancel:${webhook_id}`, at: tx.now(), payload: { webhook_id } })
