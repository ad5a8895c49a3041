import { type Call, formatTarget } from '../../../src/index.ts'

/** What the screen shows of a call, as it is at one moment. A call changes in place; a view never does, so what has not changed is not drawn again. */
export interface CallView
  extends Readonly<
    Pick<Call, 'id' | 'direction' | 'state' | 'muted' | 'remote_held' | 'early_media' | 'answered_at' | 'ended_at' | 'cause'>
  > {
  readonly call: Call
  /** Name of the other side for people. */
  readonly name: string
  /** Its number or address, spaced out for reading. */
  readonly number: string
}

export function viewOf(call: Call): CallView {
  const { id, direction, state, muted, remote_held, early_media, answered_at, ended_at, cause, remote } = call
  const number = formatTarget(remote.target)
  const name = remote.display_name || number || 'Unknown'
  return { call, id, direction, state, muted, remote_held, early_media, answered_at, ended_at, cause, name, number }
}
