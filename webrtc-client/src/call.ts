import type { UA } from 'jssip'
import type { IncomingDTMFEvent, IncomingEvent, OutgoingDTMFEvent, OutgoingEvent, RTCSession } from 'jssip/lib/RTCSession.js'
import { type Identity, targetUri } from './address.ts'
import { type CallState, canMove, isEstablished } from './call-state.ts'
import { type CallCause, callCause, type EndFacts } from './cause.ts'
import { type DtmfOptions, parseTones, sendTones } from './dtmf.ts'
import { Emitter } from './emitter.ts'
import { PhoneError } from './errors.ts'
import type { Logger } from './log.ts'
import { closeStream, openMicrophone } from './microphone.ts'
import { refreshTarget } from './refresh.ts'
import { Speaker } from './speaker.ts'
import { type CallStats, StatsReader } from './stats.ts'

export interface CallEvents {
  /** Anything a user could see has changed: state, hold, mute, early media, cause. */
  change: Call
  state: CallState
  ended: { cause: CallCause; sip_code: number | undefined }
  /** The far end sent a tone by SIP INFO. (RFC 4733 tones are audio to a browser and cannot be seen.) */
  dtmf: { tone: string }
  /** The browser wants a user gesture before it plays sound: call `resumeAudio()` from one. */
  audio_blocked: undefined
}

/** What a call needs of its phone. */
export interface CallContext {
  readonly ua: UA
  readonly domain: string
  readonly display_name: string | undefined
  readonly log: Logger
  readonly ice_servers: RTCIceServer[]
  readonly isConnected: () => boolean
  /** Runs when there is a connection: now, or after the reconnect. */
  readonly whenConnected: (work: () => void) => void
  readonly audioConstraints: () => MediaTrackConstraints
  readonly speakerId: () => string
}

export interface CallOptions {
  /** SIP header lines added to the INVITE, e.g. `X-Customer: 42`. */
  headers?: string[]
}

/** Milliseconds from `phone.call()` or `answer()` until each step was done. */
export type CallTimings = Partial<Record<'microphone' | 'invite' | 'ringing' | 'answered', number>>

/** One call. Made by `phone.call()` or given by the `incoming` event; ends once and stays ended. */
export class Call extends Emitter<CallEvents> implements AsyncDisposable {
  readonly id = Array.from(crypto.getRandomValues(new Uint8Array(8)), byte => byte.toString(16).padStart(2, '0')).join('')
  readonly direction: 'incoming' | 'outgoing'
  readonly created_at = new Date()
  readonly timings: CallTimings = {}
  remote: Identity
  answered_at: Date | undefined
  ended_at: Date | undefined
  muted = false
  /** The other side has put this side on hold. */
  remote_held = false
  /** The network plays ringing or an announcement itself: no ringing tone of ours. */
  early_media = false
  cause: CallCause | undefined
  sip_code: number | undefined
  /** Why the call failed on this side, e.g. a MicrophoneError. */
  error: Error | undefined

  #state: CallState
  #session: RTCSession | undefined
  #microphone: MediaStream | undefined
  #speaker: Speaker | undefined
  #started = performance.now()
  readonly #stats = new StatsReader()
  readonly #context: CallContext

  /** @internal */
  constructor(direction: 'incoming' | 'outgoing', remote: Identity, context: CallContext, session?: RTCSession) {
    super()
    this.direction = direction
    this.remote = remote
    this.#context = context
    this.#state = direction === 'incoming' ? 'ringing' : 'connecting'
    if (session) this.#follow(session)
  }

  get state(): CallState {
    return this.#state
  }

  /** SIP Call-ID, empty before the INVITE is made. */
  get sip_call_id(): string {
    return this.#session?.id ?? ''
  }

  /** What the other side says, for recording or a level meter; undefined before there is any. */
  get remote_stream(): MediaStream | undefined {
    return this.#speaker?.stream
  }

  /** @internal Opens the microphone and sends the INVITE. Never rejects: what fails ends the call. */
  async dial(target: string, { headers = [] }: CallOptions): Promise<void> {
    try {
      const mediaStream = await this.#openMicrophone()
      if (!mediaStream) return
      const session = this.#context.ua.call(targetUri(target, this.#context.domain), {
        mediaStream,
        pcConfig: this.#pcConfig(),
        rtcOfferConstraints: { offerToReceiveAudio: true, offerToReceiveVideo: false },
        extraHeaders: headers,
      })
      this.#follow(session)
      this.#listenTo(session.connection)
    } catch (error) {
      this.#fail(error)
    }
  }

  /** Takes an incoming call. Resolves when the answer is on its way; rejects and ends the call when there is no microphone. */
  async answer(): Promise<void> {
    const session = this.#session
    if (this.direction !== 'incoming' || this.#state !== 'ringing' || !session) throw this.#invalid('answer')
    this.#started = performance.now()
    this.#move('answering')
    try {
      const mediaStream = await this.#openMicrophone()
      if (!mediaStream) return
      session.answer({ mediaStream, pcConfig: this.#pcConfig() })
      this.#listenTo(session.connection)
    } catch (error) {
      if (!session.isEnded()) session.terminate({ status_code: 480 })
      this.#fail(error)
      throw error
    }
  }

  /** Refuses an incoming call with a SIP code: 486 busy here, 603 declined everywhere. */
  reject(code = 486): void {
    if (this.direction !== 'incoming' || isEstablished(this.#state) || this.#state === 'ended') throw this.#invalid('reject')
    this.#session?.terminate({ status_code: code })
  }

  /** Ends the call in any state; a call that has ended is left alone. Without a connection the BYE follows after the reconnect. */
  hangup(): void {
    if (this.#state === 'ended') return
    const session = this.#session
    const byUser: EndFacts = isEstablished(this.#state) ? { stack_cause: 'Terminated' } : { stack_cause: 'Canceled' }
    if (!session) {
      this.#end(byUser)
      return
    }
    if (this.#context.isConnected()) {
      if (!session.isEnded()) session.terminate()
      return
    }
    this.#end(byUser)
    this.#context.whenConnected(() => {
      if (!session.isEnded()) session.terminate()
    })
  }

  /** Stops the audio both ways and tells the other side. Resolves when it has agreed. */
  hold(): Promise<void> {
    return this.#renegotiate('active', (session, done) => session.hold({}, done))
  }

  /** Goes on with a held call. */
  unhold(): Promise<void> {
    return this.#renegotiate('held', (session, done) => session.unhold({}, done))
  }

  /** Sends silence instead of the microphone. */
  mute(): void {
    this.#session?.mute({ audio: true })
  }

  unmute(): void {
    this.#session?.unmute({ audio: true })
  }

  /** Sends tones to the other side; `,` is a pause of two seconds. Resolves when the last tone is out. */
  async sendDtmf(tones: string, options: DtmfOptions = {}): Promise<void> {
    const session = this.#session
    const text = parseTones(tones)
    if (!session || this.#state !== 'active') throw this.#invalid('sendDtmf')
    if (options.transport === 'info') {
      session.sendDTMF(text, { duration: options.duration_ms ?? 160, interToneGap: options.gap_ms ?? 70 })
      return
    }
    const sent = new AbortController()
    // A call that ends in the middle of a tone never says that the tone is over.
    const ended = this.once('ended', { signal: sent.signal }).catch(() => undefined)
    await Promise.race([sendTones(session.connection, text, options), ended]).finally(() => sent.abort())
  }

  /** Reads the quality now. Undefined before there is a connection and after the end. */
  async stats(): Promise<CallStats | undefined> {
    const connection = this.#session?.connection
    return connection && this.#state !== 'ended' ? this.#stats.read(connection) : undefined
  }

  /** Starts the sound that the browser held back. Call it from a click or a key. */
  async resumeAudio(): Promise<void> {
    await this.#speaker?.play()
  }

  /** @internal Changes the microphone of a running call without a word to the other side. */
  async useMicrophone(constraints: MediaTrackConstraints): Promise<void> {
    const sender = this.#session?.connection?.getSenders().find(({ track }) => track?.kind === 'audio')
    if (!sender || this.#state === 'ended') return
    const stream = await openMicrophone(constraints)
    const [track] = stream.getAudioTracks()
    if (track) track.enabled = !this.muted && this.#state !== 'held'
    await sender.replaceTrack(track ?? null)
    closeStream(this.#microphone)
    this.#microphone = stream
  }

  /** @internal */
  async useSpeaker(deviceId: string): Promise<void> {
    await this.#speaker?.use(deviceId)
  }

  /** @internal After a reconnect: the other side learns the new connection, and ICE starts over when the media path broke too. */
  refresh(): void {
    const session = this.#session
    if (!session || !isEstablished(this.#state)) return
    const broken = ['disconnected', 'failed'].includes(session.connection.iceConnectionState)
    this.#context.log.info('call refreshed after reconnect', { call_id: this.id, ice_restart: broken })
    if (broken && session.isReadyToReOffer()) session.renegotiate({ rtcOfferConstraints: { offerToReceiveAudio: true, iceRestart: true } })
    else refreshTarget(session, () => !session.isEnded() && session.terminate())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.hangup()
  }

  #follow(session: RTCSession): void {
    this.#session = session
    // The INVITE or the answer leaves with the first candidate; the far end learns further ones from the packets (peer reflexive, RFC 8445 7.3.1.3).
    session.on('icecandidate', ({ ready }) => ready())
    session.on('sending', () => this.#time('invite'))
    session.on('progress', (event: IncomingEvent | OutgoingEvent) => {
      if (this.direction === 'incoming') return
      this.early_media ||= 'response' in event && Boolean(event.response?.body)
      this.#time('ringing')
      this.#move('ringing')
      this.emit('change', this)
    })
    session.on('accepted', () => {
      this.#time('answered')
      this.answered_at = new Date()
      this.#move('active')
    })
    session.on('hold', ({ originator }) => this.#onHold(originator, true))
    session.on('unhold', ({ originator }) => this.#onHold(originator, false))
    session.on('muted', () => this.#onMute(true))
    session.on('unmuted', () => this.#onMute(false))
    session.on('newDTMF', ({ originator, dtmf }: IncomingDTMFEvent | OutgoingDTMFEvent) => {
      if (String(originator) === 'remote') this.emit('dtmf', { tone: dtmf.tone })
    })
    const onEnd = ({ message, cause }: { message: EndMessage | null; cause: string }) =>
      this.#end({
        sip_code: message && 'status_code' in message ? message.status_code : undefined,
        reason_header: message?.getHeader('Reason'),
        stack_cause: cause,
      })
    session.on('ended', onEnd)
    session.on('failed', onEnd)
  }

  #listenTo(connection: RTCPeerConnection): void {
    const speaker = new Speaker(this.#context.log, () => this.emit('audio_blocked', undefined))
    this.#speaker = speaker
    connection.addEventListener('track', ({ track }) => speaker.add(track))
    const device = this.#context.speakerId()
    if (device) speaker.use(device).catch(error => this.#context.log.warn('speaker not available', { error: String(error) }))
  }

  /** Undefined when the call ended while the user was being asked. */
  async #openMicrophone(): Promise<MediaStream | undefined> {
    const stream = await openMicrophone(this.#context.audioConstraints())
    if (this.#state === 'ended') {
      closeStream(stream)
      return undefined
    }
    this.#time('microphone')
    this.#microphone = stream
    return stream
  }

  async #renegotiate(from: CallState, start: (session: RTCSession, done: () => void) => boolean): Promise<void> {
    const session = this.#session
    if (!session || this.#state !== from) throw this.#invalid(from === 'active' ? 'hold' : 'unhold')
    // Without a connection the stack would end the call over the failed re-INVITE.
    if (!this.#context.isConnected()) throw new PhoneError('not_connected')
    await new Promise<void>((resolve, reject) => {
      const off = this.on('ended', () => reject(new PhoneError('hold_failed', { call_id: this.id })))
      const done = () => {
        off()
        resolve()
      }
      if (start(session, done)) return
      off()
      reject(new PhoneError('hold_failed', { call_id: this.id, busy: true }))
    })
  }

  #onHold(originator: string, on: boolean): void {
    if (originator === 'remote') this.remote_held = on
    else this.#move(on ? 'held' : 'active')
    this.emit('change', this)
  }

  #onMute(on: boolean): void {
    this.muted = on
    this.emit('change', this)
  }

  #move(to: CallState): void {
    if (!canMove(this.#state, to)) return
    this.#state = to
    this.#context.log.info('call state', { call_id: this.id, state: to })
    this.emit('state', to)
    this.emit('change', this)
  }

  #end(facts: EndFacts): void {
    if (this.#state === 'ended') return
    this.cause ??= callCause(facts)
    this.sip_code ??= facts.sip_code
    this.ended_at = new Date()
    closeStream(this.#microphone)
    this.#speaker?.close()
    this.#move('ended')
    this.emit('ended', { cause: this.cause, sip_code: this.sip_code })
  }

  #fail(error: unknown): void {
    this.error = error instanceof Error ? error : new Error(String(error))
    this.#context.log.warn('call failed on this side', { call_id: this.id, error: this.error.message })
    this.cause = 'failed'
    this.#end({})
  }

  #time(step: keyof CallTimings): void {
    this.timings[step] ??= performance.now() - this.#started
  }

  #pcConfig(): RTCConfiguration {
    return { iceServers: this.#context.ice_servers, rtcpMuxPolicy: 'require' }
  }

  #invalid(operation: string): PhoneError {
    return new PhoneError('invalid_state', { operation, state: this.#state, call_id: this.id })
  }
}

/** The part of a SIP message that says why a call ended. */
interface EndMessage {
  status_code?: number
  getHeader(name: string): string
}
