import { bigint, index, int, json, mysqlTable, primaryKey, varchar } from 'drizzle-orm/mysql-core'
import { utc } from './columns.ts'

/** The kernel's own tables of one service: `<service>_outbox`, `_inbox`, `_sequences`, `_timers`. Times are RFC 3339 strings in code (`stamp()`, `date.toISOString()`). */
export function systemTables<S extends string>(service: S) {
  const id = (length = 36) => varchar({ length })

  /** Events that committed and have not left yet, in the order they leave. */
  const outbox = mysqlTable(`${service}_outbox`, {
    id: bigint({ mode: 'number' }).autoincrement().primaryKey(),
    event_id: id().notNull(),
    event_type: id(64).notNull(),
    domain: id(64).notNull(),
    customer_id: id().notNull(),
    resource_type: id(64).notNull(),
    resource_id: id(64).notNull(),
    resource_seq: int().notNull(),
    request_id: id(64).notNull(),
    payload: json().notNull(),
    tm_create: utc().notNull(),
  })

  /** What the n-th transaction of a message answered, so that a redelivered message is answered and not repeated. Cleaned after 24 h. */
  const inbox = mysqlTable(
    `${service}_inbox`,
    { message_id: id(64).notNull(), step: int().notNull(), result: json(), tm_create: utc().notNull() },
    t => [primaryKey({ name: `${service}_inbox_pk`, columns: [t.message_id, t.step] }), index(`${service}_inbox_age`).on(t.tm_create)],
  )

  /** The last event number of each resource. */
  const sequences = mysqlTable(`${service}_sequences`, {
    resource_id: id(64).primaryKey(),
    seq: bigint({ mode: 'number' }).notNull(),
  })

  /** Durable timers. `tm_lease` is set while somebody runs one. */
  const timers = mysqlTable(
    `${service}_timers`,
    {
      id: id().primaryKey(),
      timer_key: id(191).notNull().unique(`${service}_timers_key`),
      name: id(64).notNull(),
      customer_id: id().notNull(),
      payload: json().notNull(),
      caller: json().notNull(),
      tm_due: utc().notNull(),
      tm_lease: utc(),
      attempts: int().notNull().default(0),
    },
    t => [index(`${service}_timers_due`).on(t.tm_due)],
  )

  return { outbox, inbox, sequences, timers }
}
