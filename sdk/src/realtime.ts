import {
  type AckFrame,
  closeCodes,
  type EventFrame,
  type EventResource,
  type EventType,
  type GapFrame,
  type ServerFrame,
  type StateFrame,
} from '../../generated/sdk/realtime.ts'
import { ClosedError, Connection, RealtimeError } from './connection.ts'
import { type TokenSource, Tokens } from './credentials.ts'
import { rootOf, variable } from './defaults.ts'
import { FrameQueue, type RealtimeFrame } from './frame-queue.ts'
import { longestTimerMs } from './within.ts'

export type {
  AnyEvent,
  ErrorFrame,
  EventEnvelope,
  EventFrame,
  EventMap,
  EventResource,
  EventType,
  GapFrame,
  StateFrame,
  StateMap,
  StateType,
} from '../../generated/sdk/realtime.ts'
export { RealtimeError } from './connection.ts'
export type { TokenRequest, TokenSource } from './credentials.ts'
export type { RealtimeFrame } from './frame-queue.ts'

type Owner = `customer_id:${string}` | `agent_id:${string}`
type Whose = EventResource | `${Owner}:${EventResource}`
/** What to hear of: `call`, `call:<id>` of the own customer, or `customer_id:<id>:call`, `agent_id:<id>:call:<id>`. */
export type EventTopic = Whose | `${Whose}:${string}`
/** The event frame of a type, or of all types of a resource: `call.hungup`, `call.*`, `*`. */
export type EventOf<P extends string> = P extends '*'
  ? EventFrame
  : P extends `${infer R}.*`
    ? Extract<EventFrame, { event_type: `${R}.${string}` }>
    : Extract<EventFrame, { event_type: P }>
export type EventPattern = EventType | `${EventResource}.*` | '*'

export interface RealtimeOptions {
  /** Unless this or `token` is given, `VOIPBIN_ACCESS_KEY` of the environment. */
  accessKey?: string | undefined
  /** A session token, or where to get one: asked again before the token ends, and when it is refused. */
  token?: TokenSource | undefined
  /** Where the platform is, as for the client; the address of the socket (`wss://…/ws`) will do. */
  baseUrl?: string | undefined
  /** For runtimes without a global WebSocket, such as Node 20: that of the package `ws`. */
  WebSocket?: typeof WebSocket | undefined
  /** Longest pause between attempts to connect, in milliseconds. Default 30,000. */
  maxDelayMs?: number | undefined
  /** For connecting, for every answer and for the token source, in milliseconds. Default 10,000. */
  timeoutMs?: number | undefined
  /** Told about every change of the connection. */
  onState?: ((state: RealtimeState) => void) | undefined
  /** Told what fails in the background: attempts to connect, topics that are refused when they come back, the token source, handlers. */
  onError?: ((error: unknown) => void) | undefined
}
export type RealtimeState = 'connecting' | 'open' | 'reconnecting' | 'closed'
type Handler = (frame: never) => void

/** How many frames wait for a loop before the oldest go; fewer while there is no loop yet. */
const queueLimit = 10_000
const earlyLimit = 1000
const topicsPerFrame = 100
/** A connection that lived this long was a good one: the next attempt after it comes soon. */
const goodMs = 10_000

/**
 * Events of the platform as they happen. Reconnects by itself, subscribes again to what was subscribed, and brings what was missed meanwhile, or a `gap` when
 * that is not possible.
 */
export class Realtime {
  readonly #options: RealtimeOptions
  readonly #url: string
  readonly #WebSocket: typeof WebSocket
  readonly #timeoutMs: number
  readonly #tokens: Tokens | undefined
  readonly #topics = new Set<string>()
  readonly #handlers = new Map<string, Set<Handler>>()
  readonly #queues = new Set<FrameQueue>()
  /** Holds what comes between the first subscription and the first loop. */
  #early: FrameQueue | undefined = new FrameQueue(earlyLimit)
  #connection: Connection | undefined
  #ready: Promise<void> | undefined
  #state: RealtimeState | undefined
  #customer = ''
  /** Where to resume: the last number seen. */
  #seq = 0
  /** Around a reconnect an event may come twice. */
  readonly #seen = new Set<string>()
  #token = ''
  /** A token that the platform no longer takes. */
  #refused: string | undefined
  /** Why it is closed, when nobody asked for it. */
  #error: Error | undefined
  #failures = 0
  #opened = 0
  #retry: ReturnType<typeof setTimeout> | undefined
  #renewal: ReturnType<typeof setTimeout> | undefined

  constructor(options: RealtimeOptions = {}) {
    const { token, WebSocket = globalThis.WebSocket } = options
    const accessKey = options.accessKey || (token ? undefined : variable('VOIPBIN_ACCESS_KEY'))
    if (!accessKey && !token) throw new TypeError('Realtime needs an accessKey or a token, or VOIPBIN_ACCESS_KEY in the environment')
    if (!WebSocket) throw new TypeError('This runtime has no WebSocket; pass one, that of the package ws for example')
    this.#options = { ...options, accessKey }
    this.#url = `${rootOf(options.baseUrl).replace(/^http/, 'ws')}/ws`
    this.#WebSocket = WebSocket
    this.#timeoutMs = Math.min(options.timeoutMs ?? 10_000, longestTimerMs)
    const late = (): Error => new Error(`No token within ${this.#timeoutMs} ms.`)
    if (!accessKey && token) this.#tokens = new Tokens(token, { timeoutMs: this.#timeoutMs, late })
    if (this.#early) this.#queues.add(this.#early)
  }

  /** Connects and authenticates; `subscribe` does it by itself. Rejects when this attempt fails; unless the credentials are refused, others follow. */
  connect(): Promise<void> {
    if (this.#state === 'closed') return Promise.reject(this.#error ?? new Error('The client is closed.'))
    clearTimeout(this.#retry)
    this.#ready ??= this.#open()
    return this.#ready
  }

  /**
   * Asks for topics, of the own customer unless they say whose. Rejects with RealtimeError when one is refused; then none of those it was sent with
   * counts, which are up to a hundred.
   */
  async subscribe(...topics: EventTopic[]): Promise<void> {
    await this.connect()
    for (const some of inFrames(topics)) this.#note(await this.#request({ type: 'subscribe', topics: some.map(this.#full) }))
    for (const topic of topics) this.#topics.add(topic)
  }

  async unsubscribe(...topics: EventTopic[]): Promise<void> {
    for (const topic of topics) this.#topics.delete(topic)
    await this.connect()
    for (const some of inFrames(topics)) this.#note(await this.#request({ type: 'unsubscribe', topics: some.map(this.#full) }))
  }

  /** Calls `handler` for every event of a type, of a resource (`call.*`) or for all (`*`). Returns how to stop. */
  on<P extends EventPattern>(pattern: P, handler: (event: EventOf<P>) => void): () => void
  /** Calls `handler` when events may be missing: what was read over REST before is not up to date. */
  on(what: 'gap', handler: (gap: GapFrame) => void): () => void
  /** Calls `handler` for states of the fast path: for displays, any of them may be lost. */
  on(what: 'state', handler: (state: StateFrame) => void): () => void
  on(pattern: string, handler: Handler): () => void {
    const handlers = this.#handlers.get(pattern) ?? new Set()
    // A function of its own, so that the same handler may be there twice.
    const own: Handler = frame => handler(frame)
    this.#handlers.set(pattern, handlers.add(own))
    return () => void handlers.delete(own)
  }

  /**
   * Every event and every gap. The first loop begins with what has come since the client was made, later ones with what comes from then on. It ends when the
   * client is closed, and throws when the platform refuses the credentials.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<RealtimeFrame> {
    const early = this.#early
    this.#early = undefined
    const queue: FrameQueue = new FrameQueue(queueLimit, () => this.#queues.delete(queue))
    if (early) this.#queues.delete(early)
    early?.moveTo(queue)
    if (this.#state === 'closed') queue.end(this.#error)
    else this.#queues.add(queue)
    return queue
  }

  /** Ends the connection for good. Safe to call twice. */
  close(): void {
    this.#finish()
  }

  #finish(error?: Error): void {
    if (this.#state === 'closed') return
    this.#error = error
    this.#tell('closed')
    clearTimeout(this.#retry)
    clearTimeout(this.#renewal)
    this.#connection?.close(1000, error ?? new Error('The client was closed.'))
    for (const queue of this.#queues) queue.end(error)
  }

  async #open(): Promise<void> {
    this.#tell(this.#state === undefined ? 'connecting' : 'reconnecting')
    try {
      const credentials = await this.#credentials(this.#refused)
      if (this.#state === 'closed') throw new Error('The client was closed.')
      const connection: Connection = new Connection({
        url: this.#url,
        WebSocket: this.#WebSocket,
        timeoutMs: this.#timeoutMs,
        onFrame: frame => this.#receive(frame),
        onClose: code => this.#lost(connection, code),
      })
      this.#connection = connection
      await connection.opened()
      this.#customer = (await connection.request({ type: 'auth', ...credentials }))?.customer_id ?? ''
      await this.#restore(connection)
    } catch (error) {
      this.#failed(error)
      throw error
    }
    this.#refused = undefined
    this.#opened = Date.now()
    this.#tell('open')
  }

  /** What to authenticate with: another token than the refused one. */
  async #credentials(refused: string | undefined): Promise<{ accesskey: string } | { token: string }> {
    if (!this.#tokens) return { accesskey: this.#options.accessKey ?? '' }
    this.#token = await (refused === undefined ? this.#tokens.get() : this.#tokens.renew(refused))
    this.#renewBeforeEnd(this.#token)
    return { token: this.#token }
  }

  /** A newer token takes the place of one that is about to end, on the same socket. */
  #renewBeforeEnd(token: string): void {
    clearTimeout(this.#renewal)
    const left = endOf(token) - Date.now()
    if (!(left > 1000) || typeof this.#options.token !== 'function') return
    const wait = Math.min(left - Math.min(60_000, left / 5), longestTimerMs)
    this.#renewal = setTimeout(() => void this.#renew(token), wait)
  }

  async #renew(token: string): Promise<void> {
    if (this.#state !== 'open') return
    try {
      await this.#request({ type: 'auth', ...(await this.#credentials(token)) })
    } catch (error) {
      this.#report(error)
      this.#renewBeforeEnd(token)
    }
  }

  /** Subscribes again and brings what was missed. Topics that are refused by now are dropped and told. */
  async #restore(connection: Connection): Promise<void> {
    const resumeFrom = this.#seq
    const ask = async (topics: string[]): Promise<void> => {
      const full = topics.map(this.#full)
      this.#note(
        await connection.request(resumeFrom > 0 ? { type: 'resume', topics: full, seq: resumeFrom } : { type: 'subscribe', topics: full }),
      )
    }
    if (this.#topics.size > 0 && resumeFrom === 0) this.#receive({ type: 'gap', from: 0, to: 0, reason: 'unavailable' })
    for (const some of inFrames([...this.#topics])) {
      try {
        await ask(some)
      } catch (error) {
        if (!isFinal(error)) throw error
        for (const topic of some) await ask([topic]).catch((refusal: unknown) => this.#drop(topic, refusal))
      }
    }
  }

  #drop(topic: string, refusal: unknown): void {
    if (!isFinal(refusal)) throw refusal
    this.#topics.delete(topic)
    this.#report(refusal)
  }

  #failed(error: unknown): void {
    this.#ready = undefined
    const connection = this.#connection
    this.#connection = undefined
    connection?.close(1000, error as Error)
    if (this.#state === 'closed') return
    this.#report(error)
    const isRefused = isFinal(error) || (error instanceof ClosedError && error.code === closeCodes.unauthenticated)
    if (isRefused && !this.#mayRenew()) this.#finish(error as Error)
    else this.#later()
  }

  /** Whether refused credentials may be exchanged for others: once, by a source. */
  #mayRenew(): boolean {
    if (typeof this.#options.token !== 'function' || this.#refused !== undefined) return false
    this.#refused = this.#token
    return true
  }

  #lost(connection: Connection, code: number): void {
    // One that failed while it was opened has been dealt with.
    if (this.#connection !== connection || this.#state !== 'open') return
    this.#ready = undefined
    this.#connection = undefined
    clearTimeout(this.#renewal)
    if (Date.now() - this.#opened > goodMs) this.#failures = 0
    const isOver = code === closeCodes.frameTooLong || (code === closeCodes.unauthenticated && !this.#mayRenew())
    if (isOver) this.#finish(new ClosedError(code, ''))
    else {
      this.#tell('reconnecting')
      this.#later()
    }
  }

  /** Tries again after a random pause, up to a limit that doubles. */
  #later(): void {
    this.#failures++
    const longest = Math.min(this.#options.maxDelayMs ?? 30_000, 250 * 2 ** Math.min(this.#failures, 10))
    clearTimeout(this.#retry)
    // A failure has been reported by the attempt itself.
    this.#retry = setTimeout(() => void this.connect().catch(() => undefined), Math.random() * longest)
  }

  #request(frame: Parameters<Connection['request']>[0]): Promise<AckFrame | undefined> {
    if (!this.#connection) return Promise.reject(new Error('The connection was lost.'))
    return this.#connection.request(frame)
  }

  readonly #full = (topic: string): string => (/^(customer|agent)_id:/.test(topic) ? topic : `customer_id:${this.#customer}:${topic}`)

  /** Remembers where to resume. */
  #note(ack: AckFrame | undefined): void {
    if (ack) this.#seq = Math.max(this.#seq, ack.seq)
  }

  #receive(frame: ServerFrame): void {
    if (frame.type === 'state') this.#call('state', frame)
    else if (frame.type === 'error') this.#report(new RealtimeError(frame))
    else if (frame.type === 'gap') {
      // The numbers may have begun anew: what comes now counts, however small.
      this.#seq = frame.to
      this.#call('gap', frame)
      for (const queue of this.#queues) queue.push(frame)
    } else if (frame.type === 'event' && this.#isNew(frame)) {
      for (const pattern of [frame.event_type, frame.event_type.replace(/\..*/, '.*'), '*']) this.#call(pattern, frame)
      for (const queue of this.#queues) queue.push(frame)
    }
  }

  #isNew({ seq, event_id }: EventFrame): boolean {
    this.#seq = Math.max(this.#seq, seq)
    if (this.#seen.has(event_id)) return false
    this.#seen.add(event_id)
    if (this.#seen.size > earlyLimit) this.#seen.delete(this.#seen.values().next().value ?? '')
    return true
  }

  #call(pattern: string, frame: unknown): void {
    for (const handler of this.#handlers.get(pattern) ?? []) this.#shield(() => handler(frame as never))
  }

  /** What a handler throws must not stop the others, nor the client from connecting again. Without anybody to tell it ends up where uncaught errors do. */
  #shield(handle: () => void): void {
    try {
      handle()
    } catch (error) {
      if (this.#options.onError) this.#report(error)
      else throwApart(error)
    }
  }

  #report(error: unknown): void {
    try {
      this.#options.onError?.(error)
    } catch (thrown) {
      throwApart(thrown)
    }
  }

  #tell(state: RealtimeState): void {
    if (this.#state === state) return
    this.#state = state
    this.#shield(() => this.#options.onState?.(state))
  }
}

/** Whether the platform would refuse the same again; a full house or a part that is away is another matter. */
const isFinal = (error: unknown): boolean =>
  error instanceof RealtimeError && ['UNAUTHENTICATED', 'PERMISSION_DENIED', 'INVALID_ARGUMENT', 'NOT_FOUND'].includes(error.status)

const throwApart = (error: unknown): void =>
  queueMicrotask(() => {
    throw error
  })

function* inFrames(topics: readonly string[]): Generator<string[]> {
  for (let i = 0; i < topics.length; i += topicsPerFrame) yield topics.slice(i, i + topicsPerFrame)
}

/** When a JWT ends, in milliseconds; NaN when it does not say. */
function endOf(token: string): number {
  try {
    const payload = atob((token.split('.')[1] ?? '').replace(/-/g, '+').replace(/_/g, '/'))
    return Number((JSON.parse(payload) as { exp?: number }).exp) * 1000
  } catch {
    // Not one of ours to read: the platform says when it is over.
    return Number.NaN
  }
}
