import type { ConfirmChannel } from 'amqplib'
import type { Bus, Session } from './bus.ts'
import type { Event } from './contract.ts'
import { UnavailableError } from './db-errors.ts'

/** How many queues share the work of `asterisk.all.event`, and what that exchange is called without its ending. */
export const shardedDomain = 'asterisk.all'
export const shardCount = 16
export const shardExchange = `${shardedDomain}.event`
export const shardQueue = (shard: number): string => `${shardExchange}.${shard}`

/** 0..15, always the same for one key (FNV-1a over its UTF-16 units). */
export function shardOf(key: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193)
  return (hash >>> 0) % shardCount
}

/** Declares the exchange and its queues; both ends do, so neither has to start first and nothing sent in between is lost. */
export async function declareShards(channel: ConfirmChannel, bus: Bus): Promise<void> {
  await channel.assertExchange(bus.named(shardExchange), 'direct', { durable: true })
  for (let shard = 0; shard < shardCount; shard++) {
    await declareEventQueue(channel, bus, shardQueue(shard))
    await channel.bindQueue(bus.named(shardQueue(shard)), bus.named(shardExchange), String(shard))
  }
}

/** A quorum queue with one active consumer, and the queue for what nobody could handle. `expires_ms`: gone after so long without consumers. */
export async function declareEventQueue(channel: ConfirmChannel, bus: Bus, queue: string, expires_ms?: number): Promise<void> {
  const name = bus.named(queue)
  const quorum = { 'x-queue-type': 'quorum', ...(expires_ms !== undefined && { 'x-expires': expires_ms }) }
  await channel.assertQueue(`${name}.dlq`, { durable: true, arguments: quorum })
  await channel.assertQueue(name, {
    durable: true,
    deadLetterExchange: '',
    deadLetterRoutingKey: `${name}.dlq`,
    // The default limit of 20 would give up an event because its consumers were restarted that often.
    arguments: { ...quorum, 'x-single-active-consumer': true, 'x-delivery-limit': -1 },
  })
}

/** How an event travels: it survives the broker, and tells its id and type without being opened. */
export const eventOptions = ({ event_id, event_type }: Pick<Event, 'event_id' | 'event_type'>) => ({
  persistent: true,
  contentType: 'application/json',
  messageId: event_id,
  type: event_type,
  headers: { event_id },
})

interface Buffered {
  key: string
  content: Buffer
  event: Pick<Event, 'event_id' | 'event_type'>
  resolve: () => void
  reject: (error: Error) => void
}

interface PublisherOptions {
  /** Exchange name without prefix. */
  exchange: string
  /** Declares what it publishes to. Default: a durable fanout exchange of that name. */
  declare?: (channel: ConfirmChannel) => Promise<void>
  /** Events kept while the broker is away or slow. Above it `publish` rejects. Default 10,000. */
  max_buffered?: number
}

const window = 100

/**
 * Publishes events that have no database behind them, in order, at least once: what was not confirmed when the connection broke is sent
 * again after it is back. Lost when this process dies: services use the outbox instead.
 */
export class EventPublisher {
  #exchange: string
  #max: number
  #session: Session
  /** The first `#sent` of these are on the wire. */
  #queue: Buffered[] = []
  #sent = 0
  #closed = false

  constructor(bus: Bus, { exchange, declare, max_buffered = 10_000 }: PublisherOptions) {
    this.#exchange = bus.named(exchange)
    this.#max = max_buffered
    this.#session = bus.publishing.open({
      confirm: true,
      setup: async channel => {
        await (declare ? declare(channel) : channel.assertExchange(this.#exchange, 'fanout', { durable: true }))
      },
      onOpen: () => {
        this.#sent = 0
        this.#pump()
      },
    })
  }

  ready(timeout_ms: number): Promise<unknown> {
    return this.#session.ready(timeout_ms)
  }

  /** How many events wait for the broker. */
  get buffered(): number {
    return this.#queue.length
  }

  /** Resolves when the broker has the event. Rejects with UnavailableError when too many wait already, or when closed before. */
  publish(routing_key: string, event: Pick<Event, 'event_id' | 'event_type'>): Promise<void> {
    if (this.#closed) return Promise.reject(new UnavailableError('publisher closed'))
    if (this.#queue.length >= this.#max) return Promise.reject(new UnavailableError(`${this.#max} events wait for the broker`))
    return new Promise((resolve, reject) => {
      this.#queue.push({ key: routing_key, content: Buffer.from(JSON.stringify(event)), event, resolve, reject })
      this.#pump()
    })
  }

  /** Waits up to `timeout_ms` for what is buffered. Safe to call twice. */
  async close(timeout_ms = 5_000): Promise<void> {
    const end = Date.now() + timeout_ms
    const waiting = this.#queue.at(-1)
    this.#closed = true
    if (waiting) {
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, end - Date.now())
        const done = (settle: () => void) => () => {
          clearTimeout(timer)
          settle()
          resolve()
        }
        const { resolve: ok, reject: fail } = waiting
        waiting.resolve = done(ok)
        waiting.reject = error => done(() => fail(error))()
      })
    }
    for (const left of this.#queue.splice(0)) left.reject(new UnavailableError('publisher closed'))
    await this.#session.close()
  }

  #pump(): void {
    const channel = this.#session.channel
    if (!channel) return
    while (this.#sent < this.#queue.length && this.#sent < window) {
      const item = this.#queue[this.#sent] as Buffered
      this.#sent++
      try {
        channel.publish(this.#exchange, item.key, item.content, eventOptions(item.event), error => this.#settle(channel, item, error))
      } catch {
        // The channel closed under us; what is buffered leaves through the next one.
        this.#sent--
        return
      }
    }
  }

  #settle(channel: ConfirmChannel, item: Buffered, error: unknown): void {
    if (error) {
      if (this.#session.channel === channel) void this.#session.reopen()
      return
    }
    const index = this.#queue.indexOf(item)
    if (index === -1) return
    this.#queue.splice(index, 1)
    if (this.#session.channel === channel) this.#sent--
    item.resolve()
    this.#pump()
  }
}

/** Publishes to `asterisk.all.event`: everything about one channel goes through one queue, hence in order. */
export function openShardedPublisher(bus: Bus): EventPublisher {
  return new EventPublisher(bus, { exchange: shardExchange, declare: channel => declareShards(channel, bus) })
}
