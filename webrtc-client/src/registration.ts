import type { UA } from 'jssip'
import { nextAuthorization } from './digest.ts'
import { isFinalRefusal, RegistrationError } from './errors.ts'
import type { Logger } from './log.ts'
import type { SipSocket } from './sip-socket.ts'

export interface RegistrationOptions {
  ua: UA
  sockets: SipSocket[]
  username: string
  password: string
  log: Logger
  onRegistered: () => void
  onUnregistered: () => void
  onFailed: (error: RegistrationError) => void
}

const RETRY_MAX_SECONDS = 60

/** Keeps one registration: tries again after answers that may pass, gives up on refused credentials, and leaves with credentials in hand. */
export class Registration {
  readonly #options: RegistrationOptions
  #attempts = 0
  #retry: ReturnType<typeof setTimeout> | undefined

  constructor(options: RegistrationOptions) {
    this.#options = options
    const { ua, log } = options
    ua.on('registered', () => {
      this.#attempts = 0
      log.info('registered')
      options.onRegistered()
    })
    ua.on('unregistered', () => {
      log.info('unregistered')
      options.onUnregistered()
    })
    ua.on('registrationFailed', ({ response, cause }) => this.#onFailed(response?.status_code, String(cause ?? '')))
  }

  /** Puts credentials on the next un-REGISTER, so that it counts even if nobody is left to answer a challenge. */
  prepareToLeave(): void {
    clearTimeout(this.#retry)
    const { ua, sockets, username, password } = this.#options
    const previous = sockets.find(socket => socket.isConnected())?.lastAuthorization ?? ''
    const authorization = nextAuthorization(previous, 'REGISTER', { username, password })
    if (authorization) ua.registrator().setExtraHeaders([`Authorization: ${authorization}`])
  }

  #onFailed(sipCode: number | undefined, cause: string): void {
    const { ua, log, onFailed } = this.#options
    log.warn('registration failed', { sipCode: sipCode, cause })
    onFailed(new RegistrationError(sipCode, { cause }))
    // Without a connection the stack registers by itself after the reconnect.
    if (isFinalRefusal(sipCode) || !ua.isConnected()) return
    this.#attempts += 1
    const seconds = Math.min(RETRY_MAX_SECONDS, 2 ** this.#attempts) * (0.5 + Math.random() / 2)
    clearTimeout(this.#retry)
    this.#retry = setTimeout(() => ua.isConnected() && ua.register(), seconds * 1000)
  }
}
