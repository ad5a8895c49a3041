import type { UA } from 'jssip'
import type { Logger } from './log.ts'

/** What a call needs of its phone. */
export interface CallContext {
  readonly ua: UA
  readonly domain: string
  readonly log: Logger
  readonly iceServers: RTCIceServer[]
  readonly isConnected: () => boolean
  /** Asks the server whether the connection is still good. */
  readonly checkConnection: () => void
  /** Runs when there is a connection: now, or after the reconnect. */
  readonly whenConnected: (work: () => void) => void
  readonly audioConstraints: () => MediaTrackConstraints
  readonly speakerId: () => string
}
