import type { AvailableNumber, Number as PhoneNumber } from '@voipbin/generated/schemas'
import { owned, ownedIndexes, repo, utc } from '@voipbin/kernel'
import { index, json, mysqlTable, unique, varchar } from 'drizzle-orm/mysql-core'

export const numberTable = mysqlTable(
  'number_numbers',
  {
    ...owned,
    number: varchar({ length: 16 }).notNull(),
    type: varchar({ length: 16 }).$type<PhoneNumber['type']>().notNull(),
    call_flow_id: varchar({ length: 36 }),
    message_flow_id: varchar({ length: 36 }),
    name: varchar({ length: 255 }).notNull(),
    detail: varchar({ length: 1000 }).notNull(),
    status: varchar({ length: 16 }).$type<PhoneNumber['status']>().notNull(),
    /** How it lay in the stock, for when it returns there. Not part of the contract. */
    stock: json().$type<Pick<AvailableNumber, 'country' | 'region' | 'features'>>(),
    tm_purchase: utc().notNull(),
  },
  t => [
    ...ownedIndexes('number_numbers', t),
    // Two customers cannot have the same number; those who had it before may.
    unique('number_numbers_number').on(t.number, t.tm_delete),
    index('number_numbers_flow').on(t.call_flow_id),
    index('number_numbers_message_flow').on(t.message_flow_id),
  ],
)
export type NumberRow = typeof numberTable.$inferSelect
export const numbers = repo(numberTable, { resource: 'number', ttl_s: 300 })

/** Normal numbers the operator's carriers deliver and nobody has taken. Rows of the platform, no customer's. */
export const stockTable = mysqlTable(
  'number_stock',
  {
    number: varchar({ length: 16 }).primaryKey(),
    country: varchar({ length: 2 }).notNull(),
    region: varchar({ length: 255 }).notNull(),
    features: json().$type<AvailableNumber['features']>().notNull(),
    /** Id of the number it becomes once it is paid for. Until then nobody else gets it. */
    held_for: varchar({ length: 36 }),
  },
  t => [index('number_stock_country').on(t.country, t.number)],
)
export type StockRow = typeof stockTable.$inferSelect
