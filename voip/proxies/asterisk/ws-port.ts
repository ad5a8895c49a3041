import WebSocket from 'ws'
import { type AriEvent, type AriOperation, ariRoutes } from './ari-types.ts'
import { AriError, AriUnavailable, type AsteriskPort, type Params, type PortListener, type PortOptions, type Result } from './port.ts'

const REQUEST_TIMEOUT_MS = 10_000
const PING_MS = 5_000
const RETRY_MS = { first: 100, most: 2_000 }

interface Answer {
  type: 'RESTResponse'
  request_id: string
  status_code: number
  reason_phrase: string
  message_body?: string
}
interface Pending {
  operation: string
  resolve(answer: Answer): void
  reject(error: Error): void
  timer: NodeJS.Timeout
}

/** Events and requests over one WebSocket: no connection per request, and answers come in order with the events they cause. */
export function openWebSocketPort(options: PortOptions): AsteriskPort {
  return new WebSocketPort(options)
}

class WebSocketPort implements AsteriskPort {
  #options: PortOptions
  #listener: PortListener | undefined
  #socket: WebSocket | undefined
  #open = false
  #stopped = false
  #paused = false
  #failures = 0
  #alive = true
  #retry: NodeJS.Timeout | undefined
  #ping: NodeJS.Timeout | undefined
  #pending = new Map<string, Pending>()
  #count = 0

  constructor(options: PortOptions) {
    this.#options = options
  }

  get connected(): boolean {
    return this.#open
  }

  start(listener: PortListener): void {
    this.#listener = listener
    this.#connect()
  }

  async request<O extends AriOperation>(operation: O, params: Params<O>): Promise<Result<O>> {
    const answer = await this.#send(operation, restRequest(operation, params))
    if (answer.status_code >= 300) throw new AriError(operation, answer.status_code, problem(answer))
    // The operation table says what this is; Asterisk's answers are trusted.
    return (answer.message_body ? JSON.parse(answer.message_body) : undefined) as Result<O>
  }

  pause(): void {
    this.#paused = true
    this.#socket?.pause()
  }

  resume(): void {
    this.#paused = false
    this.#socket?.resume()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#retry)
    clearInterval(this.#ping)
    const socket = this.#socket
    if (socket === undefined || socket.readyState === WebSocket.CLOSED) return
    await new Promise<void>(resolve => {
      socket.once('close', () => resolve())
      socket.resume()
      if (socket.readyState === WebSocket.OPEN) socket.close(1000)
      else socket.terminate()
      setTimeout(() => socket.terminate(), 1000).unref()
    })
  }

  #connect(): void {
    const { url, user, password, app } = this.#options
    const target = new URL('/ari/events', url)
    target.protocol = target.protocol === 'https:' ? 'wss:' : 'ws:'
    target.search = new URLSearchParams({ app, subscribeAll: 'true' }).toString()
    const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
    const socket = new WebSocket(target, { headers: { authorization }, perMessageDeflate: false, handshakeTimeout: 5_000 })
    this.#socket = socket
    let problem = 'closed'
    socket.on('error', error => {
      problem = error.message
    })
    socket.on('open', () => {
      this.#open = true
      this.#failures = 0
      this.#alive = true
      this.#ping = setInterval(() => this.#check(socket), PING_MS)
      if (this.#paused) socket.pause()
      this.#listener?.connected()
    })
    socket.on('pong', () => {
      this.#alive = true
    })
    socket.on('message', data => {
      this.#alive = true
      this.#receive(JSON.parse(String(data)) as Answer | AriEvent)
    })
    socket.on('close', () => this.#lost(problem))
  }

  /** A peer that vanished without closing answers no ping. */
  #check(socket: WebSocket): void {
    if (this.#paused) return
    if (!this.#alive) socket.terminate()
    this.#alive = false
    socket.ping()
  }

  #lost(reason: string): void {
    clearInterval(this.#ping)
    const wasOpen = this.#open
    this.#open = false
    for (const pending of this.#pending.values()) {
      clearTimeout(pending.timer)
      pending.reject(new AriUnavailable(`${pending.operation}: connection to Asterisk lost`))
    }
    this.#pending.clear()
    if (wasOpen || this.#failures === 0) this.#listener?.disconnected(reason)
    if (this.#stopped) return
    const delay = Math.min(RETRY_MS.most, RETRY_MS.first * 2 ** this.#failures++)
    this.#retry = setTimeout(() => this.#connect(), delay * (0.8 + 0.4 * Math.random()))
  }

  #receive(message: Answer | AriEvent): void {
    if (message.type !== 'RESTResponse') {
      this.#listener?.event(message)
      return
    }
    const pending = this.#pending.get(message.request_id)
    this.#pending.delete(message.request_id)
    clearTimeout(pending?.timer)
    pending?.resolve(message)
  }

  #send(operation: string, request: object): Promise<Answer> {
    const socket = this.#socket
    if (!this.#open || socket === undefined) return Promise.reject(new AriUnavailable(`${operation}: not connected to Asterisk`))
    const id = String(++this.#count)
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id)
        reject(new AriUnavailable(`${operation}: no answer within ${REQUEST_TIMEOUT_MS} ms`))
      }, REQUEST_TIMEOUT_MS)
      this.#pending.set(id, { operation, resolve, reject, timer })
      socket.send(JSON.stringify({ type: 'RESTRequest', transaction_id: id, request_id: id, ...request }))
    })
  }
}

/** Path and query from the operation table; lists and objects travel as JSON body, where a comma is just a comma. */
function restRequest(operation: AriOperation, params: object): object {
  const [method, template] = ariRoutes[operation]
  const rest = new Map<string, unknown>(Object.entries(params).filter(([, value]) => value !== undefined))
  const path = template.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = String(rest.get(name))
    rest.delete(name)
    return encodeURIComponent(value)
  })
  const inBody = [...rest].filter(([, value]) => typeof value === 'object')
  const inQuery = [...rest].filter(([, value]) => typeof value !== 'object').map(([name, value]): [string, string] => [name, String(value)])
  const query = new URLSearchParams(inQuery).toString()
  const body = rest.get('filter') ?? (inBody.length > 0 ? Object.fromEntries(inBody) : undefined)
  const uri = query === '' ? path : `${path}?${query}`
  return { method, uri, ...(body !== undefined && { content_type: 'application/json', message_body: JSON.stringify(body) }) }
}

function problem(answer: Answer): string {
  if (!answer.message_body) return answer.reason_phrase
  try {
    const body = JSON.parse(answer.message_body) as { message?: string; error?: string }
    return body.message ?? body.error ?? answer.reason_phrase
  } catch {
    return answer.message_body
  }
}
