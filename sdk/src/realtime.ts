import type { AckFrame, AnyEvent, ClientFrame, ErrorFrame, EventFrame, EventType, ServerFrame } from '../../generated/sdk/realtime.ts'

export type { AnyEvent, ErrorFrame, EventEnvelope, EventFrame, EventMap, EventType } from '../../generated/sdk/realtime.ts'

export interface RealtimeOptions {
  /** `wss://…/ws` */
  url: string
  accessKey?: string
  /** A session token, or where to get one: asked at every connect. */
  token?: string | (() => string | Promise<string>)
  /** For runtimes without a global WebSocket. */
  WebSocket?: typeof WebSocket
  /** Longest pause between attempts to connect, in milliseconds. Default 30,000. */
  maxDelay_ms?: number
  /** Told about every change of the connection. */
  onState?: (state: RealtimeState) => void
}
export type RealtimeState = 'connecting' | 'open' | 'reconnecting' | 'closed'
type Handler = (event: EventFrame) => void

/** A request frame was refused. */
export class RealtimeError extends Error {
  override readonly name = 'RealtimeError'
  readonly reason: string
  constructor({ error }: ErrorFrame) {
    super(`${error.reason}: ${error.message}`)
    this.reason = error.reason
  }
}

interface Pending {
  resolve(ack: AckFrame): void
  reject(error: Error): void
  timer: ReturnType<typeof setTimeout>
}

const answerMs = 10_000

/** Events of the platform as they happen. Reconnects by itself and subscribes again to what was subscribed. */
export class Realtime {
  readonly #options: RealtimeOptions
  readonly #topics = new Set<string>()
  readonly #handlers = new Map<string, Set<Handler>>()
  readonly #pending = new Map<string, Pending>()
  /** Wakes the iterators that wait for an event. */
  readonly #closers = new Set<() => void>()
  #socket: WebSocket | undefined
  #ready: Promise<void> | undefined
  #closed = false
  #failures = 0
  #count = 0
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(options: RealtimeOptions) {
    this.#options = options
  }

  /** Connects and authenticates. Resolves once the socket may subscribe; `subscribe` does it by itself. */
  connect(): Promise<void> {
    if (this.#closed) return Promise.reject(new Error('The client is closed.'))
    this.#ready ??= this.#open()
    return this.#ready
  }

  /** Asks for topics, `customer_id:<id>:call:*` for example. Rejects with RealtimeError when one is refused; then none of them counts. */
  async subscribe(...topics: string[]): Promise<void> {
    await this.connect()
    await this.#request({ type: 'subscribe', topics })
    for (const topic of topics) this.#topics.add(topic)
  }

  async unsubscribe(...topics: string[]): Promise<void> {
    for (const topic of topics) this.#topics.delete(topic)
    await this.connect()
    await this.#request({ type: 'unsubscribe', topics })
  }

  /** Calls `handler` for every event of a type, `*` for all. Returns how to stop. */
  on<T extends EventType>(type: T, handler: (event: Extract<EventFrame, { event_type: T }>) => void): () => void
  on(type: '*', handler: (event: EventFrame) => void): () => void
  on(type: string, handler: (event: never) => void): () => void {
    const handlers = this.#handlers.get(type) ?? new Set()
    this.#handlers.set(type, handlers.add(handler as Handler))
    return () => void handlers.delete(handler as Handler)
  }

  /** Every event from now on. Ends when the client is closed. */
  async *[Symbol.asyncIterator](): AsyncGenerator<EventFrame> {
    const queue: EventFrame[] = []
    let wake = (): void => undefined
    const off = this.on('*', event => {
      queue.push(event)
      wake()
    })
    const wakeUp = (): void => wake()
    this.#closers.add(wakeUp)
    try {
      while (!this.#closed || queue.length > 0) {
        const event = queue.shift()
        if (event) yield event
        else await new Promise<void>(resolve => (wake = resolve))
      }
    } finally {
      off()
      this.#closers.delete(wakeUp)
    }
  }

  /** Ends the connection for good. Safe to call twice. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    clearTimeout(this.#timer)
    this.#socket?.close(1000)
    this.#fail(new Error('The client was closed.'))
    this.#options.onState?.('closed')
    for (const closer of this.#closers) closer()
  }

  async #open(): Promise<void> {
    this.#options.onState?.(this.#failures === 0 ? 'connecting' : 'reconnecting')
    const Socket = this.#options.WebSocket ?? WebSocket
    const socket = new Socket(this.#options.url)
    this.#socket = socket
    socket.addEventListener('message', ({ data }) => this.#receive(JSON.parse(String(data)) as ServerFrame))
    try {
      await new Promise<void>((resolve, reject) => {
        socket.addEventListener('open', () => resolve(), { once: true })
        socket.addEventListener('close', () => reject(new Error('The connection failed.')), { once: true })
        socket.addEventListener('error', () => reject(new Error('The connection failed.')), { once: true })
      })
      const { token, accessKey } = this.#options
      const credentials = accessKey ? { accesskey: accessKey } : { token: typeof token === 'function' ? await token() : (token ?? '') }
      await this.#request({ type: 'auth', ...credentials })
      if (this.#topics.size > 0) await this.#request({ type: 'subscribe', topics: [...this.#topics] })
    } catch (error) {
      this.#ready = undefined
      socket.close()
      // Refused credentials stay refused; anything else may pass.
      if (!(error instanceof RealtimeError)) this.#later()
      throw error
    }
    this.#failures = 0
    socket.addEventListener('close', () => this.#lost(), { once: true })
    this.#options.onState?.('open')
  }

  #lost(): void {
    this.#ready = undefined
    this.#fail(new Error('The connection was lost.'))
    this.#later()
  }

  /** Tries again after a pause, unless nobody ever listened or the client is closed. */
  #later(): void {
    if (this.#closed) return
    this.#failures++
    const longest = Math.min(this.#options.maxDelay_ms ?? 30_000, 250 * 2 ** Math.min(this.#failures, 10))
    clearTimeout(this.#timer)
    // The failure is reported through onState and by the next attempt; a rejection here has nobody to catch it.
    this.#timer = setTimeout(() => void this.connect().catch(() => this.#options.onState?.('reconnecting')), Math.random() * longest)
  }

  #request(frame: ClientFrame): Promise<AckFrame> {
    if (this.#closed) return Promise.reject(new Error('The client was closed.'))
    const id = String(++this.#count)
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#settle(id)?.reject(new Error(`No answer to ${frame.type} within ${answerMs} ms.`)), answerMs)
      this.#pending.set(id, { resolve, reject, timer })
      this.#socket?.send(JSON.stringify({ ...frame, id }))
    })
  }

  #settle(id: string | undefined): Pending | undefined {
    if (id === undefined) return undefined
    const pending = this.#pending.get(id)
    clearTimeout(pending?.timer)
    this.#pending.delete(id)
    return pending
  }

  #fail(error: Error): void {
    for (const id of [...this.#pending.keys()]) this.#settle(id)?.reject(error)
  }

  #receive(frame: ServerFrame): void {
    if (frame.type === 'ack') this.#settle(frame.id)?.resolve(frame)
    else if (frame.type === 'error') this.#settle(frame.id)?.reject(new RealtimeError(frame))
    else if (frame.type === 'event') this.#deliver(frame)
  }

  #deliver(event: EventFrame & AnyEvent): void {
    for (const type of [event.event_type, '*']) for (const handler of this.#handlers.get(type) ?? []) handler(event)
  }
}
