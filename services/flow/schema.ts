import type { Action, Activeflow, ExecutedAction } from '@voipbin/generated/schemas'
import { owned, ownedIndexes, repo, systemTables, utc } from '@voipbin/kernel'
import { boolean, index, int, json, mysqlTable, text, uniqueIndex, varchar } from 'drizzle-orm/mysql-core'
import type { StoredAction } from './actions.ts'

export const { outbox, inbox, sequences, timers } = systemTables('flow')

const uuid = () => varchar({ length: 36 })

export const flowTable = mysqlTable(
  'flow_flows',
  {
    ...owned,
    name: varchar({ length: 255 }).notNull(),
    detail: varchar({ length: 1000 }).notNull(),
    actions: json().$type<StoredAction[]>().notNull(),
  },
  t => [...ownedIndexes('flow_flows', t), index('flow_flows_name').on(t.customer_id, t.name)],
)
export const flows = repo(flowTable, { resource: 'flow', ttl_s: 3_600, onCustomerDeleted: 'flow.deleted' })

export const activeflowTable = mysqlTable(
  'flow_activeflows',
  {
    ...owned,
    flow_id: uuid(),
    status: varchar({ length: 16 }).$type<Activeflow['status']>().notNull(),
    end_reason: varchar({ length: 16 }).$type<NonNullable<Activeflow['end_reason']>>(),
    reference_type: varchar({ length: 16 }).$type<Activeflow['reference_type']>().notNull(),
    reference_id: uuid(),
    call_id: uuid(),
    webhook_uri: text(),
    webhook_method: varchar({ length: 8 }).$type<Activeflow['webhook_method']>().notNull(),
    current_action: json().$type<Action>(),
    current_action_run_id: uuid(),
    executed_actions: json().$type<ExecutedAction[]>().notNull(),
    tm_end: utc(),
    /** Nothing runs before the call is answered. Not part of the contract, as all that follows. */
    awaits_answer: boolean().notNull().default(false),
    variables: json().$type<Record<string, string>>().notNull(),
    /** How often each `goto` has jumped, by action id. */
    loops: json().$type<Record<string, number>>().notNull(),
    executed_count: int().notNull().default(0),
  },
  t => [
    ...ownedIndexes('flow_activeflows', t),
    // A call has one run, however often it is asked for. Runs by request have no reference.
    uniqueIndex('flow_activeflows_reference').on(t.reference_type, t.reference_id),
    index('flow_activeflows_flow').on(t.flow_id),
    index('flow_activeflows_status').on(t.customer_id, t.status),
  ],
)
export type ActiveflowRow = typeof activeflowTable.$inferSelect
// The row is written at every step and is its own record: what a person does to a run is put into the audit by the handlers.
export const activeflows = repo(activeflowTable, { resource: 'activeflow', ttl_s: 0, audit: false })

/** The actions a run started with, apart from its row: they never change, and lists need not read them. */
export const scriptTable = mysqlTable('flow_scripts', {
  activeflow_id: uuid().primaryKey(),
  actions: json().$type<StoredAction[]>().notNull(),
})
