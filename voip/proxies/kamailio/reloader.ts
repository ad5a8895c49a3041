import type { Logger } from '@voipbin/kernel'
import type { KamailioRpc } from './rpc.ts'

const retry_ms = { first: 500, most: 30_000 }

/** Makes edges read their tables again: at once when asked, one reload at a time, again until it worked. */
export class Reloader {
  #edges: readonly { name: string; rpc: KamailioRpc }[]
  #log: Logger
  #wanted = new Set<string>()
  #running = new Set<string>()
  #timers = new Map<string, NodeJS.Timeout>()
  #stopped = false

  constructor(edges: readonly { name: string; rpc: KamailioRpc }[], log: Logger) {
    this.#edges = edges
    this.#log = log
  }

  /** Both tables, at the start of this process. */
  start(): void {
    for (const edge of this.#edges) {
      void this.#reload(edge.name, 'dispatcher', () => edge.rpc.reloadDispatcher())
      void this.#reload(edge.name, 'addresses', () => edge.rpc.reloadAddresses())
    }
  }

  /** A carrier's address was added, changed or removed. Returns at once: an edge that is away reads everything when it starts. */
  addressesChanged(): void {
    for (const edge of this.#edges) void this.#reload(edge.name, 'addresses', () => edge.rpc.reloadAddresses())
  }

  stop(): void {
    this.#stopped = true
    for (const timer of this.#timers.values()) clearTimeout(timer)
  }

  /** A wish that comes during a reload leads to one more: the running one may have read the table before the change. */
  async #reload(edge: string, what: string, work: () => Promise<void>, failures = 0): Promise<void> {
    const key = `${edge}/${what}`
    this.#wanted.add(key)
    clearTimeout(this.#timers.get(key))
    if (this.#running.has(key)) return
    this.#running.add(key)
    try {
      while (this.#wanted.delete(key)) await work()
      this.#log.info('edge reloaded', { edge, what })
    } catch (error) {
      const delay = Math.min(retry_ms.most, retry_ms.first * 2 ** failures)
      this.#log.warn('edge not reloaded, will try again', { edge, what, delay_ms: delay, err: error })
      if (!this.#stopped)
        this.#timers.set(
          key,
          setTimeout(() => void this.#reload(edge, what, work, failures + 1), delay),
        )
    } finally {
      this.#running.delete(key)
    }
  }
}
