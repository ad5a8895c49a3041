import { signHeaders } from '@voipbin/generated/webhooks/sign'
import { HttpError, stamp } from '@voipbin/kernel'
import { eq } from 'drizzle-orm'
import { orNothing } from './events.ts'
import { enter, leave, nextOf } from './gate.ts'
import { type Ctx, finish, lockPending, schedule, type WebhookTx } from './queue.ts'
import { nextDelay, pingType, shortened, webhookType } from './rules.ts'
import { type AttemptRow, attemptTable, type DeliveryRow, deliveries, type WebhookRow, webhooks, webhookTable } from './schema.ts'

/** How long one timer goes on with the deliveries that waited for its endpoint, in milliseconds. */
const shift_ms = 30_000
/** When a delivery that waits for a place looks for one itself, in milliseconds. */
const again_ms = 30_000
const maxBody = 4_096
const givenUp_ms = 5 * 24 * 3_600_000

/** A delivery is due, and then those that have waited for the same endpoint. */
export async function deliver(ctx: Ctx, delivery_id: string): Promise<void> {
  const first = await due(ctx, delivery_id)
  if (!first) return
  const endpoint = first.webhook_id ?? first.uri
  if (!enter(endpoint, delivery_id)) return ctx.as(first.customer_id).tx(tx => schedule(tx, first, new Date(tx.now().getTime() + again_ms)))
  try {
    const end = ctx.now().getTime() + shift_ms
    await attempt(ctx, first)
    while (ctx.now().getTime() < end) {
      const next = nextOf(endpoint)
      if (next === undefined) break
      const row = await due(ctx, next)
      if (row) await attempt(ctx, row)
    }
  } finally {
    leave(endpoint)
  }
}

/** One attempt, now, for somebody who waits for its answer. */
export async function deliverNow(ctx: Ctx, delivery_id: string): Promise<void> {
  const row = await deliveries.system.get({ db: ctx.db }, delivery_id)
  if (row?.status === 'pending') await attempt(ctx, row)
}

/** The delivery when its time has come. One that waits for its lane or its next try has none yet. */
async function due(ctx: Ctx, delivery_id: string): Promise<DeliveryRow | undefined> {
  const row = await deliveries.system.get({ db: ctx.db }, delivery_id)
  if (row?.status !== 'pending' || row.tm_next_attempt === null) return undefined
  return Date.parse(row.tm_next_attempt) <= ctx.now().getTime() ? row : undefined
}

/** The endpoint may see an attempt twice when the process dies between the answer and its record; `webhook-id` stays the same. */
async function attempt(ctx: Ctx, row: DeliveryRow): Promise<void> {
  const mine = ctx.as(row.customer_id)
  const secrets = await secretsOf(mine, row)
  const made = secrets && (await request(mine, row, secrets))
  await mine.tx(async tx => {
    const live = await lockPending(tx, row.id)
    if (!live) return
    if (made) await record(tx, live, made)
    else await finish(tx, live, { status: 'canceled' })
  })
}

/** Every secret that is active now. `undefined` when the place is configured no more. */
async function secretsOf(ctx: Ctx, row: DeliveryRow): Promise<string[] | undefined> {
  if (!row.webhook_id) return (await orNothing(ctx.call('getCustomerWebhook', { id: row.customer_id })))?.secrets
  const endpoint = await webhooks.get(ctx, row.webhook_id)
  if (!endpoint || (endpoint.status === 'disabled' && row.event_type !== pingType)) return undefined
  return activeSecrets(endpoint, ctx.now())
}

function activeSecrets({ secret, secret_before, tm_secret_overlap_end }: WebhookRow, now: Date): string[] {
  if (secret_before === null || tm_secret_overlap_end === null) return [secret]
  return Date.parse(tm_secret_overlap_end) > now.getTime() ? [secret, secret_before] : [secret]
}

async function request(ctx: Ctx, row: DeliveryRow, secrets: readonly string[]): Promise<AttemptRow> {
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
    const answer = await ctx.http.request(row.uri, {
      method: row.method,
      headers,
      ...(row.method !== 'GET' && { body: row.request_body }),
      timeout_ms: row.timeout * 1000,
      max_bytes: maxBody,
      signal: ctx.signal,
    })
    const { status: status_code, headers: response_headers, duration_ms } = answer
    return { ...base, duration_ms, status_code, error: null, response_headers, response_body: Buffer.from(answer.body).toString('utf8') }
  } catch (error) {
    // Given up by us, because the process stops: the endpoint has not failed.
    if (!(error instanceof HttpError) || error.reason === 'aborted') throw error
    const why = `${error.reason}: ${error.message}`.slice(0, 255)
    return { ...base, duration_ms: ctx.now().getTime() - started, status_code: null, error: why, response_headers: {}, response_body: '' }
  }
}

const isSuccess = ({ status_code }: AttemptRow): boolean => status_code !== null && status_code >= 200 && status_code < 300

/** Writes what happened and what follows: the end, the next attempt, or the end of the endpoint. */
async function record(tx: WebhookTx, row: DeliveryRow, made: AttemptRow): Promise<void> {
  const attempt_count = row.attempt_count + 1
  await tx.db.insert(attemptTable).values({ ...made, attempt: attempt_count })
  const ok = isSuccess(made)
  const isGone = row.webhook_id !== null && (await note(tx, row.webhook_id, made))
  const delay = ok || isGone ? undefined : nextDelay(row.retry_schedule, attempt_count)
  if (delay === undefined) return finish(tx, row, { status: ok ? 'succeeded' : 'failed', attempt_count })
  const at = new Date(tx.now().getTime() + delay)
  await deliveries.system.update(tx, row, { attempt_count, tm_next_attempt: stamp(at) })
  await schedule(tx, row, at)
}

/**
 * Keeps the endpoint's own record. 410 disables it at once, five days without a success do so too; never silently. True when it gets nothing any
 * more.
 */
async function note(tx: WebhookTx, webhook_id: string, made: AttemptRow): Promise<boolean> {
  const [row] = await webhooks.system.find(tx, { id: webhook_id }, { limit: 1, forUpdate: true })
  if (!row) return true
  const now = stamp(tx.now())
  const tm_failing = row.tm_failing ?? now
  const seen = isSuccess(made) ? { tm_last_success: now, tm_failing: null } : { tm_last_failure: now, tm_failing }
  // Past the repo: what nobody asked for needs no audit.
  await tx.db.update(webhookTable).set(seen).where(eq(webhookTable.id, webhook_id))
  if (isSuccess(made) || row.status === 'disabled') return row.status === 'disabled'
  const isFailing = Date.parse(now) - Date.parse(tm_failing) > givenUp_ms
  if (made.status_code !== 410 && !isFailing) return false
  const disabled_reason = made.status_code === 410 ? 'gone' : 'failing'
  await tx.emit('webhook.disabled', await webhooks.system.update(tx, { ...row, ...seen }, { status: 'disabled', disabled_reason }))
  return true
}
