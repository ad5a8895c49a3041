import type { Action, ActionResult, ActionType } from '@voipbin/generated/schemas'
import type { ErrorDetail } from '@voipbin/kernel'

/** An action as it is kept: its id is always there. */
export type StoredAction = Action & { id: string }

/** Who carries an action out. */
export type Executor = 'flow' | 'webhook' | 'call'
export const executorOf: Readonly<Record<ActionType, Executor>> = {
  branch: 'flow',
  goto: 'flow',
  sleep: 'flow',
  webhook_send: 'webhook',
  answer: 'call',
  talk: 'call',
  play: 'call',
  digits_receive: 'call',
  connect: 'call',
  recording_start: 'call',
  recording_stop: 'call',
  hangup: 'call',
}

/** What is wrong with the actions of a flow: one reason, and every place it applies to. */
export interface Refusal {
  reason: 'ACTION_ID_DUPLICATE' | 'ACTION_TARGET_UNKNOWN' | 'ADDRESS_TYPE_REFUSED'
  details: ErrorDetail[]
}

/** Gives every action an id. */
export const withIds = (actions: readonly Action[], newId: () => string): StoredAction[] =>
  actions.map(action => ({ ...action, id: action.id ?? newId() }))

/** Checks what the schema of one action cannot: ids that are unique, jumps that lead somewhere, addresses that can be dialled. */
export function refusalOf(actions: readonly StoredAction[]): Refusal | undefined {
  const doubles = duplicates(actions)
  if (doubles.length > 0) return { reason: 'ACTION_ID_DUPLICATE', details: doubles }
  const ids = new Set(actions.map(action => action.id))
  const astray = actions.flatMap((action, index) =>
    jumpsOf(action)
      .filter(jump => !ids.has(jump.target))
      .map(jump => `/actions/${index}${jump.pointer}`),
  )
  if (astray.length > 0)
    return {
      reason: 'ACTION_TARGET_UNKNOWN',
      details: astray.map(field => ({ field, rule: 'action_id', expected: 'the id of an action of this flow' })),
    }
  const addresses = actions.flatMap((action, index) => conferencesOf(action).map(pointer => `/actions/${index}${pointer}`))
  if (addresses.length > 0)
    return {
      reason: 'ADDRESS_TYPE_REFUSED',
      details: addresses.map(field => ({ field, rule: 'enum', expected: 'tel, sip, extension or agent' })),
    }
  return undefined
}

function duplicates(actions: readonly StoredAction[]): ErrorDetail[] {
  const seen = new Set<string>()
  const found: ErrorDetail[] = []
  for (const [index, { id }] of actions.entries()) {
    if (seen.has(id)) found.push({ field: `/actions/${index}/id`, rule: 'unique', expected: 'an id no other action of the flow has' })
    seen.add(id)
  }
  return found
}

interface Jump {
  /** JSON pointer within the action (RFC 6901). */
  pointer: string
  target: string
}

function jumpsOf(action: Action): Jump[] {
  const jumps: Jump[] = []
  if (action.next_id) jumps.push({ pointer: '/next_id', target: action.next_id })
  if (action.type === 'goto') jumps.push({ pointer: '/option/target_id', target: action.option.target_id })
  if (action.type === 'branch') {
    const { default_target_id, target_ids } = action.option
    if (default_target_id) jumps.push({ pointer: '/option/default_target_id', target: default_target_id })
    for (const [value, target] of Object.entries(target_ids)) jumps.push({ pointer: `/option/target_ids/${escaped(value)}`, target })
  }
  return jumps
}

const escaped = (key: string): string => key.replaceAll('~', '~0').replaceAll('/', '~1')

/** Conferences are joined, not dialled. */
function conferencesOf(action: Action): string[] {
  if (action.type !== 'connect') return []
  return action.option.destinations.flatMap(({ type }, index) => (type === 'conference' ? [`/option/destinations/${index}/type`] : []))
}

/** The variables an action leaves behind. */
export function variablesOf(type: ActionType, result: ActionResult): Record<string, string> {
  if (type === 'digits_receive') return { 'voipbin.call.digits': result.digits ?? '' }
  if (type === 'recording_start' && result.recording_id) return { 'voipbin.recording.id': result.recording_id }
  if (type === 'connect')
    return { 'voipbin.connect.call_id': result.connected_call_id ?? '', 'voipbin.connect.hangup_cause': result.hangup_cause ?? '' }
  return {}
}
