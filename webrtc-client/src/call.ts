import type { IncomingDTMFEvent, IncomingEvent, OutgoingDTMFEvent, OutgoingEvent, RTCSession } from 'jssip/lib/RTCSession.js'
import { type Identity, targetUri } from './address.ts'
import type { CallContext } from './call-context.ts'
import { type CallState, canMove, isEstablished } from './call-state.ts'
import { type CallCause, callCause, type EndFacts, type EndMessage, endFacts } from './cause.ts'
import { type DtmfOptions, parseTones, sendTones } from './dtmf.ts'
import { Emitter } from './emitter.ts'
import { MicrophoneError, PhoneError } from './errors.ts'
import { MediaPath } from './media-path.ts'
import { Microphone } from './microphone.ts'
import { refreshTarget } from './refresh.ts'
import { Speaker } from './speaker.ts'
import { type CallStats, StatsReader } from './stats.ts'

export interface CallEvents {
  /** Anything a user could see has changed: state, hold, mute, early media, interruption, cause. */
  change: Call
  state: CallState
  ended: { cause: CallCause; sipCode: number | undefined }
  /** The far end sent a tone by SIP INFO. (RFC 4733 tones are audio to a browser and cannot be seen.) */
  dtmf: { tone: string }
  /** The browser wants a user gesture before it plays sound: call `resumeAudio()` from one. */
  audioBlocked: undefined
  /** The microphone was unplugged. `label` names the one that took its place; empty: there is none, the other side hears silence. */
  microphoneLost: { label: string }
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
  readonly createdAt = new Date()
  readonly timings: CallTimings = {}
  remote: Identity
  answeredAt: Date | undefined
  endedAt: Date | undefined
  /** This side sends silence. May be set before the call is answered. */
  muted = false
  /** The audio has stopped because the network changed or is gone. It is being repaired; a call whose audio stays away for 45 s ends with `network_failure`. */
  interrupted = false
  /** The other side has put this side on hold. */
  remoteHeld = false
  /** The network plays ringing or an announcement itself: no ringing tone of ours. */
  earlyMedia = false
  cause: CallCause | undefined
  sipCode: number | undefined
  /** Why the call failed on this side, e.g. a MicrophoneError. */
  error: Error | undefined

  #state: CallState
  #session: RTCSession | undefined
  readonly #microphone: Microphone
  #speaker: Speaker | undefined
  #path: MediaPath | undefined
  #answered = 0
  #ended = 0
  /** The last change by re-INVITE: there can be one at a time (RFC 3261 14.1). */
  #change: Promise<void> = Promise.resolve()
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
    this.#microphone = new Microphone({
      constraints: context.audioConstraints,
      sender: () => this.#session?.connection?.getSenders().find(({ track }) => track?.kind === 'audio'),
      onLost: label => {
        context.log.warn('microphone lost', { callId: this.id, replaced: label !== '' })
        this.emit('microphoneLost', { label })
      },
    })
    if (session) this.#follow(session)
  }

  get state(): CallState {
    return this.#state
  }

  /** Milliseconds since the answer, final after the end; 0 for a call that was never answered. A clock that is set does not change it. */
  get durationMs(): number {
    return this.#answered && (this.#ended || performance.now()) - this.#answered
  }

  /** SIP Call-ID, empty before the INVITE is made. */
  get sipCallId(): string {
    return this.#session?.id ?? ''
  }

  /** What the other side says, for recording or a level meter; undefined before there is any. */
  get remoteStream(): MediaStream | undefined {
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
      this.#listenTo(session)
    } catch (error) {
      this.#fail(error)
    }
  }

  /** Takes an incoming call. Resolves when the answer is on its way or the call has ended meanwhile. Rejects with MicrophoneError when there is none; the call then goes on ringing. */
  async answer(): Promise<void> {
    const session = this.#session
    if (this.direction !== 'incoming' || this.#state !== 'ringing' || !session) throw this.#invalid('answer')
    this.#started = performance.now()
    this.#move('answering')
    try {
      const mediaStream = await this.#openMicrophone()
      if (!mediaStream) return
      session.answer({ mediaStream, pcConfig: this.#pcConfig() })
      this.#listenTo(session)
    } catch (error) {
      // Allowing the microphone and answering again is better than losing the caller.
      if (error instanceof MicrophoneError) this.#move('ringing')
      else {
        if (!session.isEnded()) session.terminate({ status_code: 480 })
        this.#fail(error)
      }
      throw error
    }
  }

  /** Refuses an incoming call with a SIP code, 300–699: 486 busy here, 603 declined everywhere. Throws `invalid_state`. */
  reject(code = 486): void {
    if (this.direction !== 'incoming' || isEstablished(this.#state) || this.#state === 'ended') throw this.#invalid('reject')
    this.#session?.terminate({ status_code: code })
  }

  /** Ends the call in any state; a call that has ended is left alone. Without a connection the BYE follows after the reconnect. */
  hangup(): void {
    if (this.#state === 'ended') return
    const session = this.#session
    const byUser: EndFacts = isEstablished(this.#state) ? { stackCause: 'Terminated' } : { stackCause: 'Canceled' }
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

  /** Stops the audio both ways and tells the other side. Resolves when it has agreed, at once when the call is held. Rejects with `hold_failed`. */
  hold(): Promise<void> {
    return this.#renegotiate('held', (session, done) => session.hold({}, done))
  }

  /** Goes on with a held call. Resolves and rejects as `hold()` does. */
  unhold(): Promise<void> {
    return this.#renegotiate('active', (session, done) => session.unhold({}, done))
  }

  /** Sends silence instead of the microphone, from the first word on when the call is not answered yet. */
  mute(): void {
    this.#setMuted(true)
  }

  unmute(): void {
    this.#setMuted(false)
  }

  /** Sends tones to the other side; `,` is a pause of two seconds. Resolves when the last tone is out, by SIP INFO at once, or the call has ended. */
  async sendDtmf(tones: string, options: DtmfOptions = {}): Promise<void> {
    const session = this.#session
    const text = parseTones(tones)
    if (!session || this.#state !== 'active') throw this.#invalid('sendDtmf')
    if (options.transport === 'info') {
      session.sendDTMF(text, { duration: options.durationMs ?? 160, interToneGap: options.gapMs ?? 70 })
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

  /** @internal */
  async useMicrophone(constraints: MediaTrackConstraints): Promise<void> {
    await this.#microphone.change(constraints)
  }

  /** @internal */
  async useSpeaker(deviceId: string): Promise<void> {
    await this.#speaker?.use(deviceId)
  }

  /** @internal After a reconnect: the other side learns the new connection, and ICE starts over when the media path broke too. */
  refresh(): void {
    const session = this.#session
    if (!session || !isEstablished(this.#state)) return
    this.#context.log.info('call refreshed after reconnect', { callId: this.id, iceRestart: this.interrupted })
    if (this.interrupted) this.#restartIce()
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
      this.earlyMedia ||= 'response' in event && Boolean(event.response?.body)
      this.#time('ringing')
      this.#move('ringing')
      this.emit('change', this)
    })
    session.on('accepted', () => {
      this.#time('answered')
      this.#answered = performance.now()
      this.answeredAt = new Date()
      this.#move('active')
    })
    session.on('hold', ({ originator }) => this.#onHold(originator, true))
    session.on('unhold', ({ originator }) => this.#onHold(originator, false))
    session.on('muted', () => this.#onMute(true))
    session.on('unmuted', () => this.#onMute(false))
    session.on('newDTMF', ({ originator, dtmf }: IncomingDTMFEvent | OutgoingDTMFEvent) => {
      if (String(originator) === 'remote') this.emit('dtmf', { tone: dtmf.tone })
    })
    const onEnd = ({ message, cause }: { message: EndMessage | null; cause: string }) => this.#end(endFacts(message, cause))
    session.on('ended', onEnd)
    session.on('failed', onEnd)
  }

  #listenTo(session: RTCSession): void {
    const { connection } = session
    const speaker = new Speaker(this.#context.log, () => this.emit('audioBlocked', undefined))
    this.#speaker = speaker
    connection.addEventListener('track', ({ track }) => speaker.add(track))
    const device = this.#context.speakerId()
    if (device) speaker.use(device).catch(error => this.#context.log.warn('speaker not available', { error: String(error) }))
    if (this.muted) session.mute({ audio: true })
    const terminate = session.terminate.bind(session)
    // The stack ends a call as soon as ICE fails; a path that has stood is repaired instead.
    session.terminate = options => {
      if (options?.cause !== 'RTP Timeout' || !this.#path?.stood) terminate(options)
    }
    this.#path = new MediaPath(connection, {
      onInterrupted: interrupted => {
        this.interrupted = interrupted
        this.#context.log.warn('media path', { callId: this.id, interrupted })
        if (interrupted) this.#context.checkConnection()
        this.emit('change', this)
      },
      restart: () => this.#restartIce(),
      onLost: () => {
        this.cause = 'network_failure'
        this.hangup()
      },
    })
  }

  /** Gathers candidates of the network as it is now and offers them. Without a connection this happens after the reconnect. */
  #restartIce(): void {
    const session = this.#session
    if (!session || !this.#context.isConnected() || !isEstablished(this.#state) || !session.isReadyToReOffer()) return
    session.renegotiate({ rtcOfferConstraints: { offerToReceiveAudio: true, iceRestart: true } })
  }

  /** Undefined when the call ended while the user was being asked. */
  async #openMicrophone(): Promise<MediaStream | undefined> {
    const stream = await this.#microphone.open({ muted: () => this.muted })
    if (stream) this.#time('microphone')
    return stream
  }

  #renegotiate(to: 'active' | 'held', start: (session: RTCSession, done: () => void) => boolean): Promise<void> {
    const turn = this.#change.then(() => this.#offer(to, start))
    this.#change = turn.catch(() => undefined)
    return turn
  }

  async #offer(to: 'active' | 'held', start: (session: RTCSession, done: () => void) => boolean): Promise<void> {
    const session = this.#session
    if (!session || !isEstablished(this.#state)) throw this.#invalid(to === 'held' ? 'hold' : 'unhold')
    if (this.#state === to) return
    // Without a connection the stack would end the call over the failed re-INVITE.
    if (!this.#context.isConnected()) throw new PhoneError('not_connected')
    await new Promise<void>((resolve, reject) => {
      const off = this.on('ended', () => reject(new PhoneError('hold_failed', { callId: this.id })))
      const done = () => {
        off()
        resolve()
      }
      if (start(session, done)) return
      off()
      reject(new PhoneError('hold_failed', { callId: this.id, busy: true }))
    })
  }

  #onHold(originator: string, on: boolean): void {
    if (originator === 'remote') this.remoteHeld = on
    else this.#move(on ? 'held' : 'active')
    this.emit('change', this)
  }

  #setMuted(on: boolean): void {
    if (this.muted === on || this.#state === 'ended') return
    // Before there is a connection the microphone opens muted.
    if (!this.#session?.connection) this.#onMute(on)
    else if (on) this.#session.mute({ audio: true })
    else this.#session.unmute({ audio: true })
  }

  #onMute(on: boolean): void {
    this.muted = on
    this.emit('change', this)
  }

  #move(to: CallState): void {
    if (!canMove(this.#state, to)) return
    this.#state = to
    this.#context.log.info('call state', { callId: this.id, state: to })
    this.emit('state', to)
    this.emit('change', this)
  }

  #end(facts: EndFacts): void {
    if (this.#state === 'ended') return
    this.cause ??= callCause(facts)
    this.sipCode ??= facts.sipCode
    this.endedAt = new Date()
    this.#ended = performance.now()
    this.interrupted = false
    this.#microphone.close()
    this.#path?.close()
    this.#speaker?.close()
    // The stack closes it with the BYE, which without a connection may be long in coming.
    this.#session?.connection?.close()
    this.#move('ended')
    this.emit('ended', { cause: this.cause, sipCode: this.sipCode })
  }

  #fail(error: unknown): void {
    this.error = error instanceof Error ? error : new Error(String(error))
    this.#context.log.warn('call failed on this side', { callId: this.id, error: this.error.message })
    this.cause = 'failed'
    this.#end({})
  }

  #time(step: keyof CallTimings): void {
    this.timings[step] ??= performance.now() - this.#started
  }

  #pcConfig(): RTCConfiguration {
    return { iceServers: this.#context.iceServers, rtcpMuxPolicy: 'require' }
  }

  #invalid(operation: string): PhoneError {
    return new PhoneError('invalid_state', { operation, state: this.#state, callId: this.id })
  }
}
