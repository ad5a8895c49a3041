import { ConnectionError, TimeoutError } from './errors.ts'

export interface TransportOptions {
  fetch: typeof fetch
  /** Attempts after the first. */
  maxRetries: number
  /** Per attempt until the answer begins, in milliseconds. */
  timeout_ms: number
  /** Told before every further attempt. */
  onRetry?: ((info: RetryInfo) => void) | undefined
  /** Replaced in tests. */
  wait?: (ms: number, signal: AbortSignal) => Promise<void>
}
export interface RetryInfo {
  attempt: number
  delay_ms: number
  /** HTTP status of the failed attempt; undefined when the connection failed. */
  status: number | undefined
  url: string
}

const maxDelayMs = 8000

/** A `fetch` that tries again what is safe to repeat: connection errors, 408, 429, 5xx, and a 409 that carries `Retry-After`. */
export function retryingFetch({
  fetch,
  maxRetries,
  timeout_ms,
  onRetry,
  wait = sleep,
}: TransportOptions): (request: Request) => Promise<Response> {
  return async request => {
    for (let attempt = 1; ; attempt++) {
      const outcome = await once(fetch, request.clone(), timeout_ms)
      const last = attempt > maxRetries || request.signal.aborted
      if (last || !shouldRetry(request, outcome)) {
        if (outcome instanceof Response) return outcome
        throw outcome
      }
      const delay_ms = delayFor(attempt, outcome)
      onRetry?.({ attempt, delay_ms, status: outcome instanceof Response ? outcome.status : undefined, url: request.url })
      await wait(delay_ms, request.signal)
    }
  }
}

async function once(send: typeof fetch, request: Request, timeout_ms: number): Promise<Response | Error> {
  const stop = new AbortController()
  let late = false
  let timer: ReturnType<typeof setTimeout> | undefined
  const stopped = new Promise<never>((_, reject) => {
    stop.signal.addEventListener('abort', () => reject(stop.signal.reason), { once: true })
    timer = setTimeout(() => {
      late = true
      stop.abort()
    }, timeout_ms)
  })
  const giveUp = (): void => stop.abort(request.signal.reason)
  request.signal.addEventListener('abort', giveUp, { once: true })
  if (request.signal.aborted) giveUp()
  try {
    // Raced as well as told by signal: Node may collect what leads a signal to a fetch that hangs, and then nothing would end it.
    return await Promise.race([send(new Request(request, { signal: stop.signal })), stopped])
  } catch (error) {
    if (request.signal.aborted) return error instanceof Error ? error : new ConnectionError('The request was aborted.')
    if (late) return new TimeoutError(`No answer within ${timeout_ms} ms.`, { cause: error })
    return new ConnectionError('The connection failed.', { cause: error })
  } finally {
    clearTimeout(timer)
  }
}

/** A POST without an Idempotency-Key may have taken effect; it is repeated only when the platform says it has not. */
function shouldRetry(request: Request, outcome: Response | Error): boolean {
  const repeatable = request.method !== 'POST' || request.headers.has('idempotency-key')
  if (!(outcome instanceof Response)) return repeatable && outcome instanceof ConnectionError
  if (outcome.status === 429 || outcome.status === 503) return true
  if (outcome.status === 409) return outcome.headers.has('retry-after')
  return repeatable && (outcome.status === 408 || outcome.status >= 500)
}

/** `Retry-After` where there is one, else exponential with full jitter. Milliseconds. */
function delayFor(attempt: number, outcome: Response | Error): number {
  const header = outcome instanceof Response ? outcome.headers.get('retry-after') : null
  if (header !== null) {
    const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now()
    if (ms >= 0) return Math.min(ms, 60_000)
  }
  return Math.random() * Math.min(maxDelayMs, 250 * 2 ** attempt)
}

const sleep = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    signal.throwIfAborted()
    const stop = (): void => {
      clearTimeout(timer)
      reject(signal.reason)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop)
      resolve()
    }, ms)
    signal.addEventListener('abort', stop, { once: true })
  })
