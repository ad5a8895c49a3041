import type { AckFrame, ClientFrame, ErrorFrame, ServerFrame } from '../../generated/sdk/realtime.ts'

/** The platform refused a frame. */
export class RealtimeError extends Error {
  override readonly name = 'RealtimeError'
  readonly status: ErrorFrame['error']['status']
  readonly reason: string
  readonly request_id: string
  constructor({ error }: ErrorFrame) {
    super(`${error.reason}: ${error.message}`)
    this.status = error.status
    this.reason = error.reason
    this.request_id = error.request_id
  }
}

/** The connection is over, or never came about. */
export class ClosedError extends Error {
  readonly code: number
  constructor(code: number, reason: string, what = 'The connection was closed') {
    super(`${what} (${code}${reason && ` ${reason}`}).`)
    this.code = code
  }
}

export interface ConnectionOptions {
  url: string
  WebSocket: typeof WebSocket
  /** For connecting and for every answer, in milliseconds. */
  timeoutMs: number
  /** Every frame that answers nothing. */
  onFrame(frame: ServerFrame): void
  /** Once, when it is over, whoever ended it. */
  onClose(code: number): void
}

interface Pending {
  resolve(frame: AckFrame | undefined): void
  reject(error: Error): void
  timer: ReturnType<typeof setTimeout>
}

/** A dead connection is noticed after this long without a frame, plus the time an answer may take. */
const pingMs = 25_000

/** One socket from its opening to its end: questions get their answers, or an error in time. */
export class Connection {
  readonly #options: ConnectionOptions
  readonly #socket: WebSocket
  readonly #pending = new Map<string, Pending>()
  readonly #opened: Promise<void>
  #count = 0
  /** Until it is open: when that takes too long; afterwards: when to ask for a sign of life. */
  #timer: ReturnType<typeof setTimeout> | undefined
  #reject: (error: Error) => void = () => undefined
  #over: Error | undefined

  constructor(options: ConnectionOptions) {
    this.#options = options
    const socket = new options.WebSocket(options.url)
    this.#socket = socket
    socket.addEventListener('message', ({ data }) => this.#receive(JSON.parse(String(data)) as ServerFrame))
    let what: string | undefined = `There is no connection to ${options.url}`
    this.#opened = new Promise((resolve, reject) => {
      this.#reject = reject
      const late = (): void => this.close(4000, new Error(`No connection within ${options.timeoutMs} ms.`))
      this.#timer = setTimeout(late, options.timeoutMs)
      socket.addEventListener('open', () => {
        what = undefined
        this.#listen()
        resolve()
      })
      // After an `error` comes `close`, with the code.
      socket.addEventListener('close', ({ code, reason }) => this.#end(code, new ClosedError(code, reason, what)))
    })
  }

  opened(): Promise<void> {
    return this.#opened
  }

  /** Sends a frame and gives its answer. Rejects with RealtimeError when it is refused. */
  async request(frame: ClientFrame): Promise<AckFrame | undefined> {
    if (this.#over) throw this.#over
    const { timeoutMs } = this.#options
    const id = String(++this.#count)
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.close(4000, new Error(`No answer to ${frame.type} within ${timeoutMs} ms.`)), timeoutMs)
      this.#pending.set(id, { resolve, reject, timer })
      this.#socket.send(JSON.stringify({ ...frame, id }))
    })
  }

  /** Ends it at once, whether or not the other side agrees; what waits for an answer is rejected with `error`. */
  close(code: number, error: Error): void {
    this.#end(code, error)
    this.#socket.close(code)
  }

  #end(code: number, error: Error): void {
    if (this.#over) return
    this.#over = error
    clearTimeout(this.#timer)
    this.#reject(error)
    for (const id of [...this.#pending.keys()]) this.#settle(id)?.reject(error)
    this.#options.onClose(code)
  }

  #settle(id: string | undefined): Pending | undefined {
    const pending = this.#pending.get(id ?? '')
    clearTimeout(pending?.timer)
    this.#pending.delete(id ?? '')
    return pending
  }

  /** Asks for a sign of life when none has come for a while; a missing answer ends the connection. */
  #listen(): void {
    clearTimeout(this.#timer)
    if (this.#over) return
    this.#timer = setTimeout(() => void this.request({ type: 'ping' }).catch(() => undefined), pingMs)
  }

  #receive(frame: ServerFrame): void {
    this.#listen()
    // After the end nobody expects anything; the socket may still bring what was on its way.
    if (this.#over) return
    if (frame.type === 'ack') this.#settle(frame.id)?.resolve(frame)
    else if (frame.type === 'pong') this.#settle(frame.id)?.resolve(undefined)
    else if (frame.type === 'error' && frame.id !== undefined) this.#settle(frame.id)?.reject(new RealtimeError(frame))
    else this.#options.onFrame(frame)
  }
}
