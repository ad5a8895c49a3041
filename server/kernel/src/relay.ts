import type { ConfirmChannel } from 'amqplib'
import { LRUCache } from 'lru-cache'
import type { Bus, Session } from './bus.ts'
import type { Db, Logger } from './context.ts'
import { fault } from './fault.ts'
import { metrics } from './metrics.ts'
import type { Outbox, OutboxRow, WrittenRow } from './outbox.ts'
import { eventOptions } from './publisher.ts'
import { PublishOrder } from './relay-order.ts'
import { pause, Wake } from './wake.ts'

/** Events on the wire and not confirmed yet. */
const window = 100
const batch = 2 * window
/** How often the table is read when nobody says that something is there, in milliseconds. */
const poll_ms = 1_000
/** Confirmed rows wait so long for others, to be deleted with them, in milliseconds. One that is not deleted when this process dies leaves twice. */
const gather_ms = 50

interface RelayOptions {
  service: string
  bus: Bus
  db: Db
  outbox: Outbox
  /** Exchanges the events go to, without prefix. */
  exchanges: readonly string[]
  log: Logger
}

/**
 * Carries committed events to the broker and deletes them once the broker has confirmed. Runs on one instance at a time. What that instance
 * commits itself it sends at once, from memory, where the order within the resource allows it; the rest is read from the table in the order of
 * the ids. What was confirmed and not deleted when it died leaves twice, and consumers know it by its event_id.
 */
export class OutboxRelay {
  #options: RelayOptions
  #session: Session
  #hints: Session
  #wake = new Wake()
  #progress = new Wake()
  /** Rows read and not deleted yet. */
  #taken = new Set<number>()
  #order = new PublishOrder()
  /** Events the broker has confirmed lately: a read that began before they were deleted still shows them. */
  #arrived = new LRUCache<string, true>({ max: 10_000 })
  #unconfirmed = 0
  #confirmed: OutboxRow[] = []
  #deleting = false
  #gathering: NodeJS.Timeout | undefined
  #leading = false
  #hinted = false

  constructor(options: RelayOptions) {
    this.#options = options
    const { bus, exchanges } = options
    this.#session = bus.publishing.open({
      confirm: true,
      setup: async channel => {
        for (const exchange of exchanges) await channel.assertExchange(bus.named(exchange), 'fanout', { durable: true })
      },
      onOpen: () => this.#wake.set(),
      onLost: () => {
        this.#order.reset()
        this.#progress.set()
      },
    })
    this.#hints = bus.publishing.open({})
  }

  ready(timeout_ms: number): Promise<unknown> {
    return this.#session.ready(timeout_ms)
  }

  /** These were committed here. Sends them, or wakes the relay, wherever it runs. */
  committed(rows: readonly WrittenRow[]): void {
    if (!this.#leading) this.#hint()
    else for (const row of rows) this.#offer(row)
  }

  #offer(row: WrittenRow): void {
    const next = this.#order.judge(row)
    // A read of the table was faster than the report of the commit.
    if (next === 'gone' || this.#taken.has(row.id)) return
    const channel = this.#unconfirmed < window ? this.#session.channel : undefined
    if (next === 'send' && channel) this.#publish(channel, row, row)
    else this.#wake.set()
  }

  /** Relays until `signal` aborts. */
  async lead(signal: AbortSignal): Promise<void> {
    const { bus, log } = this.#options
    const hints = bus.consuming.open({
      setup: async channel => {
        // Exclusive: it dies with the connection of the instance that leads. A hint that is lost costs one poll interval.
        await channel.assertQueue(this.#hintQueue, { exclusive: true, durable: false, maxLength: 1 })
        await channel.consume(this.#hintQueue, () => this.#wake.set(), { noAck: true })
      },
    })
    this.#order.reset()
    this.#leading = true
    try {
      while (!signal.aborted) {
        try {
          const { read, sent } = await this.#pass(signal)
          // A full read means there is more: go on, once there is room for it.
          if (read < batch) await this.#wake.wait(poll_ms, signal)
          else if (sent === 0) await this.#progress.wait(poll_ms, signal)
        } catch (error) {
          log.warn('outbox relay failed, will try again', { err: error })
          await pause(poll_ms / 2, signal)
        }
      }
      const end = Date.now() + 5_000
      while (this.#unconfirmed > 0 && this.#session.channel && Date.now() < end) await this.#progress.wait(50)
      await this.#deleteConfirmed()
    } finally {
      this.#leading = false
      await hints.close()
    }
  }

  /** Resolves when the table is empty or after `timeout_ms`: what is left then leaves with the next start. */
  async flush(timeout_ms: number): Promise<void> {
    const { db, outbox, log } = this.#options
    const end = Date.now() + timeout_ms
    try {
      while (Date.now() < end && (await outbox.read(db, 1)).length > 0) {
        if (this.#leading) this.#wake.set()
        else this.#hint()
        await this.#deleteConfirmed()
        await this.#progress.wait(20)
      }
    } catch (error) {
      log.warn('outbox not flushed', { err: error })
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#session.close(), this.#hints.close()])
  }

  get #hintQueue(): string {
    return this.#options.bus.named(`bin-manager.${this.#options.service}.outbox`)
  }

  /** Many commits in one turn of the event loop make one hint. */
  #hint(): void {
    if (this.#hinted) return
    this.#hinted = true
    setImmediate(() => {
      this.#hinted = false
      try {
        this.#hints.channel?.sendToQueue(this.#hintQueue, Buffer.alloc(0))
      } catch (error) {
        this.#options.log.debug('outbox hint not sent', { err: error })
      }
    })
  }

  /** Publishes what is new among the oldest rows. */
  async #pass(signal: AbortSignal): Promise<{ read: number; sent: number }> {
    const { db, outbox, service } = this.#options
    const channel = this.#session.channel
    if (!channel) return { read: 0, sent: 0 }
    const rows = await outbox.read(db, batch)
    metrics.outboxBacklog.set({ service }, rows.length)
    let sent = 0
    for (const row of rows) {
      if (this.#taken.has(row.id)) continue
      if (this.#arrived.has(row.event_id)) {
        this.#confirmed.push(row)
        this.#deleteSoon()
        continue
      }
      while (this.#unconfirmed >= window && this.#session.channel === channel) await this.#progress.wait(poll_ms, signal)
      if (this.#session.channel !== channel || signal.aborted) break
      this.#publish(channel, row)
      sent++
    }
    return { read: rows.length, sent }
  }

  #publish(channel: ConfirmChannel, row: OutboxRow, written?: WrittenRow): void {
    const { bus, service } = this.#options
    this.#taken.add(row.id)
    this.#order.sent(row.event_id, written)
    this.#unconfirmed++
    const settle = (error: unknown) => {
      this.#unconfirmed--
      if (error) {
        // Not there, as far as anybody knows: read and sent again, and what followed it too.
        this.#taken.delete(row.id)
        this.#order.failed(row.event_id)
        if (this.#session.channel === channel) void this.#session.reopen()
        this.#wake.set()
      } else {
        this.#confirmed.push(row)
        this.#arrived.set(row.event_id, true)
        metrics.eventsPublished.inc({ service, event_type: row.event_type })
        this.#deleteSoon()
      }
      this.#progress.set()
    }
    try {
      channel.publish(bus.named(`${row.domain}.events`), row.event_type, Buffer.from(row.payload), eventOptions(row), settle)
    } catch (error) {
      settle(error)
    }
  }

  /** Off the way of the events: one statement for many rows. */
  #deleteSoon(): void {
    if (this.#confirmed.length >= window) return void this.#deleteConfirmed()
    this.#gathering ??= setTimeout(() => void this.#deleteConfirmed(), gather_ms)
  }

  async #deleteConfirmed(): Promise<void> {
    clearTimeout(this.#gathering)
    this.#gathering = undefined
    if (this.#deleting) return
    this.#deleting = true
    const { db, outbox, log } = this.#options
    try {
      while (this.#confirmed.length > 0) {
        const rows = this.#confirmed
        this.#confirmed = []
        fault('outbox.before_delete')
        try {
          await outbox.remove(db, rows)
          for (const row of rows) this.#taken.delete(row.id)
        } catch (error) {
          log.warn('published events not deleted yet', { err: error })
          this.#confirmed.push(...rows)
          await this.#progress.wait(poll_ms)
        }
      }
    } finally {
      this.#deleting = false
      this.#progress.set()
    }
  }
}
