import { LRUCache } from 'lru-cache'
import type { Address } from './hub.ts'

/** One public event, ready to be numbered and sent. */
export interface OutgoingEvent {
  event_id: string
  customer_id: string
  /** The event as JSON text, without its number. */
  body: string
  address: Address
}
/** `address` is missing on events that were fetched from the history: their body tells. */
export type Delivery = Pick<OutgoingEvent, 'event_id' | 'body'> & { address?: Address }
/** Runs the numbering script; rejects when Redis is away. */
export type RunScript = (keys: string[], args: string[]) => Promise<unknown>

export interface SequencerOptions {
  run: RunScript
  /** Reads a customer's last number; rejects when Redis is away. */
  current(customer_id: string): Promise<number>
  /** Whether this gateway has a socket of the customer. */
  listens(customer_id: string): boolean
  /** Sends to the sockets. `seq` is 0 for an event that could not be numbered because Redis is away. */
  deliver(event: Delivery, seq: number): void
  /** Events `from`…`to` are no longer in the history. */
  onGap(customer_id: string, from: number, to: number): void
  onFault(error: unknown): void
}

/** Events kept per customer for `resume`, and for how long after the last one, in milliseconds. */
export const historyLength = 1_000
const history_ms = 3_600_000
/** How long an event id is remembered, in milliseconds: longer than any redelivery takes. */
const dedupe_ms = 600_000
/** Events that wait for Redis to come back, over all customers. */
const maxLate = 10_000

/**
 * Numbers events: the first gateway that brings an event gives it the customer's next number and appends it to the history, all
 * others get the same number back. Also returns what lies between `last` and the highest number, when the batch alone does not fill it.
 * The count starts at the time in milliseconds, so that it also grows when Redis lost its data and nobody mistakes the new numbers for old.
 * KEYS: seq, history, one per event. ARGV: last, history length, history ms, dedupe ms, then (event_id, body) per event.
 */
export const sequenceScript = `
local last = tonumber(ARGV[1])
local seqs, fresh, max = {}, 0, 0
for i = 3, #KEYS do
  local id, body = ARGV[5 + (i - 3) * 2], ARGV[6 + (i - 3) * 2]
  local seq = redis.call('GET', KEYS[i])
  if not seq then
    if redis.call('EXISTS', KEYS[1]) == 0 then
      local t = redis.call('TIME')
      redis.call('SET', KEYS[1], string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000)))
    end
    seq = string.format('%.0f', redis.call('INCR', KEYS[1]))
    redis.call('SET', KEYS[i], seq, 'PX', ARGV[4])
    redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[2], seq .. '-1', 'i', id, 'e', body)
  end
  seqs[#seqs + 1] = seq
  local n = tonumber(seq)
  if n > last then fresh = fresh + 1 end
  if n > max then max = n end
end
redis.call('PEXPIRE', KEYS[1], ARGV[3] * 24)
redis.call('PEXPIRE', KEYS[2], ARGV[3])
local missing = {}
if last > 0 and max - last > fresh then
  missing = redis.call('XRANGE', KEYS[2], string.format('%.0f', last) .. '-2', string.format('%.0f', max) .. '-1')
end
return { seqs, missing }`

/** Keys of one customer share a hash tag, so that the script also runs on a Redis cluster. */
export const sequenceKeys = (customer_id: string) => ({
  seq: `ws:{${customer_id}}:seq`,
  history: `ws:{${customer_id}}:history`,
  event: (event_id: string) => `ws:{${customer_id}}:event:${event_id}`,
})

interface Waiting extends OutgoingEvent {
  done: () => void
}
interface Customer {
  /** Number of the last event sent to sockets here; 0 while unknown. */
  last: number
  queue: Waiting[]
  busy: boolean
}

/**
 * Brings the events of each customer into one order that all gateways share. While one script call of a customer is on its way, later
 * events of that customer wait and go together in the next call. With Redis away events go out at once, unnumbered, and are numbered
 * and put into the history when it is back.
 */
export class Sequencer {
  readonly #options: SequencerOptions
  readonly #customers = new Map<string, Customer>()
  /** Sent without a number; must not be sent again when the number comes. */
  readonly #sentUnnumbered = new LRUCache<string, true>({ max: maxLate })
  #late: OutgoingEvent[] = []
  #away = false

  constructor(options: SequencerOptions) {
    this.#options = options
  }

  /** Takes one event; resolves when it was sent (or dropped as known) and may be forgotten by the broker. */
  accept(event: OutgoingEvent): Promise<void> {
    return new Promise(done => {
      const customer = this.#customer(event.customer_id)
      customer.queue.push({ ...event, done })
      if (!customer.busy) void this.#drain(event.customer_id, customer)
    })
  }

  /** Called before a socket of the customer is acknowledged: from here on nothing of this customer is missed or repeated. 0 while Redis is away. */
  async join(customer_id: string): Promise<number> {
    const customer = this.#customer(customer_id)
    if (customer.last > 0) return customer.last
    try {
      const current = await this.#options.current(customer_id)
      // Events may have been numbered and sent while we asked.
      customer.last = Math.max(customer.last, current)
      return customer.last
    } catch (error) {
      this.#options.onFault(error)
      return 0
    }
  }

  /** Numbers what went out unnumbered. Called every second; does nothing while there is nothing to do. */
  async recover(): Promise<void> {
    if (!this.#away) return
    const late = this.#late
    this.#late = []
    this.#away = false
    for (let i = 0; i < late.length; i += 100) await Promise.all(late.slice(i, i + 100).map(event => this.accept(event)))
  }

  #customer(customer_id: string): Customer {
    const known = this.#customers.get(customer_id)
    if (known) return known
    const fresh: Customer = { last: 0, queue: [], busy: false }
    this.#customers.set(customer_id, fresh)
    return fresh
  }

  async #drain(customer_id: string, customer: Customer): Promise<void> {
    customer.busy = true
    while (customer.queue.length > 0) {
      const batch = customer.queue.splice(0, 100)
      try {
        if (this.#away) for (const event of batch) this.#sendUnnumbered(event)
        else this.#send(customer_id, customer, batch, await this.#number(customer_id, customer.last, batch))
      } catch (error) {
        this.#options.onFault(error)
        this.#away = true
        for (const event of batch) this.#sendUnnumbered(event)
      }
      for (const event of batch) event.done()
    }
    customer.busy = false
    if (!this.#options.listens(customer_id)) this.#customers.delete(customer_id)
  }

  async #number(customer_id: string, last: number, batch: Waiting[]): Promise<{ seqs: number[]; missing: [number, string, string][] }> {
    const keys = sequenceKeys(customer_id)
    const events = batch.flatMap(event => [event.event_id, event.body])
    const answer = (await this.#options.run(
      [keys.seq, keys.history, ...batch.map(event => keys.event(event.event_id))],
      [String(last), String(historyLength), String(history_ms), String(dedupe_ms), ...events],
    )) as [string[], [string, string[]][]]
    return {
      seqs: answer[0].map(Number),
      missing: answer[1].map(([id, [, event_id = '', , body = '']]) => [Number.parseInt(id, 10), event_id, body]),
    }
  }

  /** Sends in the order of the numbers, holes filled from the history. */
  #send(
    customer_id: string,
    customer: Customer,
    batch: Waiting[],
    { seqs, missing }: { seqs: number[]; missing: [number, string, string][] },
  ): void {
    const bySeq = new Map<number, Delivery>(missing.map(([seq, event_id, body]) => [seq, { event_id, body }]))
    for (const [i, event] of batch.entries()) bySeq.set(seqs[i] ?? 0, event)
    for (const [seq, event] of [...bySeq].sort(([a], [b]) => a - b)) {
      if (seq <= customer.last) continue
      if (customer.last > 0 && seq > customer.last + 1) this.#options.onGap(customer_id, customer.last + 1, seq - 1)
      customer.last = seq
      if (!this.#sentUnnumbered.delete(event.event_id)) this.#options.deliver(event, seq)
    }
  }

  #sendUnnumbered(event: OutgoingEvent): void {
    const { event_id, customer_id, body, address } = event
    if (!this.#sentUnnumbered.has(event_id)) this.#options.deliver(event, 0)
    this.#sentUnnumbered.set(event_id, true)
    // Beyond the bound the history keeps a hole; the sockets here have seen the event all the same.
    if (this.#late.length < maxLate) this.#late.push({ event_id, customer_id, body, address })
  }
}
