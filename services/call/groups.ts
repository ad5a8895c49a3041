import type { Address, Groupcall } from '@voipbin/generated/schemas'
import type { Effect } from './effects.ts'
import { insertLeg } from './legs.ts'
import { type CallTx, finishAction, hangup, lockCall } from './lifecycle.ts'
import { costs, isLive, withHops } from './rules.ts'
import type { RunPlan } from './runs.ts'
import { actions, type CallRow, calls, type GroupcallRow, groupcalls, type Leg } from './schema.ts'

export interface GroupOptions {
  legs: readonly Leg[]
  ring_method: Groupcall['ring_method']
  source: Address
  destination: Address | null
  owner: Leg['owner']
  dial_timeout: number
  max_duration: number
  master?: CallRow
  action_run_id?: string
  relay_reason?: boolean
  flow_id?: string | null
  plan?: RunPlan | null
  /** The caller's row names the legs already. */
  is_chained?: boolean
}

/** Rings several legs of which the first that answers stays. `linear` rings one after another. */
export async function insertGroup(tx: CallTx, options: GroupOptions): Promise<{ group: GroupcallRow; legs: CallRow[]; effects: Effect[] }> {
  const { ring_method, master, source, destination, owner, dial_timeout } = options
  const legs = withHops(options.legs, master?.hops ?? 0)
  const id = tx.newId()
  const first = ring_method === 'linear' ? legs.slice(0, 1) : legs
  const rows: CallRow[] = []
  for (const leg of first) rows.push(await insertLeg(tx, leg, legOptions({ ...options, groupcall_id: id })))
  const group = await groupcalls.insert(tx, {
    id,
    ...owner,
    status: 'dialing',
    ring_method,
    source,
    destination,
    master_call_id: master?.id ?? null,
    call_ids: rows.map(row => row.id),
    pending: legs.slice(first.length),
    dial_timeout,
    relay_reason: options.relay_reason ?? false,
    action_run_id: options.action_run_id ?? null,
    plan: options.plan ?? null,
  })
  await tx.emit('groupcall.created', group)
  if (master && !options.is_chained) await chain(tx, master.id, rows)
  return { group, legs: rows, effects: rows.map(row => ({ type: 'dial', call_id: row.id, reserves: costs(row) })) }
}

const legOptions = ({
  source,
  dial_timeout,
  max_duration,
  master,
  groupcall_id,
  flow_id,
}: Pick<GroupOptions, 'source' | 'dial_timeout' | 'max_duration' | 'master' | 'flow_id'> & { groupcall_id: string }) => ({
  type: master ? ('connect' as const) : ('flow' as const),
  source,
  dial_timeout,
  max_duration,
  groupcall_id,
  flow_id: flow_id ?? null,
  master_call_id: master?.id ?? null,
  asterisk_id: master?.asterisk_id ?? null,
})

async function chain(tx: CallTx, master_call_id: string, legs: readonly CallRow[]): Promise<void> {
  const master = await lockCall(tx, master_call_id)
  if (master) await calls.system.update(tx, master, { chained_call_ids: [...master.chained_call_ids, ...legs.map(leg => leg.id)] })
}

const lockGroup = async (tx: CallTx, id: string): Promise<GroupcallRow | undefined> =>
  (await groupcalls.system.find(tx, { id }, { limit: 1, forUpdate: true }))[0]

/** A leg answered: it wins, or it was too late. */
export async function groupAnswered(tx: CallTx, leg: CallRow): Promise<Effect[]> {
  const group = leg.groupcall_id ? await lockGroup(tx, leg.groupcall_id) : undefined
  if (!group) return []
  if (group.status !== 'dialing') return (await hangup(tx, leg, 'originator_cancel')).effects
  const won = await groupcalls.system.update(tx, group, { status: 'answered', answer_call_id: leg.id, pending: [] })
  await tx.emit('groupcall.answered', won)
  const others = won.call_ids.filter(id => id !== leg.id)
  const effects: Effect[] = others.map(call_id => ({ type: 'end', call_id, cause: 'originator_cancel' }))
  return won.master_call_id ? [{ type: 'bridge', groupcall_id: won.id, call_id: leg.id }, ...effects] : effects
}

/** A leg ended: the next of a linear group, or the end of the group when it was the one that counted. */
export async function groupLegEnded(tx: CallTx, leg: CallRow): Promise<Effect[]> {
  const group = leg.groupcall_id ? await lockGroup(tx, leg.groupcall_id) : undefined
  if (!group || group.status === 'completed') return []
  if (group.status === 'answered' && group.answer_call_id !== leg.id) return []
  const master = group.master_call_id ? await lockCall(tx, group.master_call_id) : undefined
  if (group.status === 'dialing') {
    const [next, ...pending] = group.pending
    const going = !group.master_call_id || (master && isLive(master.status))
    if (next && going) return dialNext(tx, { group, next, pending, leg, master })
    const legs = await calls.system.find(tx, { groupcall_id: group.id })
    if (legs.some(other => other.id !== leg.id && isLive(other.status))) return []
  }
  const over = await groupcalls.system.update(tx, group, { status: 'completed' })
  await tx.emit('groupcall.hungup', over)
  return connectEnded(tx, { group, leg, master })
}

async function dialNext(
  tx: CallTx,
  step: { group: GroupcallRow; next: Leg; pending: Leg[]; leg: CallRow; master: CallRow | undefined },
): Promise<Effect[]> {
  const { group, next, pending, leg, master } = step
  const options = {
    source: group.source,
    dial_timeout: group.dial_timeout,
    max_duration: leg.max_duration,
    groupcall_id: group.id,
    flow_id: leg.flow_id,
  }
  const row = await insertLeg(tx, next, legOptions({ ...options, ...(master && { master }) }))
  await groupcalls.system.update(tx, group, { pending, call_ids: [...group.call_ids, row.id] })
  if (master) await chain(tx, master.id, [row])
  const begin: Effect[] = group.plan ? [{ type: 'begin', call_id: row.id, plan: group.plan }] : []
  return [...begin, { type: 'dial', call_id: row.id, reserves: costs(row) }]
}

/**
 * The caller and its destination are apart. In a flow's `connect` the caller stays for the next action, unless it is to share the destination's fate; a phone
 * that called a phone has nothing else to do.
 */
async function connectEnded(tx: CallTx, end: { group: GroupcallRow; leg: CallRow; master: CallRow | undefined }): Promise<Effect[]> {
  const { group, leg, master } = end
  const isAnswered = group.answer_call_id !== null
  const hangup_cause = leg.hangup_cause ?? 'failed'
  const effects: Effect[] = isAnswered ? [{ type: 'clear_bridge', groupcall_id: group.id, call_id: leg.id }] : []
  // Before the flow hears of it: its next action may hang up with another cause.
  if (master && !isAnswered && group.relay_reason) effects.push(...(await hangup(tx, master, hangup_cause)).effects)
  const left = master?.bridge_id === group.id ? await calls.system.update(tx, master, { bridge_id: null }) : master
  if (left && isAnswered && !group.action_run_id) effects.push(...(await hangup(tx, left, 'normal_clearing')).effects)
  const action = group.action_run_id ? await actions.system.get({ db: tx.db }, group.action_run_id) : null
  if (!action) return effects
  const outcome = isAnswered
    ? ({ outcome: 'ok', connected_call_id: group.answer_call_id ?? leg.id } as const)
    : ({ outcome: 'failed' } as const)
  await finishAction(tx, action, { ...outcome, hangup_cause })
  return effects
}
