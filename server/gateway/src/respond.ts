import { promisify } from 'node:util'
import { gzip as zlibGzip } from 'node:zlib'
import type { AppError } from '@voipbin/kernel'
import { asAnswer, errorBody, errorHeaders, type HeaderMap, httpCode } from './errors.ts'

const gzip = promisify(zlibGzip)
/** Below this length, in characters, compressing costs more than it saves. */
const compress_from = 4_096

/** Whether `Accept-Encoding` (RFC 9110, 12.5.3) allows gzip. */
export function takesGzip(accepted: string | undefined): boolean {
  if (accepted === undefined) return false
  const weights = new Map(
    accepted.split(',').map(part => {
      const [coding = '', weight = 'q=1'] = part.split(';').map(word => word.trim().toLowerCase())
      return [coding, Number(weight.replace(/^q=/, ''))]
    }),
  )
  return (weights.get('gzip') ?? weights.get('x-gzip') ?? weights.get('*') ?? 0) > 0
}

export interface HeaderOptions {
  /** Origins that browsers may call from; `*` for all. Credentials travel in headers, never in cookies, so `*` gives nothing away. */
  origins: readonly string[]
  /** Whether clients reach the gateway by TLS: then browsers are told to stay with it. */
  tls: boolean
}

/** What scripts of a page may read of an answer, besides the few headers that browsers always show. */
const exposed =
  'x-request-id, ratelimit-limit, ratelimit-remaining, ratelimit-reset, retry-after, idempotency-replayed, etag, content-range, content-disposition'
const allowedHeaders = 'authorization, content-type, idempotency-key, x-request-id, x-voipbin-customer-id'

/** Builds answers with the headers that every one of them has. */
export class Responder {
  readonly #fixed: HeaderMap
  readonly #origins: ReadonlySet<string>

  constructor({ origins, tls }: HeaderOptions) {
    this.#origins = new Set(origins)
    this.#fixed = {
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'x-frame-options': 'DENY',
      ...(tls ? { 'strict-transport-security': 'max-age=31536000' } : {}),
      ...(this.#origins.has('*') ? { 'access-control-allow-origin': '*', 'access-control-expose-headers': exposed } : {}),
    }
  }

  /** Headers of one answer: the fixed ones, the request's id and what this origin may see. */
  headers(request_id: string, origin: string | undefined): HeaderMap {
    const headers: HeaderMap = { ...this.#fixed, 'x-request-id': request_id }
    if (this.#origins.has('*')) return headers
    headers.vary = 'Origin'
    if (origin !== undefined && this.#origins.has(origin)) {
      headers['access-control-allow-origin'] = origin
      headers['access-control-expose-headers'] = exposed
    }
    return headers
  }

  /** Sends JSON text, compressed when it is long and the client takes that. */
  async text(body: string, status: number, headers: HeaderMap, accepted: string | undefined): Promise<Response> {
    if (body.length < compress_from) return this.json(body, status, headers)
    headers.vary = headers.vary === undefined ? 'Accept-Encoding' : `${headers.vary}, Accept-Encoding`
    if (!takesGzip(accepted)) return this.json(body, status, headers)
    headers['content-type'] = 'application/json'
    headers['cache-control'] ??= 'no-store'
    headers['content-encoding'] = 'gzip'
    return new Response(new Uint8Array(await gzip(body, { level: 4 })), { status, headers })
  }

  /** Sends JSON text as it is. Answers of the API are nobody's to store. */
  json(body: string, status: number, headers: HeaderMap): Response {
    headers['content-type'] = 'application/json'
    headers['cache-control'] ??= 'no-store'
    return new Response(body, { status, headers })
  }

  error(thrown: unknown, request_id: string, headers: HeaderMap): Response {
    const error: AppError = asAnswer(thrown)
    Object.assign(headers, errorHeaders(error))
    return this.json(JSON.stringify(errorBody(error, request_id)), httpCode(error), headers)
  }

  /** Answers OPTIONS: what the path takes, and to browsers what they may send. */
  options(methods: readonly string[], headers: HeaderMap): Response {
    const allow = methods.join(', ')
    headers.allow = allow
    if (headers['access-control-allow-origin'] !== undefined) {
      headers['access-control-allow-methods'] = allow
      headers['access-control-allow-headers'] = allowedHeaders
      headers['access-control-max-age'] = '600'
    }
    return new Response(null, { status: 204, headers })
  }
}
