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
  #keysLost: ReturnType<typeof setTimeout> | undefined

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
    clearTimeout(this.#keysLost)
    this.#settle()
  }

  #onChange(): void {
    const state = this.#connection.iceConnectionState
    if (this.#isUp()) {
      if (!this.#stood) this.#watchKeys()
      this.#stood = true
      this.#recover()
    } else if (this.#stood && this.#timers.length === 0 && (state === 'disconnected' || state === 'failed')) {
      this.#repair(state === 'failed' ? 0 : PATIENCE_MS)
    }
  }

  /** Keys that the other side has thrown away do not come back in a call, and without them nothing is heard. A BYE says the same a moment later. */
  #watchKeys(): void {
    const { signal } = this.#end
    for (const { transport } of this.#connection.getSenders()) {
      const look = (): void => {
        if (transport && ['closed', 'failed'].includes(transport.state)) this.#keysLost ??= setTimeout(() => this.#lose(), PATIENCE_MS)
      }
      transport?.addEventListener('statechange', look, { signal })
    }
  }

  #repair(patience: number): void {
    const restart = (): void => {
      // Back without a word: a restart need not change the state.
      if (this.#isUp()) {
        this.#recover()
        return
      }
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
