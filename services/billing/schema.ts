import type { Billing, BillingAccount, CostType } from '@voipbin/generated/schemas'
import { owned, ownedIndexes, repo, utc } from '@voipbin/kernel'
import { bigint, boolean, index, int, mysqlTable, unique, varchar } from 'drizzle-orm/mysql-core'

/** Micro-USD. */
const money = () => bigint({ mode: 'number' })

export const accountTable = mysqlTable(
  'billing_accounts',
  {
    ...owned,
    name: varchar({ length: 255 }).notNull(),
    detail: varchar({ length: 1000 }).notNull(),
    currency: varchar({ length: 3 }).$type<BillingAccount['currency']>().notNull(),
    payment_type: varchar({ length: 16 }).$type<BillingAccount['payment_type']>().notNull(),
    balance: money().notNull(),
    balance_reserved: money().notNull(),
    balance_low_threshold: money().notNull(),
    /** The balance is below the threshold and the customer has been told so. Not part of the contract. */
    is_low: boolean().notNull(),
    /** Something that runs got no more credit, the customer has been told so, and none has been added since. Not part of the contract. */
    is_exhausted: boolean().notNull(),
  },
  t => [...ownedIndexes('billing_accounts', t), unique('billing_accounts_customer').on(t.customer_id)],
)
export type AccountRow = typeof accountTable.$inferSelect
export const accounts = repo(accountTable, { resource: 'billing_account', ttl_s: 300 })

export const billingTable = mysqlTable(
  'billing_billings',
  {
    ...owned,
    billing_account_id: varchar({ length: 36 }).notNull(),
    transaction_type: varchar({ length: 16 }).$type<Billing['transaction_type']>().notNull(),
    status: varchar({ length: 16 }).$type<Billing['status']>().notNull(),
    reference_type: varchar({ length: 32 }).$type<Billing['reference_type']>().notNull(),
    reference_id: varchar({ length: 36 }).notNull(),
    cost_type: varchar({ length: 32 }).$type<CostType>(),
    source: varchar({ length: 255 }).notNull().default(''),
    destination: varchar({ length: 255 }).notNull().default(''),
    usage_duration: int(),
    billable_units: int().notNull().default(0),
    rate_per_unit: money().notNull().default(0),
    /** Seconds of a unit as they were when the reservation was made. Not part of the contract. */
    unit_duration: int().notNull().default(0),
    amount_reserved: money().notNull().default(0),
    amount: money().notNull().default(0),
    balance_after: money(),
    detail: varchar({ length: 1000 }).notNull().default(''),
    tm_billing_start: utc(),
    tm_billing_end: utc(),
  },
  t => [
    ...ownedIndexes('billing_billings', t),
    unique('billing_billings_reference').on(t.reference_type, t.reference_id),
    index('billing_billings_status').on(t.customer_id, t.status),
  ],
)
export type BillingRow = typeof billingTable.$inferSelect
export const billings = repo(billingTable, { resource: 'billing', ttl_s: 300, audit: false })

export const rateTable = mysqlTable(
  'billing_rates',
  {
    ...owned,
    cost_type: varchar({ length: 32 }).$type<CostType>().notNull(),
    prefix: varchar({ length: 16 }).notNull(),
    name: varchar({ length: 255 }).notNull(),
    rate_per_unit: money().notNull(),
    unit_duration: int().notNull(),
  },
  t => [...ownedIndexes('billing_rates', t), unique('billing_rates_prefix').on(t.cost_type, t.prefix, t.tm_delete)],
)
/** Prices are the operator's; they count for everybody. */
export const rates = repo(rateTable, { resource: 'billing_rate', ttl_s: 3_600, public: true })
