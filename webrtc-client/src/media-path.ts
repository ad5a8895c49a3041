export interface MediaPathOptions {
  /** The audio has stopped, or goes on. */
  onInterrupted: (interrupted: boolean) => void
  /** Starts ICE over. Does nothing while there is no way to say so to the other side. */
  restart: () => void
  /** No attempt has brought the audio back. */
  onLost: () => void
}

const PATIENCE_MS = 3_000
const AGAIN_MS = 10_000
const LOST_MS = 45_000

/**
 * Repairs the media path of one call after a change of the network (RFC 8445 2.4): ICE that is `disconnected` mostly recovers by itself, after 3 s it is
 * started over, then every 10 s; after 45 s the call is given up. A path that never stood is left to the SIP stack, which ends the call at once.
 */
export class MediaPath {
  readonly #connection: RTCPeerConnection
  readonly #options: MediaPathOptions
  readonly #end = new AbortController()
  #stood = false
  #timers: ReturnType<typeof setTimeout>[] = []

  constructor(connection: RTCPeerConnection, options: MediaPathOptions) {
    this.#connection = connection
    this.#options = options
    connection.addEventListener('iceconnectionstatechange', () => this.#onChange(), { signal: this.#end.signal })
  }

  /** Audio could flow once. From then on a failure is repaired here. */
  get stood(): boolean {
    return this.#stood
  }

  close(): void {
    this.#end.abort()
    this.#settle()
  }

  #onChange(): void {
    const state = this.#connection.iceConnectionState
    if (this.#isUp()) {
      this.#stood = true
      this.#recover()
    } else if (this.#stood && this.#timers.length === 0 && (state === 'disconnected' || state === 'failed')) {
      this.#repair(state === 'failed' ? 0 : PATIENCE_MS)
    }
  }

  #repair(patience: number): void {
    const restart = (): void => {
      // Back without a word: a restart need not change the state.
      if (this.#isUp()) return this.#recover()
      this.#options.restart()
      this.#timers[0] = setTimeout(restart, AGAIN_MS)
    }
    this.#timers = [setTimeout(restart, patience), setTimeout(() => this.#lose(), LOST_MS)]
    this.#options.onInterrupted(true)
  }

  #isUp(): boolean {
    return ['connected', 'completed'].includes(this.#connection.iceConnectionState)
  }

  #recover(): void {
    if (this.#timers.length > 0) this.#options.onInterrupted(false)
    this.#settle()
  }

  #lose(): void {
    this.close()
    this.#options.onLost()
  }

  #settle(): void {
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers = []
  }
}
