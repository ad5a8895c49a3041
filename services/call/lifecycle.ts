import type { CallEvents } from '@voipbin/generated/rpc/call'
import type { Calls } from '@voipbin/generated/rpc/calls'
import type { ActionResult } from '@voipbin/generated/schemas'
import { type Context, stamp, type Tx } from '@voipbin/kernel'
import type { Effect } from './effects.ts'
import { groupAnswered, groupLegEnded } from './groups.ts'
import { type CallStatus, canMove, costs, durationOf, type HangupCause, hangupCause, isLive, isWaiting, mayFailOver } from './rules.ts'
import { type ActionRow, actions, type CallRow, calls } from './schema.ts'

export type Ctx = Context<Calls, CallEvents>
export type CallTx = Tx<CallEvents>

/** Seconds after which an asked-for hangup that nobody confirmed is taken as done. */
const hangupGrace_s = 10

/** Seconds the platform waits beyond the dial timeout for Asterisk to give up by itself. */
const dialGrace_s = 3

/** Seconds after a call within which its recordings are reported. */
const recordingGrace_s = 60

const eventOf = {
  initiating: 'call.created',
  ringing: 'call.ringing',
  active: 'call.answered',
  canceling: 'call.updated',
  terminating: 'call.updated',
  completed: 'call.hungup',
} as const satisfies Record<CallStatus, string>

/** The timers that a call may have in its state. `dial_now` finds out by itself that the call is over. */
const timerKeys = ({ id, tm_answer, hangup_by }: CallRow) =>
  [...(tm_answer ? ['max_duration', 'funds', 'digits'] : ['dial']), ...(hangup_by ? ['hangup_check'] : [])].map(name => `${name}:${id}`)

/** The one place where a call changes its state: row and event together. */
async function move(tx: CallTx, row: CallRow, to: CallStatus, patch: Partial<CallRow> = {}): Promise<CallRow> {
  const moved = await calls.system.update(tx, row, { ...patch, status: to })
  await tx.emit(eventOf[to], moved)
  return moved
}

/** Locks a live call for the rest of the transaction. */
export async function lockCall(tx: CallTx, id: string): Promise<CallRow | undefined> {
  const [row] = await calls.system.find(tx, { id }, { limit: 1, forUpdate: true })
  return row
}

export async function ringing(tx: CallTx, row: CallRow): Promise<CallRow> {
  if (!canMove(row.status, 'ringing')) return row
  return move(tx, row, 'ringing', { tm_ringing: stamp(tx.now()) })
}

/** The far end (outgoing) or the platform (incoming) answered. An answered call has always rung. */
export async function answered(tx: CallTx, row: CallRow): Promise<{ row: CallRow; effects: Effect[] }> {
  if (!canMove(row.status, 'active')) return { row, effects: [] }
  const rung = await ringing(tx, row)
  const now = tx.now()
  const active = await move(tx, rung, 'active', { tm_answer: stamp(now) })
  await tx.cancelTimer(`dial:${row.id}`)
  await tx.setTimer('max_duration', { key: `max_duration:${row.id}`, at: after(now, row.max_duration), payload: { call_id: row.id } })
  // At once: the credit may last for less than the minute that was asked for.
  if (isCharged(row)) await tx.setTimer('funds', { key: `funds:${row.id}`, at: now, payload: { call_id: row.id } })
  return { row: active, effects: active.groupcall_id ? await groupAnswered(tx, active) : [] }
}

export const after = (now: Date, seconds: number): Date => new Date(now.getTime() + seconds * 1000)
/** Calls to numbers have a price, and calls that carriers bring. */
const isCharged = (row: CallRow): boolean => (row.direction === 'outgoing' ? costs(row) : row.provider_id !== null)

/** Asks for the end. What the far end is told follows from `cause`; the call is over when its channel is. */
export async function hangup(tx: CallTx, row: CallRow, cause: HangupCause): Promise<{ row: CallRow; effects: Effect[] }> {
  const to = row.status === 'active' ? 'terminating' : 'canceling'
  if (!canMove(row.status, to)) return { row, effects: [] }
  const leaving = await move(tx, row, to, { hangup_by: 'local', hangup_cause: cause })
  await tx.setTimer('hangup_check', { key: `hangup_check:${row.id}`, at: after(tx.now(), hangupGrace_s), payload: { call_id: row.id } })
  return { row: leaving, effects: [{ type: 'hangup', call_id: row.id, cause }] }
}

export interface ChannelEnd {
  /** Q.850 cause value, null when unknown. */
  q850: number | null
  /** SIP final status of the leg, null when there was none. */
  sip_code: number | null
}

/** The channel is gone: the next carrier, or the end. */
export async function channelEnded(tx: CallTx, row: CallRow, end: ChannelEnd): Promise<Effect[]> {
  if (!isLive(row.status)) return []
  const another = row.dialroute_index + 1 < row.dialroutes.length
  if (row.direction === 'outgoing' && isWaiting(row.status) && another && mayFailOver(end)) return failOver(tx, row)
  const cause = row.hangup_cause ?? hangupCause({ ...end, answered: row.tm_answer !== null })
  return complete(tx, row, { cause, sip_code: end.sip_code })
}

/** One call, another carrier: the channel gets a new id, the call keeps its own. */
async function failOver(tx: CallTx, row: CallRow): Promise<Effect[]> {
  const index = row.dialroute_index + 1
  const provider_id = row.dialroutes[index]?.provider_id ?? null
  await calls.system.update(tx, row, { dialroute_index: index, provider_id, channel_id: channelId(row.id, index) })
  return [{ type: 'dial', call_id: row.id, reserves: false }]
}

/** Sets the timer that ends a call nobody answers. */
export const armDialTimer = (tx: CallTx, row: CallRow): Promise<void> =>
  tx.setTimer('dial', { key: `dial:${row.id}`, at: after(tx.now(), row.dial_timeout + dialGrace_s), payload: { call_id: row.id } })

/** Derives from the call, so that a repeated originate meets the channel that is there already. */
export const channelId = (call_id: string, attempt: number): string => `${call_id}.${attempt}`

/** The other way round; `undefined` for a channel that Asterisk named. */
export const callOfChannel = (channel_id: string): string | undefined =>
  /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.\d+$/.exec(channel_id)?.[1]

export interface End {
  cause: HangupCause
  sip_code: number | null
  /** Default: who asked for the end, the far end when nobody did. */
  by?: NonNullable<CallRow['hangup_by']>
}

export async function complete(tx: CallTx, row: CallRow, end: End): Promise<Effect[]> {
  if (!isLive(row.status)) return []
  for (const key of timerKeys(row)) await tx.cancelTimer(key)
  // Before the call's own end: that is its last event.
  const running = await actions.system.find(tx, { call_id: row.id, status: 'running' })
  // One that hangs up has done so.
  for (const one of running) await finishAction(tx, one, { outcome: one.action.type === 'hangup' ? 'ok' : 'canceled' })
  const now = stamp(tx.now())
  const done = await move(tx, row, 'completed', {
    tm_hangup: now,
    hangup_by: end.by ?? row.hangup_by ?? 'remote',
    hangup_cause: end.cause,
    hangup_sip_code: end.sip_code,
    duration: durationOf(row.tm_answer, now),
    hold: false,
    mute_direction: null,
    recording_id: null,
    bridge_id: null,
  })
  if (row.recording_ids.length > 0)
    await tx.setTimer('recordings', { key: `recordings:${row.id}`, at: after(tx.now(), recordingGrace_s), payload: { call_id: row.id } })
  const chained = await calls.system.find(tx, { master_call_id: row.id })
  const effects: Effect[] = chained
    .filter(leg => isLive(leg.status))
    .map(leg => ({ type: 'end', call_id: leg.id, cause: leg.tm_answer ? 'normal_clearing' : 'originator_cancel' }))
  return done.groupcall_id ? [...effects, ...(await groupLegEnded(tx, done))] : effects
}

/** Ends an action once and tells the flow. */
export async function finishAction(tx: CallTx, action: ActionRow, result: ActionResult): Promise<void> {
  if (action.status === 'finished') return
  await actions.system.update(tx, action, { status: 'finished', result })
  const { call_id, activeflow_id, id: action_run_id } = action
  await tx.emit('call.action_finished', { call_id, activeflow_id, action_run_id, result })
}
