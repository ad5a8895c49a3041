/** A signal for one waiter at a time. Set before anybody waits, it is kept for the next. */
export class Wake {
  #set = false
  #release: (() => void) | undefined

  set(): void {
    if (this.#release) this.#release()
    else this.#set = true
  }

  /** Resolves when set, after `timeout_ms`, or when `signal` aborts, whichever is first. */
  wait(timeout_ms: number, signal?: AbortSignal): Promise<void> {
    if (this.#set || signal?.aborted) {
      this.#set = false
      return Promise.resolve()
    }
    return new Promise(resolve => {
      const previous = this.#release
      const release = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', release)
        if (this.#release === release) this.#release = undefined
        previous?.()
        resolve()
      }
      const timer = setTimeout(release, timeout_ms)
      signal?.addEventListener('abort', release, { once: true })
      this.#release = release
    })
  }
}

/** Resolves after `ms`, or at once when `signal` aborts. */
export const pause = (ms: number, signal?: AbortSignal): Promise<void> => new Wake().wait(ms, signal)

/** Does `work` again and again, with a second between, until `signal` aborts. What it throws before that goes to `onError`. */
export async function repeat(work: () => Promise<void>, signal: AbortSignal, onError: (error: unknown) => void): Promise<void> {
  while (!signal.aborted) {
    try {
      await work()
    } catch (error) {
      if (!signal.aborted) onError(error)
    }
    await pause(1_000, signal)
  }
}

/** Waits for `work`, but no longer than `ms`. Leaves no timer behind. */
export async function atMost(ms: number, work: Promise<unknown> | undefined): Promise<void> {
  const stop = new AbortController()
  try {
    await Promise.race([work, pause(ms, stop.signal)])
  } finally {
    stop.abort()
  }
}
