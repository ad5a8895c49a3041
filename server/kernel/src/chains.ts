interface Chain<T> {
  items: T[]
  running: boolean
  timer: NodeJS.Timeout | undefined
}

/**
 * Work in order per key and side by side across keys, up to `at_once`. `work` resolves with nothing when an item is done, or with milliseconds
 * after which the same item is tried again; what came later under its key waits behind it, and meanwhile it takes no slot.
 */
export class Chains<T> {
  #at_once: number
  #work: (item: T) => Promise<number | undefined>
  #chains = new Map<string, Chain<T>>()
  #ready: [string, Chain<T>][] = []
  #active = 0
  /** Counts drops: an item that was at work during one is not tried again. */
  #epoch = 0
  #idle: (() => void)[] = []

  constructor(at_once: number, work: (item: T) => Promise<number | undefined>) {
    this.#at_once = at_once
    this.#work = work
  }

  add(key: string, item: T): void {
    const chain = this.#chains.get(key)
    if (chain) {
      chain.items.push(item)
      return
    }
    const fresh: Chain<T> = { items: [item], running: false, timer: undefined }
    this.#chains.set(key, fresh)
    this.#enqueue(key, fresh)
  }

  /** Forgets all that is not being worked on. */
  drop(): void {
    this.#epoch++
    this.#ready = []
    for (const [key, chain] of this.#chains) {
      clearTimeout(chain.timer)
      chain.items = []
      if (!chain.running) this.#chains.delete(key)
    }
  }

  /** Resolves once nothing is being worked on. */
  idle(): Promise<void> {
    if (this.#active === 0) return Promise.resolve()
    return new Promise(resolve => this.#idle.push(resolve))
  }

  #enqueue(key: string, chain: Chain<T>): void {
    this.#ready.push([key, chain])
    this.#pump()
  }

  #pump(): void {
    while (this.#active < this.#at_once) {
      const next = this.#ready.shift()
      if (!next) return
      void this.#run(...next)
    }
  }

  async #run(key: string, chain: Chain<T>): Promise<void> {
    const epoch = this.#epoch
    const item = chain.items.shift() as T
    this.#active++
    chain.running = true
    const retry_ms = await this.#work(item)
    chain.running = false
    this.#active--
    if (retry_ms !== undefined && epoch === this.#epoch) {
      chain.items.unshift(item)
      chain.timer = setTimeout(() => this.#enqueue(key, chain), retry_ms)
    } else if (chain.items.length > 0) this.#enqueue(key, chain)
    else this.#chains.delete(key)
    if (this.#active === 0) for (const resolve of this.#idle.splice(0)) resolve()
    this.#pump()
  }
}
