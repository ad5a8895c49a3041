import { type HttpAnswer, HttpError, stamp } from '@voipbin/kernel'
import type { Ctx } from './queue.ts'
import { attemptId, firstHeaders, shortened, signedHeaders, webhookType } from './rules.ts'
import type { AttemptRow, DeliveryRow } from './schema.ts'

/** Bytes of an answer that are read and kept. */
const maxBody = 4_096

/** Where a delivery goes now, which may be elsewhere than when it was made, and every secret it is signed with. */
export interface Place extends Pick<DeliveryRow, 'uri' | 'method' | 'timeout'> {
  secrets: readonly string[]
}

/** Sends one request. Its failure is a result like any other; rejects only when `signal` has given it up, which the endpoint is not to blame for. */
export async function attempt(ctx: Ctx, row: DeliveryRow, place: Place, signal: AbortSignal): Promise<AttemptRow> {
  const { uri, method, timeout, secrets } = place
  const now = ctx.now()
  const signed = signedHeaders(row.request_body, { id: row.event_id, type: webhookType(row.event_type), timestamp: now, secrets })
  const headers = { 'content-type': row.content_type, 'user-agent': 'VoIPBIN-Webhooks/1.0', 'x-request-id': row.request_id, ...signed }
  const base = {
    id: attemptId(now, row.id, row.attempt_count + 1),
    customer_id: row.customer_id,
    webhook_delivery_id: row.id,
    webhook_id: row.webhook_id,
    event_type: row.event_type,
    attempt: row.attempt_count + 1,
    method,
    uri,
    tm_start: stamp(now),
    request_headers: shortened(headers),
  }
  try {
    const body = method === 'GET' ? {} : { body: row.request_body }
    const answer = await ctx.http.request(uri, { method, headers, ...body, timeout_ms: timeout * 1000, max_bytes: maxBody, signal })
    return { ...base, ...answered(answer), tm_create: stamp() }
  } catch (error) {
    // Given up by us, because the process stops: the endpoint has not failed.
    if (!(error instanceof HttpError) || error.reason === 'aborted') throw error
    const why = `${error.reason}: ${error.message}`.slice(0, 255)
    const nothing = { status_code: null, response_headers: {}, response_body: '' }
    const duration_ms = ctx.now().getTime() - now.getTime()
    return { ...base, ...nothing, outcome: 'failed', duration_ms, error: why, remote_ip: error.remote_ip, tm_create: stamp() }
  }
}

const redirected = (location: string | undefined): string =>
  `redirect: not followed${location ? `; change the uri to ${location}` : ''}`.slice(0, 255)

const answered = ({ status, headers, body, duration_ms, remote_ip }: HttpAnswer) => ({
  outcome: status >= 200 && status < 300 ? ('succeeded' as const) : ('failed' as const),
  status_code: status,
  duration_ms,
  error: status >= 300 && status < 400 ? redirected(headers.location) : null,
  remote_ip,
  response_headers: firstHeaders(headers),
  response_body: Buffer.from(body).toString('utf8'),
})
