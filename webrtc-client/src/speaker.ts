import type { Logger } from './log.ts'

/** Plays what comes from the other side of one call. */
export class Speaker {
  readonly stream = new MediaStream()
  readonly #audio = new Audio()
  readonly #log: Logger
  readonly #onBlocked: () => void

  /** `onBlocked` is called when the browser wants a user gesture before it plays sound; call `play()` from one. */
  constructor(log: Logger, onBlocked: () => void) {
    this.#log = log
    this.#onBlocked = onBlocked
    this.#audio.autoplay = true
    this.#audio.srcObject = this.stream
  }

  add(track: MediaStreamTrack): void {
    this.stream.addTrack(track)
    void this.play()
  }

  async play(): Promise<void> {
    try {
      await this.#audio.play()
    } catch (error) {
      // AbortError: a newer track or the end of the call came between, nothing is wrong.
      if (error instanceof DOMException && error.name === 'NotAllowedError') this.#onBlocked()
      else this.#log.debug('remote audio did not start', { error: String(error) })
    }
  }

  /** Moves the sound to another device, `''` is the default one. Rejects when the device is gone or the browser cannot choose. */
  async use(deviceId: string): Promise<void> {
    if ('setSinkId' in this.#audio) await this.#audio.setSinkId(deviceId)
  }

  close(): void {
    this.#audio.pause()
    this.#audio.srcObject = null
  }
}
