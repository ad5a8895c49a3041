import { LRUCache } from 'lru-cache'
import type { History, Numbered, Stored } from './history.ts'
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

/** What may be missing. Numbers are 0 where nobody knows them. */
export interface Gap {
  from: number
  to: number
  reason: 'expired' | 'restarted' | 'unavailable' | 'missed'
}
/** The answer to `resume`. */
export interface Resumed {
  /** Up to here everything has been sent here or is in `events`; what follows comes live. 0 while Redis is away. */
  seq: number
  /** What was missed, in order; empty with a gap. */
  events: Stored[]
  gap?: Gap
}

export interface SequencerOptions {
  history: History
  /** Whether this gateway has a socket of the customer. */
  listens(customer_id: string): boolean
  /** Sends to the sockets. `seq` is 0 for an event that could not be numbered because Redis is away. */
  deliver(event: Delivery, seq: number): void
  /** Events are in no history any more although others have numbered them. */
  onGap(customer_id: string, gap: Gap): void
  onFault(error: unknown): void
}

/** Events that wait for Redis to come back, over all customers. */
const maxLate = 10_000
/** Events remembered as sent, over all customers. */
const maxSent = 20_000
/** Customers whose highest number is remembered after their last socket has gone. */
const maxHighest = 100_000
const batchSize = 100

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
 * and put into the history when it is back. What can no longer be told in full begins a new count, so that a `resume` across it is a gap.
 */
export class Sequencer {
  readonly #options: SequencerOptions
  readonly #customers = new Map<string, Customer>()
  readonly #highest = new LRUCache<string, number>({ max: maxHighest })
  /** By event id: sent here, numbered or not, and not to be sent again. */
  readonly #sent = new LRUCache<string, true>({ max: maxSent })
  #late: OutgoingEvent[] = []
  /** Customers of whom more came than could be kept while Redis was away. */
  readonly #torn = new Set<string>()
  #away = false
  #forgetting = false

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
    if (this.#away) return 0
    if (customer.last > 0) return customer.last
    try {
      const { seq } = await this.#options.history.number({ customer_id, events: [], last: 0, highest: this.#highest.get(customer_id) ?? 0 })
      // Events may have been numbered and sent while we asked.
      this.#reach(customer_id, customer, seq)
      return customer.last
    } catch (error) {
      this.#options.onFault(error)
      return 0
    }
  }

  /** What followed `since`, or why nobody can tell. The socket must be held meanwhile: live events go on. Never rejects. */
  async resume(customer_id: string, since: number): Promise<Resumed> {
    const current = await this.join(customer_id)
    if (current === 0) return { seq: 0, events: [], gap: { from: since + 1, to: 0, reason: 'unavailable' } }
    try {
      const { seq, base, events } = await this.#options.history.since(customer_id, since)
      const gap = (reason: Gap['reason']): Resumed => ({ seq, events: [], gap: { from: since + 1, to: Math.max(seq, since), reason } })
      if (seq < current || since < base || since > seq) return gap('restarted')
      const whole = events.length === seq - since && events.every((event, i) => event.seq === since + 1 + i)
      if (!whole) return gap('expired')
      // What others have numbered and this gateway has not sent yet will come live.
      const { last } = this.#customer(customer_id)
      return { seq: Math.max(last, since), events: events.filter(event => event.seq <= last) }
    } catch (error) {
      this.#options.onFault(error)
      return { seq: 0, events: [], gap: { from: since + 1, to: 0, reason: 'unavailable' } }
    }
  }

  /** Nobody can say what was missed while no gateway listened: all counts begin anew, at once or as soon as Redis is there. */
  async forget(): Promise<void> {
    this.#forgetting = true
    this.#away = true
    await this.recover().catch(this.#options.onFault)
  }

  /** Makes up for what could not be done while Redis was away. Called every second; does nothing while there is nothing to do. */
  async recover(): Promise<void> {
    if (!this.#away) return
    if (this.#forgetting) await this.#options.history.forget()
    this.#forgetting = false
    for (const customer_id of this.#torn) {
      const highest = this.#highest.get(customer_id) ?? 0
      await this.#options.history.number({ customer_id, events: [], last: 0, highest, anew: true })
      this.#torn.delete(customer_id)
    }
    const late = this.#late
    this.#late = []
    this.#away = false
    for (let i = 0; i < late.length; i += batchSize) await Promise.all(late.slice(i, i + batchSize).map(event => this.accept(event)))
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
      const batch = customer.queue.splice(0, batchSize)
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

  #number(customer_id: string, last: number, events: readonly Waiting[]): Promise<Numbered> {
    return this.#options.history.number({ customer_id, events, last, highest: this.#highest.get(customer_id) ?? 0 })
  }

  /** Sends in the order of the numbers, holes filled from the history. */
  #send(customer_id: string, customer: Customer, batch: readonly Waiting[], { base, seqs, missing }: Numbered): void {
    const bySeq = new Map<number, Delivery>(missing.map(event => [event.seq, event]))
    for (const [i, event] of batch.entries()) bySeq.set(seqs[i] ?? 0, event)
    for (const [seq, event] of [...bySeq].sort(([a], [b]) => a - b)) {
      if (seq <= customer.last) continue
      const expected = Math.max(customer.last, base) + 1
      if (customer.last > 0 && seq > expected) this.#options.onGap(customer_id, { from: expected, to: seq - 1, reason: 'missed' })
      this.#reach(customer_id, customer, seq)
      if (this.#sent.has(event.event_id)) continue
      this.#sent.set(event.event_id, true)
      this.#options.deliver(event, seq)
    }
  }

  #reach(customer_id: string, customer: Customer, seq: number): void {
    customer.last = Math.max(customer.last, seq)
    this.#highest.set(customer_id, Math.max(seq, this.#highest.get(customer_id) ?? 0))
  }

  #sendUnnumbered(event: OutgoingEvent): void {
    const { event_id, customer_id, body, address } = event
    if (!this.#sent.has(event_id)) this.#options.deliver(event, 0)
    this.#sent.set(event_id, true)
    // Beyond the bound the history would have a hole: then it ends instead. The sockets here have seen the event all the same.
    if (this.#late.length < maxLate) this.#late.push({ event_id, customer_id, body, address })
    else this.#torn.add(customer_id)
  }
}
