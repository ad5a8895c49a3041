import { type UA, URI } from 'jssip'
import type { SipSocket } from './sip-socket.ts'

/** `sendOptions` exists since JsSIP 3.0 but is missing in its types. */
interface OptionsSender {
  sendOptions(target: URI, body: undefined, options: { eventHandlers: { succeeded(): void; failed(): void } }): unknown
}

/** Silence after which the server is asked. */
const QUIET_MS = 25_000
/** How long it may take to answer. */
const ANSWER_MS = 6_000
const LOOK_MS = 5_000
const SLEPT_MS = 10_000

/**
 * Notices a connection that died without a word (sleep, a NAT that forgot, a pulled cable): after 25 s of silence it sends OPTIONS and
 * drops the socket when nothing comes back within 6 s. `check()` asks at once, for the moment the machine wakes up or is online again.
 */
export class Keepalive {
  readonly #ua: UA & Partial<OptionsSender>
  readonly #target: URI
  readonly #sockets: SipSocket[]
  readonly #interval: ReturnType<typeof setInterval>
  #deadline: ReturnType<typeof setTimeout> | undefined

  constructor(ua: UA, domain: string, sockets: SipSocket[]) {
    this.#ua = ua
    this.#target = new URI('sip', '', domain)
    this.#sockets = sockets
    let last = Date.now()
    this.#interval = setInterval(() => {
      // The monotonic clock may stand still while the machine sleeps, so the last word of the server looks young after it. The wall clock jumps.
      const slept = Date.now() - last > LOOK_MS + SLEPT_MS
      last = Date.now()
      this.check(slept ? 0 : QUIET_MS)
    }, LOOK_MS)
  }

  /** Asks the server if it has been silent for `quietMs` milliseconds. */
  check(quietMs = 1_000): void {
    const socket = this.#sockets.find(candidate => candidate.isConnected())
    const asked = performance.now()
    if (!socket || this.#deadline !== undefined || asked - socket.lastHeard < quietMs) return
    // Whatever is heard counts, also a refusal.
    this.#ua.sendOptions?.(this.#target, undefined, { eventHandlers: { succeeded: () => undefined, failed: () => undefined } })
    this.#deadline = setTimeout(() => {
      this.#deadline = undefined
      if (socket.lastHeard < asked) socket.drop('no answer to OPTIONS')
    }, ANSWER_MS)
  }

  close(): void {
    clearInterval(this.#interval)
    clearTimeout(this.#deadline)
  }
}
