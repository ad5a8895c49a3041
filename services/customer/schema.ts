import type { Customer } from '@voipbin/generated/schemas'
import { owned, ownedIndexes, repo, secretText, utc } from '@voipbin/kernel'
import { index, json, mysqlTable, unique, varchar } from 'drizzle-orm/mysql-core'

/** `id` and `customer_id` of a customer are equal, so that it owns itself. */
export const customerTable = mysqlTable(
  'customer_customers',
  {
    ...owned,
    name: varchar({ length: 255 }).notNull(),
    detail: varchar({ length: 1000 }).notNull(),
    email: varchar({ length: 255 }).notNull(),
    /** SHA-256 of the address in small letters: what is unique, whatever the database thinks is equal. */
    email_key: varchar({ length: 64 }).notNull(),
    phone_number: varchar({ length: 32 }).notNull(),
    address: varchar({ length: 1000 }).notNull(),
    status: varchar({ length: 16 }).$type<'active' | 'frozen'>().notNull(),
    webhook_uri: varchar({ length: 2048 }),
    webhook_method: varchar({ length: 8 }).$type<Customer['webhook_method']>().notNull(),
    webhook_secret: secretText().notNull(),
    /** JSON of `OldSecret[]`, the newest first. */
    old_webhook_secrets: secretText(),
    rate_limits: json().$type<Customer['rate_limits']>().notNull(),
  },
  t => [
    ...ownedIndexes('customer_customers', t),
    index('customer_customers_age').on(t.tm_delete, t.tm_create, t.id),
    unique('customer_customers_email').on(t.email_key, t.tm_delete),
  ],
)
export type CustomerRow = typeof customerTable.$inferSelect
export const customers = repo(customerTable, { resource: 'customer', ttl_s: 300, rotated: ['webhook_secret'] })

export const accesskeyTable = mysqlTable(
  'customer_accesskeys',
  {
    ...owned,
    agent_id: varchar({ length: 36 }),
    name: varchar({ length: 255 }).notNull(),
    detail: varchar({ length: 1000 }).notNull(),
    token_prefix: varchar({ length: 11 }).notNull(),
    token_hash: varchar({ length: 64 }).notNull(),
    /** The secret before the last rotation; it works until `tm_overlap_end`. */
    old_token_hash: varchar({ length: 64 }),
    scopes: json().$type<string[]>().notNull(),
    tm_expire: utc(),
    tm_last_used: utc(),
    tm_overlap_end: utc(),
  },
  t => [
    ...ownedIndexes('customer_accesskeys', t),
    unique('customer_accesskeys_hash').on(t.token_hash),
    unique('customer_accesskeys_old_hash').on(t.old_token_hash),
    index('customer_accesskeys_agent').on(t.customer_id, t.agent_id),
  ],
)
export type AccesskeyRow = typeof accesskeyTable.$inferSelect
export const accesskeys = repo(accesskeyTable, { resource: 'accesskey', ttl_s: 300, rotated: ['token_hash'] })
