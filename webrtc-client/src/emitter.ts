type Listener<Event> = (event: Event) => void

/** Typed events without a dependency. A listener that throws is reported as an uncaught error and never stops the others. */
export class Emitter<Events> {
  readonly #listeners = new Map<keyof Events, Set<Listener<never>>>()

  /** Adds a listener; the returned function removes it again. */
  on<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>): () => void {
    const listeners = this.#listeners.get(name) ?? new Set()
    this.#listeners.set(name, listeners.add(listener))
    return () => void listeners.delete(listener)
  }

  /** Resolves with the next event of this name. Rejects with the reason of `signal` when that comes first. */
  once<Name extends keyof Events>(name: Name, { signal }: { signal?: AbortSignal } = {}): Promise<Events[Name]> {
    return new Promise((resolve, reject) => {
      const off = this.on(name, event => {
        signal?.removeEventListener('abort', abort)
        off()
        resolve(event)
      })
      const abort = () => {
        off()
        reject(signal?.reason)
      }
      if (signal?.aborted) abort()
      else signal?.addEventListener('abort', abort, { once: true })
    })
  }

  protected emit<Name extends keyof Events>(name: Name, event: Events[Name]): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      try {
        ;(listener as Listener<Events[Name]>)(event)
      } catch (error) {
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }
}
