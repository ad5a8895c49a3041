import type { DeliveryRow } from './schema.ts'

/** Requests of one process under way, or answered and not written down yet. */
const most = 1_024
/** Of them to endpoints that have not answered lately: the others always find a place. */
const unprovenMost = 512
/** Requests to one endpoint at the same time: at first, after answers, and after none came. */
const first = 4
const full = 32
const probing = 1
/** Queues remembered; idle ones are forgotten beyond that. */
const remembered = 10_000

/** What waits for one endpoint in this process. */
export interface Queue {
  readonly key: string
  readonly ready: DeliveryRow[]
  /** More is due in the table. */
  backlog: boolean
  claiming: boolean
  flying: number
  room: number
  /** Its last request was answered, whatever the answer. */
  proven: boolean
}

export interface Visit {
  /** The endpoint has answered, or not; `undefined`: it was not asked. Its place is free. */
  answered(ok: boolean | undefined): void
  /** All is done: the process's place is free. Once. */
  over(): void
}

/** Shares the places for requests, so that endpoints that are slow or dead take none from the others. */
export class Room {
  #start: (queue: Queue) => boolean
  #queues = new Map<string, Queue>()
  #flying = 0
  #unproven = 0
  /** Queues that found no place, though they had not used up their own. */
  #waiting = new Set<Queue>()

  /** `start` begins a request of the queue and calls `enter`; false when there is none to begin. */
  constructor(start: (queue: Queue) => boolean) {
    this.#start = start
  }

  queue(key: string): Queue {
    const known = this.#queues.get(key)
    if (known) return known
    if (this.#queues.size >= remembered) this.#forgetIdle()
    const queue: Queue = { key, ready: [], backlog: false, claiming: false, flying: 0, room: first, proven: false }
    this.#queues.set(key, queue)
    return queue
  }

  /** Begins as many requests as there are places for. */
  fill(queue: Queue): void {
    while (queue.ready.length > 0 && queue.flying < queue.room) {
      if (this.#flying >= most || (!queue.proven && this.#unproven >= unprovenMost)) {
        this.#waiting.add(queue)
        return
      }
      if (!this.#start(queue)) return
    }
  }

  /** Takes a place for a request that begins. */
  enter(queue: Queue): Visit {
    const isProven = queue.proven
    queue.flying++
    this.#flying++
    if (!isProven) this.#unproven++
    let isAnswered = false
    const answered = (ok: boolean | undefined) => {
      if (isAnswered) return
      isAnswered = true
      queue.flying--
      if (!isProven) this.#unproven--
      if (ok !== undefined) {
        queue.proven = ok
        queue.room = ok ? Math.min(full, Math.max(first, queue.room * 2)) : probing
      }
      this.fill(queue)
    }
    const over = () => {
      answered(undefined)
      this.#flying--
      this.#serveWaiting()
    }
    return { answered, over }
  }

  #serveWaiting(): void {
    if (this.#waiting.size === 0) return
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const queue of waiting) this.fill(queue)
  }

  #forgetIdle(): void {
    for (const [key, { ready, flying, backlog, claiming }] of this.#queues) {
      if (ready.length === 0 && flying === 0 && !backlog && !claiming) this.#queues.delete(key)
    }
  }
}
