import { ConnectionError, connectionFailed, TimeoutError } from './errors.ts'
import { within } from './within.ts'

export interface FetchInit {
  method: string
  headers: Record<string, string>
  body?: string | ArrayBuffer
  signal: AbortSignal
}
/** What a request is sent with. The global `fetch` is one; so is, for a proxy, that of undici: `(url, init) => fetch(url, { ...init, dispatcher })`. */
export type Fetch = (url: string, init: FetchInit) => Promise<FetchAnswer>
/** What is needed of a Response: those of other libraries are not quite that of the platform. */
export interface FetchAnswer {
  readonly status: number
  readonly statusText: string
  readonly headers: object
  readonly body: object | null
  arrayBuffer(): Promise<ArrayBuffer>
}

export interface TransportOptions {
  fetch: Fetch
  /** Attempts after the first. */
  maxRetries: number
  /** Per attempt, in milliseconds: until the whole answer is there, or until it begins when it is streamed. */
  timeoutMs: number
  /** Told before every further attempt. */
  onRetry?: ((info: RetryInfo) => void) | undefined
  signal?: AbortSignal | undefined
  /** Hands the answer on when its head is there. Otherwise it is read within the attempt, so that a body that breaks off counts as a broken connection. */
  stream?: boolean | undefined
}
export interface RetryInfo {
  /** The attempt that failed, from 1. */
  attempt: number
  /** Pause before the next one, in milliseconds. */
  delayMs: number
  /** HTTP status of the failed attempt; undefined when no answer came. */
  status: number | undefined
  /** Why no answer came. */
  error: ConnectionError | undefined
  method: string
  url: string
}

const longestPauseMs = 8000
/** Whoever is told to come back later than this is better off with the error than with a request that seems to hang. */
const longestWaitMs = 60_000

/** Sends a request, and again while it makes sense: after connection errors, 408, 429, 5xx, and a 409 that carries `Retry-After`. */
export async function sendWithRetries(request: Request, options: TransportOptions): Promise<Response> {
  const init = await initOf(request)
  for (let attempt = 1; ; attempt++) {
    const { response, error } = await once(request.url, init, options)
    const delayMs = attempt > options.maxRetries ? undefined : pauseBefore(attempt, request, response)
    if (delayMs === undefined) {
      if (response) return response
      throw error
    }
    const { method, url } = request
    options.onRetry?.({ attempt, delayMs, status: response?.status, error, method, url })
    await sleep(delayMs, options.signal)
  }
}

interface Outcome {
  response?: Response
  error?: ConnectionError
}

/** The parts of a request. A Request itself is no good to the `fetch` of another library, and a test would have to take it apart. */
async function initOf(request: Request): Promise<Omit<FetchInit, 'signal'>> {
  const headers = Object.fromEntries(request.headers)
  const isText = /json|^$/.test(headers['content-type'] ?? '')
  const copy = request.clone()
  const body = await (isText ? copy.text() : copy.arrayBuffer())
  return { method: request.method, headers, ...(body && { body }) }
}

/** One attempt. Rejects only when the caller gives up. */
async function once(
  url: string,
  init: Omit<FetchInit, 'signal'>,
  { fetch, timeoutMs, signal, stream }: TransportOptions,
): Promise<Outcome> {
  const late = (): Error => new TimeoutError(`No answer within ${timeoutMs} ms.`)
  try {
    const send = async (stop: AbortSignal): Promise<Response> => {
      const response = (await fetch(url, { ...init, signal: stop })) as Response
      return stream ? streamed(response, signal) : whole(response)
    }
    return { response: await within(send, { timeoutMs, late, signal }) }
  } catch (error) {
    if (signal?.aborted) throw error
    return { error: error instanceof ConnectionError ? error : connectionFailed(error) }
  }
}

async function whole(response: Response): Promise<Response> {
  const bytes = await response.arrayBuffer()
  return new Response(bytes.byteLength > 0 ? bytes : null, response)
}

/** The answer with a body that ends when the caller gives up, and lets go of the caller's signal when it ends. */
function streamed(response: Response, signal: AbortSignal | undefined): Response {
  if (!response.body || !signal) return response
  const reader = response.body.getReader()
  let onAbort = (): void => undefined
  const release = (): void => signal.removeEventListener('abort', onAbort)
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      onAbort = () => {
        release()
        controller.error(signal.reason)
        void reader.cancel(signal.reason)
      }
      signal.addEventListener('abort', onAbort)
    },
    async pull(controller) {
      const { done, value } = await reader.read().catch((error: unknown) => {
        release()
        throw error
      })
      if (signal.aborted) return
      if (value) controller.enqueue(value)
      if (!done) return
      release()
      controller.close()
    },
    cancel(reason) {
      release()
      return reader.cancel(reason)
    },
  })
  return new Response(body, response)
}

/**
 * The pause before another attempt in milliseconds: what `Retry-After` says, in seconds or as a date, else random up to 0.5 s, 1 s, 2 s … 8 s. Undefined
 * when the request must not or need not be repeated. A POST without an Idempotency-Key may have taken effect; it is repeated only when the platform says
 * that it has not (429, 503).
 */
export function pauseBefore(attempt: number, request: Request, response: Response | undefined): number | undefined {
  const status = response?.status
  const later = response?.headers.get('retry-after')
  const repeatable = request.method !== 'POST' || request.headers.has('idempotency-key')
  const transient = status === undefined || status === 408 || status >= 500
  if (!(status === 429 || status === 503 || (status === 409 && later) || (repeatable && transient))) return undefined
  const wait = later ? (/^\d+$/.test(later) ? Number(later) * 1000 : Date.parse(later) - Date.now()) : Number.NaN
  if (wait > longestWaitMs) return undefined
  // Full jitter, so that clients that failed together do not come back together.
  return wait >= 0 ? wait : Math.random() * Math.min(longestPauseMs, 250 * 2 ** attempt)
}

/** Rejects with the signal's reason when the caller gives up. */
export const sleep = (ms: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    signal?.throwIfAborted()
    const stop = (): void => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop)
      resolve()
    }, ms)
    signal?.addEventListener('abort', stop, { once: true })
  })
