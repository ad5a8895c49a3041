import type { Caller, Db } from './context.ts'
import { uuid7 } from './id.ts'
import type { Contract, EventRow } from './service.ts'
import { dbTime, run, select } from './statements.ts'

/** An event that is complete but for its number. */
export interface PendingEvent {
  event_id: string
  event_type: string
  domain: string
  customer_id: string
  resource_type: string
  resource_id: string
  /** Whose numbers it takes. */
  counter: string
  request_id: string
  timestamp: string
  /** JSON, taken when the event was emitted: what happens to the object afterwards is not part of it. */
  data: string
}

/** One row that waits to leave. */
export interface OutboxRow {
  id: number
  event_id: string
  event_type: string
  domain: string
  payload: string
}

const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined)

/** The events of one service between their transaction and the broker. */
export class Outbox {
  #contract: Contract
  #next: string
  #insert: string
  #read: string
  #remove: string

  constructor(contract: Contract) {
    this.#contract = contract
    const outbox = `\`${contract.name}_outbox\``
    this.#next =
      `INSERT INTO \`${contract.name}_sequences\` (resource_id, seq) VALUES (?, ?) ` +
      'ON DUPLICATE KEY UPDATE seq = LAST_INSERT_ID(seq + ?)'
    this.#insert =
      `INSERT INTO ${outbox} (event_id, event_type, domain, customer_id, resource_type, resource_id, ` +
      'resource_seq, request_id, payload, tm_create) VALUES ?'
    this.#read = `SELECT id, event_id, event_type, domain, CAST(payload AS CHAR) AS payload FROM ${outbox} ORDER BY id LIMIT ?`
    this.#remove = `DELETE FROM ${outbox} WHERE id IN (?)`
  }

  /** Throws when the contract does not declare the event, or when nobody could say whose it is. */
  prepare(event_type: string, data: unknown, caller: Caller, now: Date): PendingEvent {
    const row = Object.hasOwn(this.#contract.emits, event_type) ? this.#contract.emits[event_type as never] : undefined
    if (!row) throw new Error(`${this.#contract.name} does not declare the event ${event_type}`)
    const { domain, resource, internal, project } = row as EventRow
    const fields = data as Record<string, unknown>
    const resource_id = text(fields.id) ?? text(fields[`${resource}_id`])
    if (!resource_id) throw new Error(`event ${event_type} has neither id nor ${resource}_id`)
    return {
      event_id: uuid7(),
      event_type,
      domain,
      customer_id: text(fields.customer_id) ?? caller.customer_id,
      resource_type: resource,
      resource_id,
      // Customers see no internal event: one that took a number of its resource would look like one that was lost.
      counter: internal ? `~${resource_id}` : resource_id,
      request_id: caller.request_id,
      timestamp: now.toISOString(),
      data: JSON.stringify(project ? project(data as never) : data),
    }
  }

  /**
   * Numbers the events and writes them, last in the transaction, so that their resources stay locked for a short time only. That lock makes
   * rows of one resource commit in the order of their ids.
   */
  async write(db: Db, events: readonly PendingEvent[]): Promise<void> {
    const counts = new Map<string, number>()
    for (const { counter, resource_id } of events) {
      counts.set(counter, (counts.get(counter) ?? 0) + 1)
      // Internal or not, events of one resource wait for each other: the row is locked even when nothing is counted there.
      counts.set(resource_id, counts.get(resource_id) ?? 0)
    }
    const next = new Map<string, number>()
    // Always in the same order, or two transactions over the same resources would wait for each other.
    for (const [counter, count] of [...counts].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const { affectedRows, insertId } = await run(db, this.#next, [counter, count, count])
      next.set(counter, (affectedRows === 1 ? count : insertId) - count + 1)
    }
    const tm_create = dbTime(Date.now())
    const rows = events.map(event => {
      const seq = next.get(event.counter) ?? 1
      next.set(event.counter, seq + 1)
      const { event_id, event_type, domain, customer_id, resource_type, resource_id, request_id } = event
      return [event_id, event_type, domain, customer_id, resource_type, resource_id, seq, request_id, envelope(event, seq), tm_create]
    })
    await run(db, this.#insert, [rows])
  }

  /** The oldest rows, in the order they must leave. */
  read(db: Db, limit: number): Promise<OutboxRow[]> {
    return select<OutboxRow>(db, this.#read, [limit])
  }

  async remove(db: Db, ids: readonly number[]): Promise<void> {
    await run(db, this.#remove, [ids])
  }
}

function envelope(event: PendingEvent, resource_seq: number): string {
  const { event_id, event_type, timestamp, customer_id, resource_type, resource_id, request_id, data } = event
  const head = JSON.stringify({ event_id, event_type, timestamp, customer_id, resource_type, resource_id, resource_seq, request_id })
  return `${head.slice(0, -1)},"data":${data}}`
}
