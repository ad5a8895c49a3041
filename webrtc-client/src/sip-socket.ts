import type { Socket } from 'jssip'
import type { Logger } from './log.ts'

/**
 * WebSocket transport for the SIP stack (RFC 7118). Own because the stack's one cannot be told that a connection is dead, does not say when it last
 * heard something, and gives no look at what is sent.
 */
export class SipSocket implements Socket {
  readonly url: string
  readonly sip_uri: string
  via_transport: string
  /** `performance.now()` of the last thing the server sent. */
  lastHeard = 0
  /** `Authorization` header of the last REGISTER that carried one. */
  lastAuthorization = ''
  readonly #log: Logger
  #socket: WebSocket | undefined
  #closed = false

  onconnect: () => void = () => undefined
  ondisconnect: (error: boolean, code?: number, reason?: string) => void = () => undefined
  ondata: <T>(data: T) => void = () => undefined

  constructor(url: string, log: Logger) {
    const { protocol, host } = new URL(url)
    if (protocol !== 'ws:' && protocol !== 'wss:') throw new TypeError(`not a WebSocket address: ${url}`)
    this.url = url
    this.sip_uri = `sip:${host};transport=ws`
    this.via_transport = protocol === 'wss:' ? 'WSS' : 'WS'
    this.#log = log
  }

  connect(): void {
    if (this.#socket || this.#closed) return
    let socket: WebSocket
    try {
      socket = new WebSocket(this.url, 'sip')
    } catch (error) {
      // What a page may not open, `ws://` from https for example, is refused by an exception. The stack is told as of every other failure: later.
      queueMicrotask(() => this.ondisconnect(true, 1006, String(error)))
      return
    }
    socket.binaryType = 'arraybuffer'
    this.#socket = socket
    socket.onopen = () => {
      this.lastHeard = performance.now()
      this.onconnect()
    }
    socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
      this.lastHeard = performance.now()
      this.#trace('sip in', data)
      this.ondata(data)
    }
    socket.onclose = ({ code, reason, wasClean }) => {
      if (this.#socket !== socket) return
      this.#socket = undefined
      this.ondisconnect(!wasClean, code, reason)
    }
  }

  disconnect(): void {
    const socket = this.#socket
    this.#socket = undefined
    socket?.close()
  }

  /** Closes for good: the stack, which reconnects by itself, gets no further connection out of this socket. */
  close(): void {
    this.#closed = true
    this.drop('closed')
  }

  /** Gives up a connection that is open only by name. The stack hears of it at once instead of after the close time-out. */
  drop(reason: string): void {
    if (!this.#socket) return
    this.disconnect()
    this.ondisconnect(true, 1006, reason)
  }

  send(message: string): boolean {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false
    const authorization = message.startsWith('REGISTER ') ? /^Authorization: (.+?)\r$/im.exec(message)?.[1] : undefined
    if (authorization) this.lastAuthorization = authorization
    this.#trace('sip out', message)
    this.#socket.send(message)
    return true
  }

  isConnected(): boolean {
    return this.#socket?.readyState === WebSocket.OPEN
  }

  isConnecting(): boolean {
    return this.#socket?.readyState === WebSocket.CONNECTING
  }

  #trace(message: string, data: string | ArrayBuffer): void {
    if (typeof data === 'string' && data.trim()) this.#log.debug(message, { 'pii.startLine': data.slice(0, data.indexOf('\r\n')) })
  }
}
