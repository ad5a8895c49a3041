import { BrokenCircuitError, CircuitState, ConsecutiveBreaker, circuitBreaker, handleAll } from 'cockatiel'
import type { Logger } from './context.ts'
import { metrics } from './metrics.ts'

const threshold = 5
const openFor_ms = 30_000

/** Refuses requests to a queue after 5 transport failures in a row: for 30 s, then one request is the probe and the others wait for none. */
export class Breaker {
  /** Failures in a row. Counted here and now: the policy would count a turn of the event loop later, out of order with successes. */
  #failures = 0
  #policy: ReturnType<typeof circuitBreaker>

  constructor(queue: string, log: Logger, open_ms = openFor_ms) {
    this.#policy = circuitBreaker(handleAll, { halfOpenAfter: open_ms, breaker: new ConsecutiveBreaker(1) })
    this.#policy.onBreak(() => {
      metrics.breakerOpen.set({ queue }, 1)
      log.warn('breaker open', { queue })
    })
    this.#policy.onReset(() => {
      this.#failures = 0
      metrics.breakerOpen.set({ queue }, 0)
      log.info('breaker closed', { queue })
    })
  }

  /** The usual case, in which nothing needs to be asked or told. */
  get isClosed(): boolean {
    return this.#policy.state === CircuitState.Closed
  }

  succeeded(): void {
    if (this.isClosed) this.#failures = 0
  }

  failed(error: unknown): void {
    if (!this.isClosed || ++this.#failures < threshold) return
    // Only trips it: whoever sent the request has the error.
    this.#policy.execute(() => Promise.reject(error)).catch(() => undefined)
  }

  /**
   * Runs the probe once the time is up; `undefined` means refused. The policy would let everybody else wait for the probe's end; a caller
   * is better off with an answer now.
   */
  async probe<T>(work: () => Promise<T>): Promise<T | undefined> {
    if (this.#policy.state === CircuitState.HalfOpen) return undefined
    try {
      return await this.#policy.execute(work)
    } catch (error) {
      if (error instanceof BrokenCircuitError) return undefined
      throw error
    }
  }
}
