import type { Call } from '../../../src/index.ts'
import { numberOf } from '../format.ts'

/** What the screen shows of a call, as it is at one moment. A call changes in place; a view never does, so what has not changed is not drawn again. */
export interface CallView
  extends Readonly<
    Pick<Call, 'id' | 'direction' | 'state' | 'muted' | 'remoteHeld' | 'earlyMedia' | 'interrupted' | 'answeredAt' | 'cause'>
  > {
  readonly call: Call
  /** Name of the other side for people. */
  readonly name: string
  /** Its number or address, spaced out for reading. */
  readonly number: string
}

export function viewOf(call: Call): CallView {
  const { id, direction, state, muted, remoteHeld, earlyMedia, interrupted, answeredAt, cause, remote } = call
  const number = numberOf(remote.target)
  const name = remote.displayName || number || 'Unknown caller'
  return { call, id, direction, state, muted, remoteHeld, earlyMedia, interrupted, answeredAt, cause, name, number }
}
