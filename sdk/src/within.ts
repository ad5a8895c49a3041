/** Timers count 31 bits of milliseconds; what is more would be over at once. */
export const longestTimerMs = 2 ** 31 - 1

export interface Limits {
  /** In milliseconds; `Infinity` for none. */
  timeoutMs: number
  /** What to reject with when the time is over. */
  late: () => Error
  signal?: AbortSignal | undefined
}

/** Runs work that ends by itself, when its time is over, or when `signal` says so, even if it does not listen. Leaves no timer and no listener behind. */
export function within<T>(work: (stop: AbortSignal) => Promise<T>, { timeoutMs, late, signal }: Limits): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = new AbortController()
    const release = (): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
    }
    const end = (reason: unknown): void => {
      release()
      // Rejected as well as told by signal: Node may collect what leads a signal to a fetch that hangs, and then nothing would end it.
      reject(reason)
      stop.abort(reason)
    }
    const onAbort = (): void => end(signal?.reason)
    const timer = setTimeout(() => end(late()), Math.min(timeoutMs, longestTimerMs))
    if (signal?.aborted) return onAbort()
    signal?.addEventListener('abort', onAbort)
    work(stop.signal).finally(release).then(resolve, reject)
  })
}
