import type { Context, Logger } from './context.ts'
import { atMost, repeat } from './wake.ts'

/** Background work of one instance: it runs on every instance, from the start to the stop. */
export class Workers {
  #log: Logger
  #stop = new AbortController()
  #running: Promise<void>[] = []

  constructor(log: Logger) {
    this.#log = log
  }

  /** Runs `work` until `close`; one that ends or throws before begins anew after a second. `makeContext` is given the signal of the stop. */
  start(name: string, work: (ctx: Context) => Promise<void>, makeContext: (signal: AbortSignal) => Context): void {
    const { signal } = this.#stop
    const failed = (error: unknown) => this.#log.error('worker failed, will run again', { work: name, err: error })
    this.#running.push(repeat(() => work(makeContext(signal)), signal, failed))
  }

  /** Tells all of them to stop and waits up to `timeout_ms` for their end. Safe to call twice. */
  async close(timeout_ms: number): Promise<void> {
    this.#stop.abort()
    await atMost(timeout_ms, Promise.all(this.#running))
  }
}
