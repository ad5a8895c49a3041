import WebSocket from 'ws'
import { type AriEvent, type AriOperation, ariRoutes } from './ari-types.ts'
import { EventsSocket } from './events-socket.ts'
import {
  AriError,
  AriUnavailable,
  type AsteriskPort,
  type Params,
  type PortListener,
  type PortOptions,
  REQUEST_TIMEOUT_MS,
  type Result,
  refusalText,
} from './port.ts'

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
  #events: EventsSocket
  #listener: PortListener | undefined
  #pending = new Map<string, Pending>()
  #count = 0

  constructor(options: PortOptions) {
    this.#events = new EventsSocket(async use => {
      const socket = dial(options)
      use(socket)
      socket.on('message', data => this.#receive(JSON.parse(String(data)) as Answer | AriEvent))
    })
  }

  get connected(): boolean {
    return this.#events.open !== undefined
  }

  start(listener: PortListener): void {
    this.#listener = listener
    this.#events.start({ connected: () => listener.connected(), disconnected: reason => this.#lost(reason) })
  }

  async request<O extends AriOperation>(operation: O, params: Params<O>): Promise<Result<O>> {
    const answer = await this.#send(operation, restRequest(operation, params))
    if (answer.status_code >= 300)
      throw new AriError(operation, answer.status_code, refusalText(answer.message_body || answer.reason_phrase))
    // The operation table says what this is; Asterisk's answers are trusted.
    return (answer.message_body ? JSON.parse(answer.message_body) : undefined) as Result<O>
  }

  pause(): void {
    this.#events.pause()
  }

  resume(): void {
    this.#events.resume()
  }

  stop(): Promise<void> {
    return this.#events.stop()
  }

  #lost(reason: string): void {
    for (const pending of this.#pending.values()) {
      clearTimeout(pending.timer)
      pending.reject(new AriUnavailable(`${pending.operation}: connection to Asterisk lost`))
    }
    this.#pending.clear()
    this.#listener?.disconnected(reason)
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
    const socket = this.#events.open
    if (socket === undefined) return Promise.reject(new AriUnavailable(`${operation}: not connected to Asterisk`))
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

function dial({ url, user, password, app }: PortOptions): WebSocket {
  const target = new URL('/ari/events', url)
  target.protocol = target.protocol === 'https:' ? 'wss:' : 'ws:'
  target.search = new URLSearchParams({ app, subscribeAll: 'true' }).toString()
  const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
  return new WebSocket(target, { headers: { authorization }, perMessageDeflate: false })
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
