import type { Socket } from 'node:net'
import { closeCodes } from '@voipbin/generated/realtime/index'
import type { WebSocket } from 'ws'
import * as ws from 'ws'
import type { Identity } from '../identity.ts'
import type { Topic } from './topics.ts'

export { closeCodes }

/** A text frame ready for the wire; built once, sent to any number of sockets. */
export type WireFrame = Buffer

/** `ws` does not type its `Sender`; this is the documented part used here. */
const { frame } = (ws as unknown as { Sender: { frame(data: Buffer, options: object): Buffer[] } }).Sender
export const wireFrame = (text: string): WireFrame =>
  Buffer.concat(frame(Buffer.from(text), { fin: true, opcode: 1, mask: false, readOnly: true, rsv1: false }))

/** Bytes that may wait for a socket before the history stops feeding it more. */
const room = 262_144

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
  /** Live events that wait until the missed ones have gone out. */
  #held: { frame: WireFrame; seq: number }[] | undefined
  /** Numbers up to this one were seen on an earlier socket. */
  #floor = 0
  #heldBytes = 0

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
    return this.socket.bufferedAmount + this.#heldBytes
  }

  /** Keeps live events back until `release`. */
  hold(): void {
    this.#held ??= []
  }

  /** Sends what was held back, without what the history has brought already. */
  release(brought: ReadonlySet<number>): void {
    const held = this.#held ?? []
    this.#held = undefined
    this.#heldBytes = 0
    for (const event of held) if (!brought.has(event.seq)) this.write(event.frame)
  }

  /** Numbers up to `seq` are known to whoever reads this socket, which has heard nothing itself so far. */
  skipTo(seq: number): void {
    this.#floor = seq
  }

  /** A live event; `seq` 0 when it has no number. */
  deliver(frame: WireFrame, seq: number): void {
    if (seq !== 0 && seq <= this.#floor) return
    if (!this.#held) this.write(frame)
    else {
      this.#held.push({ frame, seq })
      this.#heldBytes += frame.length
    }
  }

  /** Waits until the network has taken most of what was written. False when it does not within `limit_ms`, or when the socket closes. */
  async drained(limit_ms: number): Promise<boolean> {
    if (this.socket.bufferedAmount <= room) return this.open
    await new Promise<void>(resolve => {
      const finish = (): void => {
        clearTimeout(timer)
        this.#tcp.off('drain', finish).off('close', finish)
        resolve()
      }
      const timer = setTimeout(finish, limit_ms)
      this.#tcp.once('drain', finish).once('close', finish)
    })
    return this.open && this.socket.bufferedAmount <= room
  }

  /**
   * Writes a frame that was built once for everybody. Going past `ws` is safe because compression is off: its sender then writes
   * frames straight to the same socket, in order.
   */
  write(frame: WireFrame): void {
    if (this.open) this.#tcp.write(frame)
  }

  send(message: object): void {
    if (this.open) this.socket.send(JSON.stringify(message))
  }

  /** Says why, then closes. Whoever does not answer within `linger_ms` is cut. */
  close(code: number, reason: string, linger_ms = 2_000): void {
    this.socket.close(code, reason)
    setTimeout(() => this.socket.terminate(), linger_ms).unref()
  }
}
