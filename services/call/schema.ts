import type { Action, ActionResult, Address, Call, DialRoute, Groupcall, Recording } from '@voipbin/generated/schemas'
import { owned, ownedIndexes, repo, utc } from '@voipbin/kernel'
import { boolean, index, int, json, mysqlTable, uniqueIndex, varchar } from 'drizzle-orm/mysql-core'
import type { RunPlan } from './runs.ts'

const uuid = () => varchar({ length: 36 })
const owner = { owner_type: varchar({ length: 16 }).$type<Call['owner_type']>().notNull(), owner_id: uuid().notNull() }

export const callTable = mysqlTable(
  'call_calls',
  {
    ...owned,
    ...owner,
    type: varchar({ length: 16 }).$type<Call['type']>().notNull(),
    direction: varchar({ length: 16 }).$type<Call['direction']>().notNull(),
    status: varchar({ length: 16 }).$type<Call['status']>().notNull(),
    flow_id: uuid(),
    activeflow_id: uuid(),
    groupcall_id: uuid(),
    master_call_id: uuid(),
    chained_call_ids: json().$type<string[]>().notNull(),
    source: json().$type<Address>().notNull(),
    destination: json().$type<Address>().notNull(),
    /** Targets once more, to filter by. Not part of the contract. */
    source_target: varchar({ length: 255 }).notNull(),
    destination_target: varchar({ length: 255 }).notNull(),
    hold: boolean().notNull().default(false),
    mute_direction: varchar({ length: 8 }).$type<NonNullable<Call['mute_direction']>>(),
    recording_id: uuid(),
    recording_ids: json().$type<string[]>().notNull(),
    dial_timeout: int().notNull(),
    max_duration: int().notNull(),
    duration: int(),
    hangup_by: varchar({ length: 8 }).$type<NonNullable<Call['hangup_by']>>(),
    hangup_cause: varchar({ length: 32 }).$type<NonNullable<Call['hangup_cause']>>(),
    hangup_sip_code: int(),
    asterisk_id: varchar({ length: 64 }),
    channel_id: varchar({ length: 64 }),
    bridge_id: varchar({ length: 64 }),
    sip_call_id: varchar({ length: 255 }),
    provider_id: uuid(),
    dialroutes: json().$type<DialRoute[]>().notNull(),
    dialroute_index: int().notNull().default(0),
    /** Where a call goes that needs no carrier: `sip:…`. Not part of the contract. */
    dial_uri: varchar({ length: 512 }).notNull().default(''),
    /** How many numbers of the platform the call has been led to, this one included; 0 when it has not. Not part of the contract. */
    hops: int().notNull().default(0),
    /** Digits pressed since the last action that collected them; at most 64. Not part of the contract. */
    digits: varchar({ length: 64 }).notNull().default(''),
    tm_ringing: utc(),
    tm_answer: utc(),
    tm_hangup: utc(),
  },
  t => [
    ...ownedIndexes('call_calls', t),
    uniqueIndex('call_calls_channel').on(t.channel_id),
    index('call_calls_source').on(t.customer_id, t.source_target),
    index('call_calls_destination').on(t.customer_id, t.destination_target),
    index('call_calls_activeflow').on(t.activeflow_id),
    index('call_calls_groupcall').on(t.groupcall_id),
    index('call_calls_master').on(t.master_call_id),
    index('call_calls_asterisk').on(t.asterisk_id, t.status),
  ],
)
/** One destination with everything its call needs. */
export interface Leg {
  /** Id of the call to be, when somebody has to know it before. */
  id?: string
  activeflow_id?: string | null
  destination: Address
  dial_uri: string
  dialroutes: DialRoute[]
  /** As the call's. */
  hops?: number
  owner: { owner_type: Call['owner_type']; owner_id: string }
}
export type CallRow = typeof callTable.$inferSelect
export const calls = repo(callTable, { resource: 'call', ttl_s: 300 })

export const groupcallTable = mysqlTable(
  'call_groupcalls',
  {
    ...owned,
    ...owner,
    status: varchar({ length: 16 }).$type<Groupcall['status']>().notNull(),
    ring_method: varchar({ length: 16 }).$type<Groupcall['ring_method']>().notNull(),
    source: json().$type<Address>().notNull(),
    destination: json().$type<Address>(),
    master_call_id: uuid(),
    answer_call_id: uuid(),
    call_ids: json().$type<string[]>().notNull(),
    /** Destinations of `linear` that have not been rung yet. Not part of the contract. */
    pending: json().$type<Leg[]>().notNull(),
    dial_timeout: int().notNull(),
    relay_reason: boolean().notNull().default(false),
    /** What runs on the calls of `pending`. Not part of the contract. */
    plan: json().$type<RunPlan>(),
    /** The action `connect` of a flow that waits for the outcome. Not part of the contract. */
    action_run_id: uuid(),
  },
  t => [
    ...ownedIndexes('call_groupcalls', t),
    index('call_groupcalls_master').on(t.master_call_id),
    index('call_groupcalls_action').on(t.action_run_id),
  ],
)
export type GroupcallRow = typeof groupcallTable.$inferSelect
export const groupcalls = repo(groupcallTable, { resource: 'groupcall', ttl_s: 300 })

export const recordingTable = mysqlTable(
  'call_recordings',
  {
    ...owned,
    ...owner,
    reference_type: varchar({ length: 16 }).$type<Recording['reference_type']>().notNull(),
    reference_id: uuid().notNull(),
    call_id: uuid(),
    activeflow_id: uuid(),
    status: varchar({ length: 16 }).$type<Recording['status']>().notNull(),
    format: varchar({ length: 8 }).$type<Recording['format']>().notNull(),
    duration: int(),
    filesize: int(),
    file_id: uuid(),
    asterisk_id: varchar({ length: 64 }),
    recording_name: varchar({ length: 128 }).notNull(),
    end_of_key: varchar({ length: 4 }).notNull().default('none'),
    tm_start: utc(),
    tm_end: utc(),
  },
  t => [
    ...ownedIndexes('call_recordings', t),
    index('call_recordings_name').on(t.recording_name),
    index('call_recordings_file').on(t.file_id),
  ],
)
export type RecordingRow = typeof recordingTable.$inferSelect
export const recordings = repo(recordingTable, { resource: 'recording', ttl_s: 300 })

/** One execution of a flow's media action. `id` is the action_run_id, so that a repeated request finds it. */
export const actionTable = mysqlTable(
  'call_actions',
  {
    ...owned,
    call_id: uuid().notNull(),
    activeflow_id: uuid().notNull(),
    action: json().$type<Action>().notNull(),
    status: varchar({ length: 16 }).$type<'running' | 'finished'>().notNull(),
    result: json().$type<ActionResult>(),
  },
  t => [...ownedIndexes('call_actions', t), index('call_actions_call').on(t.call_id, t.status)],
)
export type ActionRow = typeof actionTable.$inferSelect
export const actions = repo(actionTable, { resource: 'call_action', ttl_s: 0, audit: false })

/** The Asterisks that have reported themselves, for placing new calls. Rows of the platform, no customer's. */
export const asteriskTable = mysqlTable('call_asterisks', {
  id: varchar({ length: 64 }).primaryKey(),
  boot_id: varchar({ length: 64 }).notNull(),
  connected: boolean().notNull(),
  tm_update: utc().notNull(),
})
