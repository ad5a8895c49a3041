import { isIP, type Socket } from 'node:net'
import { Agent, buildConnector, Client, type Dispatcher, Pool } from 'undici'
import { AddressGuard, type AddressPolicy, AddressRefused, hostOf } from './address-guard.ts'
import type { Http, HttpAnswer, HttpOptions } from './context.ts'
import { fault } from './fault.ts'
import { metrics } from './metrics.ts'

export type HttpFailure = 'invalid_url' | 'address_refused' | 'name_unknown' | 'connection_failed' | 'tls_failed' | 'timeout' | 'aborted'

/** No answer came. `reason` says why, for delivery records; an answer of any status is no error. */
export class HttpError extends Error {
  readonly reason: HttpFailure
  /** Where the connection went, when there was one or an attempt at one. */
  readonly remote_ip: string | null
  constructor(reason: HttpFailure, message: string, { remote_ip = null, ...options }: ErrorOptions & { remote_ip?: string | null } = {}) {
    super(message, options)
    this.name = 'HttpError'
    this.reason = reason
    this.remote_ip = remote_ip
  }
}

export type HttpClientOptions = AddressPolicy
export interface HttpClient extends Http, AsyncDisposable {
  close(): Promise<void>
}

const defaultMaxBytes = 64 * 1024
const connect_ms = 10_000
/** How long an idle connection is kept, in milliseconds, unless the server asks for less. */
const idle_ms = 5_000
const maxHeaderBytes = 16 * 1024

/** One connection, which knows the address it leads to. */
class PinnedClient extends Client {
  remote_ip: string | null = null

  constructor(origin: string | URL, { connect, ...options }: Client.Options & { connect: buildConnector.connector }) {
    super(origin, {
      ...options,
      connect: (target, callback) =>
        connect(target, (...result) => {
          const [error, socket] = result
          this.remote_ip = (socket as Socket | null)?.remoteAddress ?? addressIn(error)
          callback(...result)
        }),
    })
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    if (handler instanceof Exchange) handler.client = this
    return super.dispatch(options, handler)
  }
}

/** A refused connection names the address in its error. */
const addressIn = (error: unknown): string | null => (error instanceof Error && 'address' in error ? String(error.address) : null)

/** The one place of the platform that sends HTTP requests (`ctx.http`). Connections are kept for the next request to the same origin. */
export function openHttp(policy: HttpClientOptions = {}): HttpClient {
  const guard = new AddressGuard(policy)
  const connect = buildConnector({ timeout: connect_ms, lookup: guard.lookup, allowH2: false })
  const agent = new Agent({
    allowH2: false,
    keepAliveTimeout: idle_ms,
    maxHeaderSize: maxHeaderBytes,
    // Who asks bounds how much is asked at once: a bound here would let one slow endpoint hold up others of the same origin.
    factory: (origin, options) =>
      new Pool(origin, { ...options, factory: (to, own) => new PinnedClient(to, { ...own, connect }) } as Pool.Options),
  })

  const send = (url: string, options: HttpOptions): Promise<HttpAnswer> => {
    const target = parseUrl(url)
    const host = hostOf(target)
    // A literal address is never looked up, so it is checked here.
    if (isIP(host) !== 0 && !guard.accepts(host)) throw new AddressRefused(host)
    return new Promise((resolve, reject) => new Exchange(options, { resolve, reject }).start(agent, target))
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
        fault('http.after_answer')
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

class TimedOut extends Error {}

interface Settle {
  resolve(answer: HttpAnswer): void
  reject(error: unknown): void
}

/** One request and its answer: settled once, by the end of the answer, its limit, the deadline or the caller. */
class Exchange implements Dispatcher.DispatchHandler {
  client: PinnedClient | undefined
  #options: HttpOptions
  #settle: Settle
  #max: number
  #started = performance.now()
  #timer: NodeJS.Timeout
  #controller: Dispatcher.DispatchController | undefined
  #over = false
  #status = 0
  #headers: Record<string, string> = {}
  #parts: Buffer[] = []
  #size = 0
  #onAbort = () => this.#fail(new Error('aborted'))

  constructor(options: HttpOptions, settle: Settle) {
    this.#options = options
    this.#settle = settle
    this.#max = options.max_bytes ?? defaultMaxBytes
    this.#timer = setTimeout(() => this.#fail(new TimedOut()), options.timeout_ms)
  }

  start(agent: Agent, target: URL): void {
    const { method, headers = {}, body = null, signal } = this.#options
    if (signal?.aborted) {
      this.#onAbort()
      return
    }
    signal?.addEventListener('abort', this.#onAbort, { once: true })
    const path = `${target.pathname}${target.search}`
    // The deadline covers all of it, so undici's own two need not run.
    agent.dispatch({ origin: target.origin, path, method, headers, body, headersTimeout: 0, bodyTimeout: 0 }, this)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    // Given up while it waited for its connection: it is not sent any more.
    if (this.#over) controller.abort(new Error('given up'))
  }
  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    if (status < 200) return
    this.#status = status
    this.#headers = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]))
  }
  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#over) return
    this.#parts.push(chunk.subarray(0, this.#max - this.#size))
    this.#size += chunk.length
    if (this.#size < this.#max) return
    this.#answer()
    // What follows is not read.
    this.#controller?.abort(new Error('enough'))
  }
  onResponseEnd(): void {
    this.#answer()
  }
  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#fail(error)
  }

  #answer(): void {
    if (!this.#end()) return
    this.#settle.resolve({
      status: this.#status,
      headers: this.#headers,
      body: Buffer.concat(this.#parts),
      duration_ms: Math.round(performance.now() - this.#started),
      remote_ip: this.client?.remote_ip ?? null,
    })
  }

  #fail(error: Error): void {
    if (!this.#end()) return
    this.#controller?.abort(error)
    this.#settle.reject(asHttpError(error, this.#options, this.client?.remote_ip ?? null))
  }

  /** True for the first that ends it. */
  #end(): boolean {
    if (this.#over) return false
    this.#over = true
    clearTimeout(this.#timer)
    this.#options.signal?.removeEventListener('abort', this.#onAbort)
    return true
  }
}

function parseUrl(url: string): URL {
  const target = URL.parse(url)
  if (target && (target.protocol === 'https:' || target.protocol === 'http:') && target.username === '' && target.password === '')
    return target
  throw new HttpError('invalid_url', 'not an http or https URL without credentials')
}

const codeOf = (error: unknown): string => (error instanceof Error && 'code' in error ? String(error.code) : '')

/** Undici's, Node's and OpenSSL's ways to fail, in our words. */
function asHttpError(error: unknown, { signal, timeout_ms }: HttpOptions, remote_ip: string | null = null): HttpError {
  if (error instanceof HttpError) return error
  const cause = error instanceof Error && error.cause !== undefined && !codeOf(error) ? error.cause : error
  const code = codeOf(cause)
  const options = { cause: error, remote_ip }
  if (cause instanceof AddressRefused) return new HttpError('address_refused', cause.message, options)
  if (signal?.aborted) return new HttpError('aborted', 'the request was given up', options)
  if (error instanceof TimedOut || /TIMEOUT|ETIMEDOUT/.test(code)) {
    return new HttpError('timeout', `no complete answer within ${timeout_ms / 1000} s`, options)
  }
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return new HttpError('name_unknown', `the host name has no address (${code})`, options)
  if (/CERT|TLS|SSL|SIGNED|ISSUER/.test(code)) return new HttpError('tls_failed', withCode(tlsFailures, code), options)
  return new HttpError('connection_failed', withCode(connectionFailures, code || String(cause)), options)
}

/** What the owner of the server can do something about. Node's code follows in brackets, for a search engine. */
const tlsFailures: readonly [RegExp, string][] = [
  [/SELF_SIGNED/, 'the certificate is self-signed; use one of a public authority'],
  [/EXPIRED/, 'the certificate has expired'],
  [/ALTNAME/, 'the certificate is for another host name'],
  [/UNABLE_TO|ISSUER/, 'the certificate cannot be verified; the server may not send the intermediate certificates'],
  [/WRONG_VERSION|PACKET_LENGTH|HTTP_REQUEST/, 'the server does not speak TLS on this port; is it http?'],
  [/./, 'the TLS handshake failed'],
]
const connectionFailures: readonly [RegExp, string][] = [
  [/ECONNREFUSED/, 'nothing accepts connections at this address and port'],
  [/ECONNRESET|UND_ERR_SOCKET|EPIPE/, 'the server closed the connection before its answer was complete'],
  [/UNREACH/, 'there is no route to this address'],
  [/HEADERS_OVERFLOW/, 'the headers of the answer are larger than 16 KiB'],
  [/./, 'the connection failed'],
]
const withCode = (failures: readonly [RegExp, string][], code: string): string =>
  `${failures.find(([pattern]) => pattern.test(code))?.[1]} (${code})`
