import type { Calls } from '@voipbin/generated/rpc/calls'
import type { FlowEvents } from '@voipbin/generated/rpc/flow'
import type { ActionResult, ActiveflowEndReason, ActiveflowReferenceType, WebhookMethod } from '@voipbin/generated/schemas'
import { type Context, recordAudit, stamp, type Tx } from '@voipbin/kernel'
import { eq } from 'drizzle-orm'
import { executorOf, type StoredAction, variablesOf } from './actions.ts'
import { advance, finished, isAction } from './engine.ts'
import { type ActiveflowRow, activeflows, scriptTable } from './schema.ts'
import type { Variables } from './variables.ts'

export type Ctx = Context<Calls, FlowEvents>
export type FlowTx = Tx<FlowEvents>

/**
 * What must happen outside the database once a step has committed. It is part of the step's recorded result, so a process that dies in between
 * carries it out when the message comes again; the other side knows repeated ones by `action_run_id`.
 */
export type Effect =
  | { type: 'media'; id: string; call_id: string; action_run_id: string; action: StoredAction }
  | { type: 'webhook'; id: string; action_run_id: string; action: StoredAction }
  | { type: 'hangup'; call_id: string }

export interface NewRun {
  flow_id: string | null
  /** Null: it does nothing and ends with its call. */
  actions: StoredAction[] | null
  reference_type: ActiveflowReferenceType
  reference_id: string | null
  awaits_answer: boolean
  variables: Record<string, string>
  webhook_uri: string | null
  webhook_method: WebhookMethod
}

/** The timer of a run: it has at most one at a time. */
const timerKey = (id: string): string => `run:${id}`

/**
 * Makes a run and takes its first step, unless it waits for the answer of its call. What that step has to carry out begins as soon as this has committed.
 */
export async function insertRun(tx: FlowTx, { actions, ...run }: NewRun): Promise<ActiveflowRow> {
  const id = tx.newId()
  const own = {
    'voipbin.activeflow.id': id,
    'voipbin.activeflow.reference_type': run.reference_type,
    'voipbin.activeflow.reference_id': run.reference_id ?? '',
    'voipbin.activeflow.flow_id': run.flow_id ?? '',
  }
  const row = await activeflows.insert(tx, {
    ...run,
    id,
    call_id: run.reference_type === 'call' ? run.reference_id : null,
    variables: { ...run.variables, ...own },
    status: 'running',
    executed_actions: [],
    loops: {},
  })
  if (actions) await tx.db.insert(scriptTable).values({ activeflow_id: id, actions })
  await tx.emit('activeflow.created', row)
  await recordAudit(tx, { action: 'create', resource_type: 'activeflow', resource_id: id, new: { ...run, actions } })
  if (actions && !run.awaits_answer) {
    const effect = await step(tx, row, { from: null, actions })
    if (effect) await setEffectTimer(tx, effect, { at: tx.now(), attempt: 0 })
  }
  return row
}

/** Locks a live run of the transaction's customer. */
export async function lockRun(tx: FlowTx, id: string): Promise<ActiveflowRow | undefined> {
  const [row] = await activeflows.system.find(tx, { id, customer_id: tx.customer_id }, { limit: 1, forUpdate: true })
  return row
}

/** Starts a run that has waited for the answer of its call. */
export async function begin(tx: FlowTx, id: string): Promise<Effect | undefined> {
  const row = await lockRun(tx, id)
  if (!row?.awaits_answer || row.status === 'ended') return undefined
  return step(tx, row, { from: null })
}

/** Writes the outcome of an action under way and goes on. An outcome nobody waits for (any more) changes nothing. */
export async function settle(
  tx: FlowTx,
  id: string,
  done: { action_run_id: string; result: ActionResult; variables?: Variables; call_over?: boolean },
): Promise<Effect | undefined> {
  const row = await lockRun(tx, id)
  if (!row || row.status === 'ended' || row.current_action_run_id !== done.action_run_id || !row.current_action?.id) return undefined
  const { id: from, type } = row.current_action
  const settled: ActiveflowRow = {
    ...row,
    executed_actions: finished(row.executed_actions, done.result, stamp(tx.now())),
    variables: { ...row.variables, ...variablesOf(type, done.result), ...done.variables },
  }
  return done.call_over ? (await end(tx, settled, 'hung_up')).effect : step(tx, settled, { from })
}

const scriptOf = async (tx: FlowTx, activeflow_id: string): Promise<StoredAction[]> => {
  const [script] = await tx.db.select().from(scriptTable).where(eq(scriptTable.activeflow_id, activeflow_id)).limit(1)
  return script?.actions ?? []
}

async function step(
  tx: FlowTx,
  row: ActiveflowRow,
  { from, actions }: { from: string | null; actions?: StoredAction[] },
): Promise<Effect | undefined> {
  const { next, ...moved } = advance(actions ?? (await scriptOf(tx, row.id)), from, row, { stamp: () => stamp(tx.now()) })
  if ('end' in next) return (await end(tx, { ...row, ...moved }, next.end)).effect
  const { action } = next
  const action_run_id = tx.newId()
  const current = { ...moved, variables: row.variables, awaits_answer: false, current_action: action, current_action_run_id: action_run_id }
  await tx.emit('activeflow.updated', await activeflows.update(tx, row, current))
  if (action.type === 'sleep') {
    const at = new Date(tx.now().getTime() + action.option.duration)
    await tx.setTimer('wake', { key: timerKey(row.id), at, payload: { id: row.id, action_run_id } })
    return undefined
  }
  if (executorOf[action.type] === 'call' && row.call_id) return { type: 'media', id: row.id, call_id: row.call_id, action_run_id, action }
  // Somebody else's server may take its time: a timer, so that no other event of this call waits behind it.
  await setEffectTimer(tx, { type: 'webhook', id: row.id, action_run_id, action }, { at: tx.now(), attempt: 0 })
  return undefined
}

export interface Ended {
  row: ActiveflowRow
  effect: Effect | undefined
}

/** The one place where a run ends. A call it runs on is hung up, unless that is why it ends. */
export async function end(tx: FlowTx, row: ActiveflowRow, reason: ActiveflowEndReason): Promise<Ended> {
  const now = stamp(tx.now())
  const { loops, executed_count, variables } = row
  const hangingUp = reason === 'hung_up' && isAction(row.current_action, 'hangup')
  const executed_actions = finished(row.executed_actions, { outcome: hangingUp ? 'ok' : 'canceled' }, now)
  const ended = await activeflows.update(tx, row, {
    status: 'ended',
    // The action that hangs up is overtaken by its own effect: the run came to its end all the same.
    end_reason: hangingUp ? 'completed' : reason,
    awaits_answer: false,
    current_action: null,
    current_action_run_id: null,
    tm_end: now,
    loops,
    executed_count,
    executed_actions,
    variables,
  })
  await tx.cancelTimer(timerKey(row.id))
  await tx.emit('activeflow.ended', ended)
  const effect: Effect | undefined = row.call_id && reason !== 'hung_up' ? { type: 'hangup', call_id: row.call_id } : undefined
  return { row: ended, effect }
}

/** Has an effect carried out later. */
export async function setEffectTimer(tx: FlowTx, effect: Effect, { at, attempt }: { at: Date; attempt: number }): Promise<void> {
  const key = effect.type === 'hangup' ? `hangup:${effect.call_id}` : timerKey(effect.id)
  await tx.setTimer('carry_out', { key, at, payload: { effect, attempt } })
}
