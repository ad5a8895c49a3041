import type { Socket } from 'node:net'
import type { WebSocket } from 'ws'
import * as ws from 'ws'
import type { Identity } from '../identity.ts'
import type { Topic } from './topics.ts'

/** Close codes of our own (4000–4999 are free for applications). */
export const closeCodes = {
  /** Credentials missing, wrong, expired or revoked. */
  unauthenticated: 4401,
  /** The client reads slower than events come. */
  tooSlow: 4408,
  tooManySockets: 4429,
  /** The gateway stops; connect again, another one answers. */
  goingAway: 1001,
} as const

/** A text frame ready for the wire; built once, sent to any number of sockets. */
export type WireFrame = readonly Buffer[]

/** `ws` does not type its `Sender`; this is the documented part used here. */
const { frame } = (ws as unknown as { Sender: { frame(data: Buffer, options: object): Buffer[] } }).Sender
export const wireFrame = (text: string): WireFrame =>
  frame(Buffer.from(text), { fin: true, opcode: 1, mask: false, readOnly: true, rsv1: false })

/** One connected socket. Owns nothing but the socket: timers and indexes belong to the hub. */
export class Client {
  readonly socket: WebSocket
  readonly #tcp: Socket
  readonly request_id: string
  /** Undefined until the client has authenticated. */
  identity: Identity | undefined
  /** By their one spelling. */
  readonly topics = new Map<string, Topic>()
  /** Epoch milliseconds of the last sign of life. */
  seen: number
  /** Since when bytes wait to be sent; 0 while none do. */
  blockedSince = 0
  /** When the credentials were last looked up. */
  checked: number

  constructor(socket: WebSocket, tcp: Socket, request_id: string, now: number) {
    this.socket = socket
    this.#tcp = tcp
    this.request_id = request_id
    this.seen = now
    this.checked = now
  }

  get open(): boolean {
    return this.socket.readyState === 1
  }

  /** Bytes accepted for this socket and not yet taken by the network. */
  get buffered(): number {
    return this.socket.bufferedAmount
  }

  /**
   * Writes a frame that was built once for everybody. Going past `ws` is safe because compression is off: its sender then writes
   * frames straight to the same socket, in order.
   */
  write(parts: WireFrame): void {
    if (!this.open) return
    if (parts.length > 1) this.#tcp.cork()
    for (const part of parts) this.#tcp.write(part)
    if (parts.length > 1) this.#tcp.uncork()
  }

  send(message: object): void {
    if (this.open) this.socket.send(JSON.stringify(message))
  }

  /** Says why, then closes. Whoever does not answer within two seconds is cut. */
  close(code: number, reason: string): void {
    this.socket.close(code, reason)
    setTimeout(() => this.socket.terminate(), 2_000).unref()
  }
}
