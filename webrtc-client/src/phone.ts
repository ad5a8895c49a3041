import { UA } from 'jssip'
import type { RTCSession } from 'jssip/lib/RTCSession.js'
import type { RTCSessionEvent } from 'jssip/lib/UA.js'
import { decodeUser, type Identity, targetUri } from './address.ts'
import { Call, type CallOptions } from './call.ts'
import type { CallContext } from './call-context.ts'
import { Emitter } from './emitter.ts'
import { PhoneError, type RegistrationError } from './errors.ts'
import { Keepalive } from './keepalive.ts'
import { type Logger, silent } from './log.ts'
import { listAudioDevices } from './microphone.ts'
import { Registration } from './registration.ts'
import { SipSocket } from './sip-socket.ts'

export interface PhoneOptions {
  /** Address of the SIP edge, `wss://…`; of several one is tried after the other. */
  wsUrl: string | readonly string[]
  /** SIP domain of the customer, also the realm. */
  domain: string
  /** The extension. */
  username: string
  password: string
  /** Name shown to the other side. */
  displayName?: string | undefined
  /** Wishes for the microphone, e.g. `{ deviceId, echoCancellation: false }`. */
  audio?: MediaTrackConstraints
  /** STUN and TURN servers. None are needed when the media relay is reachable, as RTPEngine usually is. */
  iceServers?: RTCIceServer[]
  /** Life of the registration, 60–3600. Renewed at about half of it. */
  registerExpiresSeconds?: number
  /** Calls at a time, one more is answered 486 Busy Here. */
  maxCalls?: number
  log?: Logger
}

/** `reconnecting`: the connection was lost and is being made again, calls go on meanwhile. */
export type ConnectionState = 'stopped' | 'connecting' | 'connected' | 'reconnecting'

export interface PhoneEvents {
  connection: { state: ConnectionState; attempt: number }
  registered: undefined
  unregistered: undefined
  /** The phone tries again by itself unless `error.reason` is `registration_refused`. */
  registrationFailed: RegistrationError
  incoming: Call
  /** A call was added, changed its state or ended and was removed from `calls`. */
  calls: readonly Call[]
}

const STOP_MS = 2_500

/** A SIP phone in a browser: registers over WebSocket, makes and takes calls over SRTP. */
export class Phone extends Emitter<PhoneEvents> implements AsyncDisposable {
  readonly #options: Required<Omit<PhoneOptions, 'displayName'>> & { displayName: string | undefined }
  readonly #calls = new Set<Call>()
  #running: Running | undefined
  #registered = false
  #connection: ConnectionState = 'stopped'
  #speakerId = ''

  constructor({
    audio = {},
    iceServers = [],
    registerExpiresSeconds = 300,
    maxCalls = 4,
    log = silent,
    displayName,
    ...rest
  }: PhoneOptions) {
    super()
    this.#options = { audio, iceServers, registerExpiresSeconds, maxCalls, log, displayName, ...rest }
  }

  get registered(): boolean {
    return this.#registered
  }

  get connection(): ConnectionState {
    return this.#connection
  }

  /** Calls that have not ended, oldest first. */
  get calls(): readonly Call[] {
    return [...this.#calls]
  }

  /**
   * Connects and registers. Resolves when registered, rejects with what the first attempt met: RegistrationError, or `connection_failed`.
   * After a rejection the phone goes on trying until `stop()`, except for refused credentials. A second start is the first one. `stop()` before there is
   * an outcome rejects it with `not_started`. Throws a TypeError for an address that is none of a WebSocket.
   */
  start(): Promise<void> {
    if (this.#running) return this.#running.started.promise
    const { wsUrl, domain, username, password, displayName, registerExpiresSeconds, log } = this.#options
    const sockets = (Array.isArray(wsUrl) ? wsUrl : [wsUrl]).map(url => new SipSocket(url, log))
    const ua = new UA({
      sockets: sockets.map((socket, index) => ({ socket, weight: sockets.length - index })),
      uri: `sip:${username}@${domain}`,
      password,
      ...(displayName ? { display_name: displayName } : {}),
      register: true,
      register_expires: registerExpiresSeconds,
      session_timers: false,
      no_answer_timeout: 180,
      connection_recovery_min_interval: 1,
      connection_recovery_max_interval: 15,
      user_agent: 'voipbin-webrtc',
    })
    const started = Promise.withResolvers<void>()
    // Whoever does not wait for start() hears of it by events.
    started.promise.catch(() => undefined)
    // A stopped stack still says goodbye while the next one is already running.
    const isCurrent = (): boolean => this.#running?.ua === ua
    const registration = new Registration({
      ua,
      sockets,
      username,
      password,
      log,
      onRegistered: () => {
        if (!isCurrent()) return
        this.#setRegistered(true)
        started.resolve()
        for (const call of this.#calls) call.refresh()
      },
      onUnregistered: () => isCurrent() && this.#setRegistered(false),
      onFailed: error => {
        if (!isCurrent()) return
        if (ua.isConnected()) started.reject(error)
        this.emit('registrationFailed', error)
      },
    })
    ua.on('connecting', ({ attempts }) => isCurrent() && this.#setConnection(attempts ? 'reconnecting' : 'connecting', attempts))
    const waiting = new Set<() => void>()
    ua.on('connected', () => {
      if (isCurrent()) this.#setConnection('connected', 0)
      for (const work of waiting) work()
      waiting.clear()
    })
    ua.on('disconnected', ({ code, reason }) => {
      if (!isCurrent()) return
      started.reject(new PhoneError('connection_failed', { code, reason }))
      this.#setConnection('reconnecting', 0)
    })
    ua.on('newRTCSession', ({ originator, session }: RTCSessionEvent) => {
      if (String(originator) === 'remote') this.#onIncoming(session)
    })
    const keepalive = new Keepalive(ua, domain, sockets)
    const page = new AbortController()
    this.#running = { ua, sockets, registration, keepalive, page, waiting, started }
    this.#watchPage(page.signal, keepalive)
    ua.start()
    return started.promise
  }

  /** Hangs up, un-registers and closes. Resolves when the server has agreed or after 2.5 s. Safe to call twice; `start()` works again. */
  async stop(): Promise<void> {
    const running = this.#running
    if (!running) return
    this.#running = undefined
    const { ua, sockets, registration, keepalive, page, started } = running
    started.reject(new PhoneError('not_started'))
    page.abort()
    keepalive.close()
    const quiet = !this.#registered && this.#calls.size === 0
    const gone = new Promise<void>(resolve => {
      const timer = setTimeout(resolve, STOP_MS)
      const done = () => {
        clearTimeout(timer)
        resolve()
      }
      ua.on('disconnected', done)
      if (this.#registered) ua.on('unregistered', done)
    })
    for (const call of this.#calls) call.hangup()
    registration.prepareToLeave()
    ua.stop()
    // Nobody waits for a goodbye: close at once instead of after the stack's two seconds.
    if (quiet) for (const socket of sockets) socket.close()
    await gone
    for (const socket of sockets) socket.close()
    if (this.#running) return
    this.#setRegistered(false)
    this.#setConnection('stopped', 0)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  /**
   * Calls a number, an extension or a SIP address. The call is there at once, in state `connecting`; what fails later ends it with a cause.
   * Throws `not_started`, `not_connected`, `invalid_target` and `invalid_header`.
   */
  call(target: string, options: CallOptions = {}): Call {
    const running = this.#running
    if (!running) throw new PhoneError('not_started')
    if (!running.ua.isConnected()) throw new PhoneError('not_connected')
    const uri = targetUri(target, this.#options.domain)
    const wrong = options.headers?.find(line => !/^[\w.!%*+`'~-]+:[^\r\n]*$/.test(line))
    if (wrong !== undefined) throw new PhoneError('invalid_header', { header: wrong })
    const call = this.#add(new Call('outgoing', { uri, target: decodeUser(userOf(uri)), displayName: '' }, this.#context(running)))
    void call.dial(uri, options)
    return call
  }

  /**
   * Uses another microphone from now on, in running calls too; `''` is the default one. Rejects with MicrophoneError and keeps the old one when a running
   * call cannot have it. Later calls take what there is when it has been unplugged meanwhile.
   */
  async setMicrophone(deviceId: string): Promise<void> {
    const { deviceId: _, ...audio } = this.#options.audio
    await Promise.all(this.calls.map(call => call.useMicrophone(deviceId ? { ...audio, deviceId: { exact: deviceId } } : audio)))
    this.#options.audio = deviceId ? { ...audio, deviceId: { ideal: deviceId } } : audio
  }

  /** Plays calls on another device from now on; `''` is the default one. While the device is unplugged the default one plays. */
  async setSpeaker(deviceId: string): Promise<void> {
    await Promise.all(this.calls.map(call => call.useSpeaker(deviceId)))
    this.#speakerId = deviceId
  }

  #onIncoming(session: RTCSession): void {
    if (this.#calls.size >= this.#options.maxCalls) {
      session.terminate({ status_code: 486 })
      return
    }
    const { uri, display_name } = session.remote_identity
    const remote: Identity = { uri: `sip:${uri.user}@${uri.host}`, target: decodeUser(uri.user), displayName: display_name ?? '' }
    if (this.#running) this.emit('incoming', this.#add(new Call('incoming', remote, this.#context(this.#running), session)))
  }

  #add(call: Call): Call {
    this.#calls.add(call)
    call.on('state', state => {
      if (state === 'ended') this.#calls.delete(call)
      this.emit('calls', this.calls)
    })
    this.emit('calls', this.calls)
    return call
  }

  #context({ ua, waiting, keepalive }: Running): CallContext {
    const { domain, log, iceServers } = this.#options
    return {
      ua,
      domain,
      log,
      iceServers,
      isConnected: () => ua.isConnected(),
      checkConnection: () => keepalive.check(),
      whenConnected: work => {
        if (ua.isConnected()) work()
        else waiting.add(work)
      },
      audioConstraints: () => this.#options.audio,
      speakerId: () => this.#speakerId,
    }
  }

  #watchPage(signal: AbortSignal, keepalive: Keepalive): void {
    if (typeof window === 'undefined') return
    window.addEventListener('pagehide', () => this.#onPageHide(), { signal })
    window.addEventListener('online', () => keepalive.check(), { signal })
    document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && keepalive.check(15_000), { signal })
    const devices: MediaDevices | undefined = navigator.mediaDevices
    devices?.addEventListener('devicechange', () => void this.#onDeviceChange(), { signal })
  }

  /** A browser may go silent when the chosen speaker is unplugged, and does not come back to it by itself. */
  async #onDeviceChange(): Promise<void> {
    const chosen = this.#speakerId
    if (!chosen || this.#calls.size === 0) return
    const { speakers } = await listAudioDevices()
    const device = speakers.some(({ deviceId }) => deviceId === chosen) ? chosen : ''
    const moved = await Promise.allSettled(this.calls.map(call => call.useSpeaker(device)))
    for (const { status } of moved) if (status === 'rejected') this.#options.log.warn('speaker not available', { deviceId: device })
  }

  #onPageHide(): void {
    void this.stop()
    // A page that comes back from the back/forward cache goes on where it left.
    window.addEventListener('pageshow', () => void this.start(), { once: true })
  }

  #setRegistered(registered: boolean): void {
    if (this.#registered === registered) return
    this.#registered = registered
    this.emit(registered ? 'registered' : 'unregistered', undefined)
  }

  #setConnection(state: ConnectionState, attempt: number): void {
    this.#connection = state
    this.#options.log.info('connection state', { state, attempt })
    this.emit('connection', { state, attempt })
  }
}

interface Running {
  ua: UA
  sockets: SipSocket[]
  registration: Registration
  keepalive: Keepalive
  page: AbortController
  /** What is to be done after the reconnect. */
  waiting: Set<() => void>
  started: PromiseWithResolvers<void>
}

const userOf = (uri: string): string => uri.slice('sip:'.length, uri.indexOf('@'))
