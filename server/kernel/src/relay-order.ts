import { LRUCache } from 'lru-cache'
import type { WrittenRow } from './outbox.ts'

/**
 * Which committed events may leave at once, without reading the table first: those whose predecessor of the same resource is known to have left
 * through here. Another instance may have committed that predecessor; then only the table knows it.
 */
export class PublishOrder {
  /** Resource -> position of the last event of it that left. */
  readonly #left = new LRUCache<string, number>({ max: 10_000 })
  /** Events that left, as long as their commit may still be reported. */
  readonly #events = new LRUCache<string, true>({ max: 10_000 })
  /** Reported, and waiting to be read from the table. */
  readonly #waiting = new Map<string, WrittenRow>()

  /** What to do with an event that has just committed here: send it, leave it to the next read, or nothing because it has left already. */
  judge(row: WrittenRow): 'send' | 'read' | 'gone' {
    if (this.#events.has(row.event_id)) {
      this.#advance(row)
      return 'gone'
    }
    if (row.position === 1 || this.#left.get(row.resource_id) === row.position - 1) return 'send'
    this.#waiting.set(row.event_id, row)
    return 'read'
  }

  /** The event is on the wire, behind everything that came before it on its resource. */
  sent(event_id: string, row = this.#waiting.get(event_id)): void {
    this.#waiting.delete(event_id)
    this.#events.set(event_id, true)
    if (row) this.#advance(row)
  }

  /** Nobody knows what arrived: until it has been sent again, in order, from the table, nothing goes past it. */
  failed(event_id: string): void {
    this.#events.delete(event_id)
    this.#left.clear()
  }

  reset(): void {
    this.#left.clear()
    this.#events.clear()
    this.#waiting.clear()
  }

  #advance({ resource_id, position }: WrittenRow): void {
    this.#left.set(resource_id, Math.max(position, this.#left.get(resource_id) ?? 0))
  }
}
