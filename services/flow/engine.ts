import type { Action, ActionResult, ActiveflowEndReason, ExecutedAction } from '@voipbin/generated/schemas'
import { executorOf, type StoredAction } from './actions.ts'
import { FilledTooLarge, readVariable, substitute, type Variables } from './variables.ts'

/** A run is ended by force after so many actions. */
export const maxExecuted = 1_000
/** Actions the trace of a run keeps. */
const maxTrace = 100

/** What of a run decides where it goes next. */
export interface Position {
  readonly variables: Variables
  readonly loops: Readonly<Record<string, number>>
  readonly executed_count: number
  readonly executed_actions: readonly ExecutedAction[]
  /** Whether there is a call for media actions. */
  readonly call_id: string | null
}
export interface Moved {
  loops: Record<string, number>
  executed_count: number
  executed_actions: ExecutedAction[]
  /** The action to start now, its variables filled in; or why the run is over. */
  next: { action: StoredAction } | { end: ActiveflowEndReason }
}
export interface Clock {
  /** RFC 3339 with microseconds. */
  stamp(): string
}

/**
 * Walks on from an action (null: from the beginning) over everything the flow decides by itself, up to the next action somebody must carry out,
 * or to the end.
 */
export function advance(actions: readonly StoredAction[], from: string | null, position: Position, clock: Clock): Moved {
  const loops = { ...position.loops }
  const trace = [...position.executed_actions]
  let executed_count = position.executed_count
  const moved = (next: Moved['next']): Moved => ({ loops, executed_count, executed_actions: trace.slice(-maxTrace), next })
  const known = actions.find(action => action.id === from)
  let at = known ? following(actions, known) : actions[0]
  for (;;) {
    if (!at) return moved({ end: 'completed' })
    if (executed_count >= maxExecuted) return moved({ end: 'limit_reached' })
    executed_count++
    const entry: ExecutedAction = { id: at.id, type: at.type, result: null, tm_execute: clock.stamp(), tm_finish: null }
    trace.push(entry)
    const action = filled(at, position.variables)
    const result = 'refused' in action ? action.refused : decided(action, position)
    if (!result) return moved({ action: action as StoredAction })
    Object.assign(entry, { result, tm_finish: clock.stamp() })
    at = after(actions, at, { loops, variables: position.variables })
  }
}

/** The result of an action the flow settles by itself; `undefined` for one that must be carried out. */
function decided(action: StoredAction, { call_id }: Position): ActionResult | undefined {
  if (action.type === 'branch' || action.type === 'goto') return { outcome: 'ok' }
  if (executorOf[action.type] === 'call' && call_id === null) return { outcome: 'skipped', detail: 'the run has no call' }
  return undefined
}

function filled(action: StoredAction, variables: Variables): StoredAction | { refused: ActionResult } {
  try {
    return { ...action, option: substitute(action.option, variables) } as StoredAction
  } catch (error) {
    if (error instanceof FilledTooLarge) return { refused: { outcome: 'failed', detail: error.message } }
    throw error
  }
}

interface Memory {
  loops: Record<string, number>
  variables: Variables
}

/** Where a settled action leads. */
function after(actions: readonly StoredAction[], action: StoredAction, { loops, variables }: Memory): StoredAction | undefined {
  if (action.type === 'hangup') return undefined
  if (action.type === 'branch') {
    const { variable, target_ids, default_target_id } = action.option
    const value = readVariable(variables, variable)
    const target = Object.hasOwn(target_ids, value) ? target_ids[value] : default_target_id
    if (target) return find(actions, target)
  }
  if (action.type === 'goto') {
    const jumps = loops[action.id] ?? 0
    if (jumps < action.option.loop_count) {
      loops[action.id] = jumps + 1
      return find(actions, action.option.target_id)
    }
  }
  return following(actions, action)
}

const find = (actions: readonly StoredAction[], id: string) => actions.find(action => action.id === id)

function following(actions: readonly StoredAction[], action: StoredAction): StoredAction | undefined {
  if (action.type === 'hangup') return undefined
  return action.next_id ? find(actions, action.next_id) : actions[actions.indexOf(action) + 1]
}

/** The trace with the outcome of the action under way, which is its last entry. */
export function finished(trace: readonly ExecutedAction[], result: ActionResult, tm_finish: string): ExecutedAction[] {
  const last = trace.at(-1)
  return last && last.result === null ? [...trace.slice(0, -1), { ...last, result, tm_finish }] : [...trace]
}

export const isAction = (value: Action | null, type: Action['type']): boolean => value?.type === type
