import { isUnavailable } from './db-errors.ts'
import { pause } from './wake.ts'

interface Waiting<T, R> {
  item: T
  resolve(result: R): void
  reject(error: unknown): void
}

/** A batch of so many says that more are coming. */
const busy = 8

/**
 * Works on everything that has come while it was busy with what came before, all together: alone an item waits for nothing, under load many share
 * the cost of a transaction. One batch at a time.
 */
export class Batch<T, R> {
  #work: (items: readonly T[]) => Promise<readonly R[]>
  #most: number
  #linger_ms: number
  /** Items of the batch before: what tells load. */
  #last = 0
  #waiting: Waiting<T, R>[] = []
  #running: Promise<void> | undefined

  /** `work` answers for every item, in their order; at most `most` at once. Under load a batch waits `linger_ms` (default 0) for more to come. */
  constructor(most: number, work: (items: readonly T[]) => Promise<readonly R[]>, { linger_ms = 0 }: { linger_ms?: number } = {}) {
    this.#most = most
    this.#work = work
    this.#linger_ms = linger_ms
  }

  /** Resolves when the batch with this item is done. When a batch fails, its items are tried one by one, so that a bad one harms itself only. */
  add(item: T): Promise<R> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject })
      this.#running ??= this.#run()
    })
  }

  /** Resolves when nothing waits or is worked on. */
  async idle(): Promise<void> {
    await this.#running
  }

  async #run(): Promise<void> {
    // What comes in the same turn of the event loop belongs together.
    await Promise.resolve()
    while (this.#waiting.length > 0) {
      if (this.#linger_ms > 0 && this.#last >= busy && this.#waiting.length < this.#most) await pause(this.#linger_ms)
      const batch = this.#waiting.splice(0, this.#most)
      this.#last = batch.length
      await this.#settle(batch)
    }
    // In the same turn as the last look at what waits: an item that came in between would never be worked on.
    this.#running = undefined
  }

  async #settle(batch: Waiting<T, R>[]): Promise<void> {
    try {
      const results = await this.#work(batch.map(({ item }) => item))
      batch.forEach(({ resolve }, at) => {
        resolve(results[at] as R)
      })
    } catch (error) {
      if (batch.length === 1 || isUnavailable(error)) for (const { reject } of batch) reject(error)
      else for (const one of batch) await this.#settle([one])
    }
  }
}
