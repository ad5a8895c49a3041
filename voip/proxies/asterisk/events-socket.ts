import WebSocket from 'ws'
import type { PortListener } from './port.ts'

const HANDSHAKE_MS = 5_000
const PING_MS = 5_000
const RETRY_MS = { first: 100, most: 2_000 }

/** Makes a connection and hands its socket over at once, before anything can happen on it. Rejects when there can be none. */
export type Dial = (use: (socket: WebSocket) => void) => Promise<void>

/** The WebSocket that brings Asterisk's events: dialled again whenever it is gone, until `stop`. The same for every transport. */
export class EventsSocket {
  #dial: Dial
  #listener: Pick<PortListener, 'connected' | 'disconnected'> | undefined
  #socket: WebSocket | undefined
  #open = false
  #stopped = false
  #paused = false
  #failures = 0
  #alive = true
  #retry: NodeJS.Timeout | undefined
  #ping: NodeJS.Timeout | undefined

  constructor(dial: Dial) {
    this.#dial = dial
  }

  /** The socket while it is open. */
  get open(): WebSocket | undefined {
    return this.#open ? this.#socket : undefined
  }

  /** `connected` after every connect; `disconnected` after every loss, and once when Asterisk is away from the start. */
  start(listener: Pick<PortListener, 'connected' | 'disconnected'>): void {
    this.#listener = listener
    this.#connect()
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
    this.#dial(socket => this.#use(socket)).catch((error: Error) => this.#lost(error.message))
  }

  #use(socket: WebSocket): void {
    this.#socket = socket
    let problem = 'closed'
    const late = setTimeout(() => socket.terminate(), HANDSHAKE_MS)
    socket.on('error', error => {
      problem = error.message
    })
    socket.on('open', () => {
      clearTimeout(late)
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
    socket.on('message', () => {
      this.#alive = true
    })
    socket.on('close', () => {
      clearTimeout(late)
      this.#lost(problem)
    })
    // stopped while it was dialled
    if (this.#stopped) socket.terminate()
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
    if (wasOpen || this.#failures === 0) this.#listener?.disconnected(reason)
    if (this.#stopped) return
    const delay = Math.min(RETRY_MS.most, RETRY_MS.first * 2 ** this.#failures++)
    this.#retry = setTimeout(() => this.#connect(), delay * (0.8 + 0.4 * Math.random()))
  }
}
