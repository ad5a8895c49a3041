/** Outgoing: connecting → ringing → active. Incoming: ringing → answering → active, back to ringing when there was no microphone. `held` is on hold by this side. */
export type CallState = 'connecting' | 'ringing' | 'answering' | 'active' | 'held' | 'ended'

const next = {
  connecting: ['ringing', 'active', 'ended'],
  ringing: ['answering', 'active', 'ended'],
  answering: ['active', 'ringing', 'ended'],
  active: ['held', 'ended'],
  held: ['active', 'ended'],
  ended: [],
} as const satisfies Record<CallState, readonly CallState[]>

/** Whether a call may go from one state to the other. Nothing leaves `ended`. */
export const canMove = (from: CallState, to: CallState): boolean => (next[from] as readonly CallState[]).includes(to)

/** Both sides have answered and audio can flow. */
export const isEstablished = (state: CallState): boolean => state === 'active' || state === 'held'
