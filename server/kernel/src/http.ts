import { isIP } from 'node:net'
import { Agent, request } from 'undici'
import { AddressRefused, isPublicAddress, publicLookup } from './address-guard.ts'
import type { Http, HttpAnswer, HttpOptions } from './context.ts'
import { metrics } from './metrics.ts'

export type HttpFailure = 'invalid_url' | 'address_refused' | 'name_unknown' | 'connection_failed' | 'tls_failed' | 'timeout' | 'aborted'

/** No answer came. `reason` says why, for delivery records; an answer of any status is no error. */
export class HttpError extends Error {
  readonly reason: HttpFailure
  constructor(reason: HttpFailure, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'HttpError'
    this.reason = reason
  }
}

export interface HttpClientOptions {
  /** Also private and loopback addresses. For tests and closed installations. */
  allow_private?: boolean
}
export interface HttpClient extends Http, AsyncDisposable {
  close(): Promise<void>
}

const defaultMaxBytes = 64 * 1024

/** The one place of the platform that sends HTTP requests (`ctx.http`). */
export function openHttp({ allow_private = false }: HttpClientOptions = {}): HttpClient {
  const agent = new Agent({
    connect: { timeout: 10_000, ...(allow_private ? {} : { lookup: publicLookup }) },
    keepAliveTimeout: 5_000,
    connections: 64,
  })

  const send = async (url: string, options: HttpOptions): Promise<HttpAnswer> => {
    const target = parseUrl(url)
    const host = target.hostname.replace(/^\[|\]$/g, '')
    // A literal address is never looked up, so it is checked here.
    if (!allow_private && isIP(host) !== 0 && !isPublicAddress(host)) throw new AddressRefused(host)
    const signal = AbortSignal.any([AbortSignal.timeout(options.timeout_ms), ...(options.signal ? [options.signal] : [])])
    const started = performance.now()
    const answer = await request(target, {
      dispatcher: agent,
      method: options.method,
      headers: options.headers ?? {},
      body: options.body ?? null,
      signal,
      headersTimeout: options.timeout_ms,
      bodyTimeout: options.timeout_ms,
    })
    const body = await readUpTo(answer.body, options.max_bytes ?? defaultMaxBytes)
    const headers = Object.fromEntries(Object.entries(answer.headers).map(([name, value]) => [name, String(value)]))
    return { status: answer.statusCode, headers, body, duration_ms: Math.round(performance.now() - started) }
  }

  let closing: Promise<void> | undefined
  const close = () => {
    closing ??= agent.destroy()
    return closing
  }
  return {
    request: async (url, options) => {
      try {
        const answer = await send(url, options)
        metrics.httpOut.inc({ outcome: `${Math.floor(answer.status / 100)}xx` })
        return answer
      } catch (error) {
        const failure = asHttpError(error, options)
        metrics.httpOut.inc({ outcome: failure.reason })
        throw failure
      }
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

function parseUrl(url: string): URL {
  const target = URL.canParse(url) ? new URL(url) : undefined
  if (target && (target.protocol === 'https:' || target.protocol === 'http:') && target.username === '' && target.password === '')
    return target
  throw new HttpError('invalid_url', 'not an http or https URL without credentials')
}

/** The first `max` bytes; what follows is not read. */
async function readUpTo(stream: AsyncIterable<Buffer>, max: number): Promise<Uint8Array> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of stream) {
    parts.push(part.subarray(0, max - size))
    size += part.length
    if (size >= max) break
  }
  return Buffer.concat(parts)
}

const codeOf = (error: unknown): string => (error instanceof Error && 'code' in error ? String(error.code) : '')

/** Undici's, Node's and OpenSSL's ways to fail, in our words. */
function asHttpError(error: unknown, { signal, timeout_ms }: HttpOptions): HttpError {
  if (error instanceof HttpError) return error
  const cause = error instanceof Error && error.cause !== undefined && !codeOf(error) ? error.cause : error
  const code = codeOf(cause)
  const options = { cause: error }
  if (cause instanceof AddressRefused) return new HttpError('address_refused', cause.message, options)
  if (signal?.aborted) return new HttpError('aborted', 'the request was given up', options)
  if ((error instanceof Error && error.name === 'TimeoutError') || /TIMEOUT|ETIMEDOUT/.test(code)) {
    return new HttpError('timeout', `no complete answer within ${timeout_ms} ms`, options)
  }
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return new HttpError('name_unknown', 'the name has no address', options)
  if (/CERT|TLS|SSL|SIGNED|ISSUER/.test(code)) return new HttpError('tls_failed', `TLS failed: ${code}`, options)
  return new HttpError('connection_failed', `the connection failed: ${code || String(cause)}`, options)
}
