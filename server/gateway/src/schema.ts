import { utc } from '@voipbin/kernel'
import { index, mediumtext, mysqlTable, primaryKey, smallint, varchar } from 'drizzle-orm/mysql-core'

/** One row per `Idempotency-Key` of a customer and operation. Neither the key nor the answer stands there in plain text. */
export const idempotency = mysqlTable(
  'gateway_idempotency',
  {
    customer_id: varchar({ length: 36 }).notNull(),
    operation: varchar({ length: 64 }).notNull(),
    /** SHA-256 of the key. */
    key_hash: varchar({ length: 64 }).notNull(),
    /** SHA-256 of path, query and body. */
    request_hash: varchar({ length: 64 }).notNull(),
    /** Sent with the RPC, again and again until an answer is stored: the service does the work once. */
    message_id: varchar({ length: 36 }).notNull(),
    /** HTTP code of the stored answer; null while the request runs. */
    status: smallint(),
    /** The answer, encrypted: it may hold a secret that is shown once. */
    answer: mediumtext(),
    /** The gateway that runs it. */
    instance: varchar({ length: 64 }).notNull(),
    /** Until when that gateway is taken to be alive; it moves this forward while the request runs. */
    tm_lease: utc().notNull(),
    tm_expire: utc().notNull(),
  },
  t => [
    primaryKey({ name: 'gateway_idempotency_pk', columns: [t.customer_id, t.operation, t.key_hash] }),
    index('gateway_idempotency_expire').on(t.tm_expire),
  ],
)
