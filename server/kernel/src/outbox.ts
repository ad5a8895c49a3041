import type { Caller, Db } from './context.ts'
import type { Contract, EventRow } from './contract.ts'
import { uuid7 } from './id.ts'
import { dbTime, run, select } from './statements.ts'
import type { StateMessage } from './zmq.ts'

/** An event that is complete but for its number. */
export interface PendingEvent {
  event_id: string
  event_type: string
  domain: string
  customer_id: string
  resource_type: string
  resource_id: string
  internal: boolean
  request_id: string
  timestamp: string
  /** JSON, taken when the event was emitted: what happens to the object afterwards is not part of it. */
  data: string
  /** What goes out by the fast path besides. */
  state: StateMessage | undefined
}

/** One row that waits to leave. */
export interface OutboxRow {
  id: number
  event_id: string
  event_type: string
  domain: string
  payload: string
}

/** A row as its transaction wrote it. */
export interface WrittenRow extends OutboxRow {
  resource_id: string
  /** Counts all events of the resource, internal ones too, from 1. */
  position: number
}

/**
 * One number per resource holds both counts: public events in the lower 31 bits, internal ones above, so that one statement locks and
 * counts. Customers see no internal event: one that took a public number would look like one that was lost.
 */
const internalUnit = 2 ** 31

const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined)

/** The events of one service between their transaction and the broker. */
export class Outbox {
  #contract: Contract
  #next: string
  #insert: string
  #read: string
  #step: string
  #remove: string

  constructor(contract: Contract) {
    this.#contract = contract
    const outbox = `\`${contract.name}_outbox\``
    this.#next =
      `INSERT INTO \`${contract.name}_sequences\` (resource_id, seq) VALUES (?, ?) ` +
      'ON DUPLICATE KEY UPDATE seq = LAST_INSERT_ID(seq + ?)'
    this.#step = 'SELECT @@auto_increment_increment AS step'
    this.#insert =
      `INSERT INTO ${outbox} (event_id, event_type, domain, customer_id, resource_type, resource_id, ` +
      'resource_seq, request_id, payload, tm_create) VALUES ?'
    this.#read = `SELECT id, event_id, event_type, domain, CAST(payload AS CHAR) AS payload FROM ${outbox} ORDER BY id LIMIT ?`
    this.#remove = `DELETE FROM ${outbox} WHERE id IN (?) AND event_id IN (?)`
  }

  /** Throws when the contract does not declare the event, or when nobody could say whose it is. */
  prepare(event_type: string, data: unknown, caller: Caller, now: Date): PendingEvent {
    const row = Object.hasOwn(this.#contract.emits, event_type) ? this.#contract.emits[event_type as never] : undefined
    if (!row) throw new Error(`${this.#contract.name} does not declare the event ${event_type}`)
    const { domain, resource, internal, project, state } = row as EventRow
    const fields = data as Record<string, unknown>
    const resource_id = text(fields.id) ?? text(fields[`${resource}_id`])
    if (!resource_id) throw new Error(`event ${event_type} has neither id nor ${resource}_id`)
    const customer_id = text(fields.customer_id) ?? caller.customer_id
    const timestamp = now.toISOString()
    return {
      event_id: uuid7(),
      event_type,
      domain,
      customer_id,
      resource_type: resource,
      resource_id,
      internal,
      request_id: caller.request_id,
      timestamp,
      data: JSON.stringify(project ? project(data as never) : data),
      state: state && {
        type: state.type,
        data: {
          customer_id,
          [`${resource}_id`]: resource_id,
          ...Object.fromEntries(state.fields.map(name => [name, fields[name]])),
          timestamp,
        },
      },
    }
  }

  /**
   * Numbers the events and writes them, last in the transaction, so that their resources stay locked for a short time only. That lock makes
   * rows of one resource commit in the order of their ids.
   */
  async write(db: Db, events: readonly PendingEvent[]): Promise<WrittenRow[]> {
    const counts = new Map<string, { open: number; internal: number }>()
    for (const { resource_id, internal } of events) {
      const count = counts.get(resource_id) ?? { open: 0, internal: 0 }
      if (internal) count.internal++
      else count.open++
      counts.set(resource_id, count)
    }
    // Always in the same order, or two transactions over the same resources would wait for each other.
    for (const [resource_id, count] of [...counts].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const add = count.open + count.internal * internalUnit
      const { affectedRows, insertId } = await run(db, this.#next, [resource_id, add, add])
      const total = affectedRows === 1 ? add : insertId
      counts.set(resource_id, {
        open: (total % internalUnit) - count.open,
        internal: Math.floor(total / internalUnit) - count.internal,
      })
    }
    const tm_create = dbTime(Date.now())
    const written = events.map(event => {
      const last = counts.get(event.resource_id) ?? { open: 0, internal: 0 }
      const seq = event.internal ? ++last.internal : ++last.open
      const { event_id, event_type, domain, resource_id } = event
      return { id: 0, event_id, event_type, domain, payload: envelope(event, seq), resource_id, position: last.open + last.internal, seq }
    })
    const rows = events.map(({ event_id, event_type, domain, customer_id, resource_type, resource_id, request_id }, i) => {
      const { seq = 0, payload = '' } = written[i] ?? {}
      return [event_id, event_type, domain, customer_id, resource_type, resource_id, seq, request_id, payload, tm_create]
    })
    const { insertId } = await run(db, this.#insert, [rows])
    // Rows of one statement get ids one step apart; most statements have one row only.
    const step = written.length > 1 ? ((await select<{ step: number }>(db, this.#step, []))[0]?.step ?? 1) : 1
    for (const [i, row] of written.entries()) row.id = insertId + i * step
    return written
  }

  /** The oldest rows, in the order they must leave. */
  read(db: Db, limit: number): Promise<OutboxRow[]> {
    return select<OutboxRow>(db, this.#read, [limit])
  }

  /** Both the id and the event must fit: an id alone may have been worked out, and no other row may ever go. */
  async remove(db: Db, rows: readonly Pick<OutboxRow, 'id' | 'event_id'>[]): Promise<void> {
    await run(db, this.#remove, [rows.map(row => row.id), rows.map(row => row.event_id)])
  }
}

function envelope(event: PendingEvent, resource_seq: number): string {
  const { event_id, event_type, timestamp, customer_id, resource_type, resource_id, request_id, data } = event
  const head = JSON.stringify({ event_id, event_type, timestamp, customer_id, resource_type, resource_id, resource_seq, request_id })
  return `${head.slice(0, -1)},"data":${data}}`
}
