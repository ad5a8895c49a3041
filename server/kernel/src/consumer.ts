import { hash } from 'node:crypto'
import type { ConfirmChannel, ConsumeMessage } from 'amqplib'
import type { Bus, Session } from './bus.ts'
import { Chains } from './chains.ts'
import type { Logger } from './context.ts'
import type { Event } from './contract.ts'
import { isUnavailable } from './db-errors.ts'
import { isAppError } from './errors.ts'
import { fault } from './fault.ts'
import { uuid7 } from './id.ts'
import { metrics } from './metrics.ts'
import { declareEventQueue, declareShards, shardCount, shardedDomain, shardQueue } from './publisher.ts'
import { isTransient } from './transient.ts'
import { atMost, pause } from './wake.ts'

const prefetch = 256
/** Resources whose events are handled at the same time, per queue. */
const at_once = 64
/** Pauses before each try, in milliseconds. After the last one the event goes to the dead-letter queue. */
const tries_ms = [0, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000]

/** Remembers which events are dealt with. Without one, an event that comes twice is handled twice. */
export interface SeenStore {
  isSeen(event_id: string): Promise<boolean>
  markSeen(event_ids: readonly string[]): Promise<void>
}

export interface SubscriptionOptions {
  bus: Bus
  log: Logger
  /** Label of the metrics. */
  service: string
  queue: string
  /** Exchanges the queue is bound to, without prefix. Empty: somebody else binds it. */
  exchanges: readonly string[]
  /** Deletes the queue after so many milliseconds without a consumer: for queues of one instance. */
  expires_ms?: number
  /** Of several instances on a queue the one with the highest gets its events; one that joins takes over once the other has acked all it holds. */
  priority?: number
  /** Declares more than the queue (shards). */
  declare?: (channel: ConfirmChannel) => Promise<void>
  /** Events of other types are acked at once. Absent: all are handled. */
  types?: ReadonlySet<string>
  seen?: SeenStore
  /** Events with one key are handled one after another. Default: the resource's id. */
  chainOf?: (event: Event) => string
  /** A thrown AppError is final unless its status says "later"; anything else is tried again, later events of the resource waiting behind it. */
  handle(event: Event): Promise<void>
  /** Pauses before the tries; for tests. */
  tries_ms?: readonly number[]
}

interface Delivery {
  message: ConsumeMessage
  channel: ConfirmChannel
  event: Event
  attempt: number
}

/** One queue of events: in order per resource, at least once, each given up only into the dead-letter queue. */
export class Subscription {
  #options: SubscriptionOptions
  #session: Session
  /** Opened when the first event is given up. */
  #dead: Session | undefined
  #chains: Chains<Delivery>
  #tries_ms: readonly number[]
  /** Dealt with, and to be written down and acked together. */
  #finished: Delivery[] = []
  /** Their ids, until they are written down. */
  #settling = new Set<string>()
  #finishing: Promise<void> | undefined
  #stopping = false

  constructor(options: SubscriptionOptions) {
    const { bus, queue, exchanges, expires_ms, declare, priority } = options
    this.#options = options
    this.#tries_ms = options.tries_ms ?? tries_ms
    this.#chains = new Chains(at_once, delivery => this.#process(delivery))
    this.#session = bus.consuming.open({
      setup: async channel => {
        await declare?.(channel)
        await declareEventQueue(channel, bus, queue, expires_ms)
        for (const exchange of exchanges) {
          await channel.assertExchange(bus.named(exchange), 'fanout', { durable: true })
          await channel.bindQueue(bus.named(queue), bus.named(exchange), '')
        }
        await channel.prefetch(prefetch)
        await channel.consume(bus.named(queue), message => this.#receive(channel, message), priority === undefined ? {} : { priority })
      },
      // What waits here comes again from the broker, in the same order; what is being handled finishes.
      onLost: () => this.#chains.drop(),
    })
  }

  ready(timeout_ms: number): Promise<unknown> {
    return this.#session.ready(timeout_ms)
  }

  get queue(): string {
    return this.#options.queue
  }

  /** Takes no more events; waits up to `timeout_ms` for those being handled. The rest go back to the queue. Safe to call twice. */
  async close(timeout_ms: number): Promise<void> {
    this.#stopping = true
    // Not by cancelling: the next consumer would start on a resource's later events while its earlier one is still being handled here.
    this.#chains.drop()
    await atMost(timeout_ms, this.#chains.idle())
    await atMost(timeout_ms, this.#finishing)
    await Promise.all([this.#session.close(), this.#dead?.close()])
  }

  #receive(channel: ConfirmChannel, message: ConsumeMessage | null): void {
    if (!message) return void this.#session.reopen()
    if (this.#stopping) return
    const event = parseEvent(message.content)
    if (!event) {
      const delivery = { message, channel, event: { event_id: '', event_type: 'malformed' } as Event, attempt: 0 }
      void this.#giveUp(delivery, new Error('not an event envelope'))
      return
    }
    if (this.#options.types && !this.#options.types.has(event.event_type)) {
      ack({ message, channel })
      return
    }
    const key = this.#options.chainOf?.(event) ?? event.resource_id
    this.#chains.add(key, { message, channel, event, attempt: 0 })
  }

  /** One try. Resolves with the milliseconds to wait before the next one, or with nothing when this event is over. */
  async #process(delivery: Delivery): Promise<number | undefined> {
    const { event } = delivery
    const { service, seen, log, handle } = this.#options
    const labels = { service, event_type: event.event_type }
    try {
      if (delivery.attempt === 0 && (this.#settling.has(event.event_id) || (await seen?.isSeen(event.event_id)))) {
        metrics.eventsConsumed.inc({ ...labels, outcome: 'seen' })
        ack(delivery)
        return undefined
      }
      await handle(event)
      metrics.eventsConsumed.inc({ ...labels, outcome: 'ok' })
      metrics.eventLag.observe({ service }, Math.max(0, Date.now() - Date.parse(event.timestamp)) / 1000)
    } catch (error) {
      const fields = {
        event_type: event.event_type,
        event_id: event.event_id,
        resource_id: event.resource_id,
        request_id: event.request_id,
      }
      if (isTransient(error)) {
        // The database or the broker itself is away: that is nothing the event has done, so it costs it no try.
        const counts = !isUnavailable(error) || delivery.attempt < this.#tries_ms.length - 1
        if (counts) delivery.attempt++
        const delay_ms = this.#tries_ms[delivery.attempt]
        if (delay_ms !== undefined) {
          log.warn('event failed, will try again', { ...fields, attempt: delivery.attempt, delay_ms, err: error })
          metrics.eventsConsumed.inc({ ...labels, outcome: 'retried' })
          return delay_ms
        }
        await this.#giveUp(delivery, error)
        return undefined
      }
      log.error('event refused', { ...fields, err: error })
      metrics.eventsConsumed.inc({ ...labels, outcome: isAppError(error) ? error.reason : 'error' })
    }
    this.#finish(delivery)
    return undefined
  }

  /** Writes down and acks in the background, many at once when there are many: the resource's next event need not wait for it. */
  #finish(delivery: Delivery): void {
    this.#finished.push(delivery)
    this.#settling.add(delivery.event.event_id)
    this.#finishing ??= this.#writeFinished()
  }

  async #writeFinished(): Promise<void> {
    const { seen, log } = this.#options
    while (this.#finished.length > 0) {
      const batch = this.#finished
      this.#finished = []
      try {
        await seen?.markSeen(batch.map(({ event }) => event.event_id))
      } catch (error) {
        // It may be handled again after a restart; its transactions are recorded all the same.
        log.warn('events not marked as seen', { count: batch.length, err: error })
      }
      for (const delivery of batch) {
        this.#settling.delete(delivery.event.event_id)
        fault('consumer.before_ack')
        ack(delivery)
      }
    }
    // In the same turn as the last look, or what is finished in between would not be acked.
    this.#finishing = undefined
  }

  /** Moves an event to the dead-letter queue: there first, acked after. */
  async #giveUp(delivery: Delivery, error: unknown): Promise<void> {
    const { bus, queue, log, service } = this.#options
    const { message, event } = delivery
    const reason = error instanceof Error ? error.message : String(error)
    log.error('event given up, moved to the dead-letter queue', {
      queue: `${queue}.dlq`,
      event_id: event.event_id,
      event_type: event.event_type,
      tries: this.#tries_ms.length,
      err: error,
    })
    metrics.dlq.inc({ queue })
    metrics.eventsConsumed.inc({ service, event_type: event.event_type, outcome: 'dead' })
    const headers = { ...message.properties.headers, 'x-error': reason.slice(0, 1000), 'x-failed-at': new Date().toISOString() }
    while (!this.#stopping && delivery.channel === this.#session.channel) {
      try {
        this.#dead ??= bus.publishing.open({ confirm: true })
        const channel = await this.#dead.ready(5_000)
        await confirmed(channel, bus.named(`${queue}.dlq`), message.content, { persistent: true, headers, type: event.event_type })
        ack(delivery)
        return
      } catch (failure) {
        log.warn('dead-letter queue not reached', { queue: `${queue}.dlq`, err: failure })
        await pause(1_000)
      }
    }
  }
}

function ack({ channel, message }: Pick<Delivery, 'channel' | 'message'>): void {
  try {
    channel.ack(message)
  } catch {
    // The channel is gone; the event comes again and is recognised.
  }
}

const confirmed = (channel: ConfirmChannel, queue: string, content: Buffer, options: object) =>
  new Promise<void>((resolve, reject) => {
    channel.sendToQueue(queue, content, options, error => (error ? reject(error) : resolve()))
  })

function parseEvent(content: Buffer): Event | undefined {
  try {
    const event = JSON.parse(content.toString()) as Event
    return typeof event?.event_id === 'string' && event.event_id !== '' && typeof event.event_type === 'string' ? event : undefined
  } catch {
    return undefined
  }
}

/** A shard's events belong together by the channel they are about. */
export const channelOf = (event: Event): string =>
  (event.data as { channel_id?: string | null } | undefined)?.channel_id ?? event.resource_id

/**
 * How much an instance wants a shard, 0..65535: every instance draws its own lot per shard and the highest wins, so that any number of them
 * share the shards without knowing of each other. (A broker before RabbitMQ 4.0 passes over it: there the first instance takes all.)
 */
const lotOf = (instance: string, shard: number): number => Number.parseInt(hash('sha1', `${instance}/${shard}`).slice(0, 4), 16)

/** The subscriptions one service needs for the domains it listens to: one queue each, 16 for the sharded one. */
export function subscriptionsOf(
  service: string,
  consumes: Readonly<Record<string, string>>,
  options: Omit<SubscriptionOptions, 'service' | 'queue' | 'exchanges' | 'types'>,
): Subscription[] {
  const instance = uuid7()
  const byDomain = Map.groupBy(Object.entries(consumes), ([, domain]) => domain)
  return [...byDomain].flatMap(([domain, entries]) => {
    const types = new Set(entries.map(([type]) => type))
    const common = { ...options, service, types }
    if (domain !== shardedDomain) {
      return [new Subscription({ ...common, queue: `${service}.${domain}.events`, exchanges: [`${domain}.events`] })]
    }
    const declare = (channel: ConfirmChannel) => declareShards(channel, options.bus)
    return Array.from({ length: shardCount }, (_, shard) => {
      const own = {
        queue: shardQueue(shard),
        exchanges: [],
        chainOf: channelOf,
        priority: lotOf(instance, shard),
        ...(shard === 0 && { declare }),
      }
      return new Subscription({ ...common, ...own })
    })
  })
}
