import { signHeaders } from '@voipbin/generated/webhooks/sign'
import { HttpError, stamp } from '@voipbin/kernel'
import { type Ctx, finish, schedule, type WebhookTx } from './queue.ts'
import { nextDelay, shortened, webhookType } from './rules.ts'
import { type AttemptRow, attemptTable, type DeliveryRow, deliveries, type WebhookRow, webhooks } from './schema.ts'

/** Requests to one endpoint at the same time, from this process: a slow one must not take the place of the others. */
const perEndpoint = 8
const again_ms = 250
const maxBody = 4_096
const givenUp_ms = 5 * 24 * 3_600_000

const flying = new Map<string, number>()

/** One attempt of a delivery. The endpoint may see it twice when the process dies between the answer and its record; `webhook-id` stays the same. */
export async function deliver(ctx: Ctx, delivery_id: string): Promise<void> {
  const row = await deliveries.system.get({ db: ctx.db }, delivery_id)
  if (!row || row.status !== 'pending') return
  const mine = ctx.as(row.customer_id)
  const secrets = await secretsOf(mine, row)
  if (!secrets) return mine.tx(async tx => void (await finish(tx, row, { status: 'canceled' })))
  const lot = row.webhook_id ?? row.uri
  const count = flying.get(lot) ?? 0
  if (count >= perEndpoint) return mine.tx(tx => schedule(tx, row, new Date(tx.now().getTime() + again_ms)))
  flying.set(lot, count + 1)
  try {
    const attempt = await request(mine, row, secrets)
    await mine.tx(tx => record(tx, delivery_id, attempt))
  } finally {
    const left = (flying.get(lot) ?? 1) - 1
    if (left > 0) flying.set(lot, left)
    else flying.delete(lot)
  }
}

/** Every secret that is active now. `undefined` when the place is configured no more. */
async function secretsOf(ctx: Ctx, row: DeliveryRow): Promise<string[] | undefined> {
  if (!row.webhook_id) return (await ctx.call('getCustomerWebhook', { id: row.customer_id })).secrets
  const endpoint = await webhooks.get(ctx, row.webhook_id)
  if (!endpoint || endpoint.status === 'disabled') return undefined
  return activeSecrets(endpoint, ctx.now())
}

export function activeSecrets(row: WebhookRow, now: Date): string[] {
  const overlaps = row.secret_before !== null && row.tm_secret_overlap_end !== null && Date.parse(row.tm_secret_overlap_end) > now.getTime()
  return overlaps && row.secret_before !== null ? [row.secret, row.secret_before] : [row.secret]
}

export async function request(ctx: Ctx, row: DeliveryRow, secrets: readonly string[]): Promise<AttemptRow> {
  const signed = await signHeaders(row.request_body, { id: row.event_id, type: webhookType(row.event_type), timestamp: ctx.now(), secrets })
  const headers = { 'content-type': row.content_type, 'user-agent': 'VoIPBIN-Webhooks/1.0', 'x-request-id': ctx.request_id, ...signed }
  const base = {
    delivery_id: row.id,
    attempt: row.attempt_count + 1,
    tm_start: stamp(ctx.now()),
    remote_ip: null,
    request_headers: shortened(headers),
  }
  const started = ctx.now().getTime()
  try {
    const body = row.method === 'GET' ? {} : { body: row.request_body }
    const answer = await ctx.http.request(row.uri, {
      method: row.method,
      headers,
      ...body,
      timeout_ms: row.timeout * 1000,
      max_bytes: maxBody,
      signal: ctx.signal,
    })
    const response_body = Buffer.from(answer.body).toString('utf8')
    return {
      ...base,
      duration_ms: answer.duration_ms,
      status_code: answer.status,
      error: null,
      response_headers: answer.headers,
      response_body,
    }
  } catch (error) {
    if (!(error instanceof HttpError)) throw error
    const why = `${error.reason}: ${error.message}`.slice(0, 255)
    return { ...base, duration_ms: ctx.now().getTime() - started, status_code: null, error: why, response_headers: {}, response_body: '' }
  }
}

const isSuccess = (attempt: AttemptRow): boolean => attempt.status_code !== null && attempt.status_code >= 200 && attempt.status_code < 300

/** Writes what happened and what follows: the end, the next attempt, or the end of the endpoint. */
export async function record(tx: WebhookTx, delivery_id: string, attempt: AttemptRow): Promise<void> {
  const [row] = await deliveries.system.find(tx, { id: delivery_id }, { limit: 1, forUpdate: true })
  if (!row || row.status !== 'pending') return
  await tx.db.insert(attemptTable).values({ ...attempt, attempt: row.attempt_count + 1 })
  const attempt_count = row.attempt_count + 1
  const ok = isSuccess(attempt)
  const endpoint = row.webhook_id ? await note(tx, row.webhook_id, attempt) : undefined
  const delay = ok || endpoint?.status === 'disabled' ? undefined : nextDelay(row.retry_schedule, attempt_count)
  if (delay === undefined) {
    await finish(tx, row, { status: ok ? 'succeeded' : 'failed', attempt_count })
    return
  }
  const at = new Date(tx.now().getTime() + delay)
  await deliveries.system.update(tx, row, { attempt_count, tm_next_attempt: stamp(at) })
  await schedule(tx, row, at)
}

/** Keeps the endpoint's own record. 410 disables it at once, five days without a success do so too; never silently. */
async function note(tx: WebhookTx, webhook_id: string, attempt: AttemptRow): Promise<WebhookRow | undefined> {
  const [row] = await webhooks.system.find(tx, { id: webhook_id }, { limit: 1, forUpdate: true })
  if (!row) return undefined
  const now = stamp(tx.now())
  if (isSuccess(attempt)) return webhooks.system.update(tx, row, { tm_last_success: now, tm_failing: null })
  const tm_failing = row.tm_failing ?? now
  const failing = Date.parse(now) - Date.parse(tm_failing) > givenUp_ms
  const disabled_reason = attempt.status_code === 410 ? ('gone' as const) : failing ? ('failing' as const) : null
  const patch = { tm_last_failure: now, tm_failing }
  if (!disabled_reason || row.status === 'disabled') return webhooks.system.update(tx, row, patch)
  const disabled = await webhooks.system.update(tx, row, { ...patch, status: 'disabled', disabled_reason })
  await tx.emit('webhook.disabled', disabled)
  return disabled
}
