import type { EventFrame, GapFrame } from '../../generated/sdk/realtime.ts'

/** What an iteration gives: events, and word of those that may be missing. */
export type RealtimeFrame = EventFrame | GapFrame

/**
 * Frames between the socket and one loop. Nobody can slow a WebSocket down, so a loop that does not keep up would fill the memory: past `limit` the oldest go,
 * and a gap says so.
 */
export class FrameQueue implements AsyncIterableIterator<RealtimeFrame> {
  readonly #limit: number
  readonly #onReturn: () => void
  readonly #frames: RealtimeFrame[] = []
  readonly #waiting: { resolve(result: IteratorResult<RealtimeFrame>): void; reject(error: Error): void }[] = []
  #lost: GapFrame | undefined
  #ended = false
  #error: Error | undefined

  constructor(limit: number, onReturn: () => void = () => undefined) {
    this.#limit = limit
    this.#onReturn = onReturn
  }

  push(frame: RealtimeFrame): void {
    const waiting = this.#waiting.shift()
    if (waiting) waiting.resolve({ done: false, value: frame })
    else this.#frames.push(frame)
    if (this.#frames.length > this.#limit) this.#lose(this.#frames.shift())
  }

  #lose(frame: RealtimeFrame | undefined): void {
    if (!frame) return
    const [from, to] = frame.type === 'gap' ? [frame.from, frame.to] : [frame.seq, frame.seq]
    this.#lost = { type: 'gap', reason: 'missed', from: this.#lost?.from || from, to: to || (this.#lost?.to ?? 0) }
  }

  /** What has come is still given; then the loop is over, with an error if there is one. */
  end(error?: Error): void {
    this.#ended = true
    this.#error = error
    for (const { resolve, reject } of this.#waiting.splice(0)) error ? reject(error) : resolve({ done: true, value: undefined })
  }

  /** Hands over what waits here. */
  moveTo(other: FrameQueue): void {
    if (this.#lost) other.push(this.#lost)
    for (const frame of this.#frames.splice(0)) other.push(frame)
  }

  async next(): Promise<IteratorResult<RealtimeFrame>> {
    const value = this.#lost ?? this.#frames.shift()
    this.#lost = undefined
    if (value) return { done: false, value }
    if (this.#error) throw this.#error
    if (this.#ended) return { done: true, value: undefined }
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
  }

  async return(): Promise<IteratorResult<RealtimeFrame>> {
    this.#onReturn()
    this.end()
    this.#frames.length = 0
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}
