import type { Bus, Event, Logger, Session } from '@voipbin/kernel'
import { Coverage, helloExchange } from './coverage.ts'
import type { Address } from './hub.ts'
import type { OutgoingEvent } from './sequence.ts'

/** What the gateway needs to know of one event type. */
export interface EventView {
  /** Bus only. */
  internal: boolean
  /** Drops what is not public from the data. */
  project(data: unknown): unknown
}

export interface EventFeedOptions {
  bus: Bus
  /** Names this gateway; part of the queue's name. */
  instance: string
  /** The name outlives the process: the queue stays when the gateway stops, and what happens meanwhile waits in it for a while. */
  stable: boolean
  /** Domains whose `<domain>.events` exchanges are listened to. */
  domains: readonly string[]
  views: Readonly<Record<string, EventView>>
  log: Logger
  /** Takes a public event; resolves when the broker may forget it. */
  accept(event: OutgoingEvent): Promise<void>
  /** Sees every event, internal ones too, before it is sent: caches are cleared and sockets closed by it. */
  observe(event: Event): void
  /** The queue was not there: events may have passed this gateway by. `covered`: another one has heard them. `first`: no socket was open yet. */
  onMissed(missed: { covered: boolean; first: boolean }): Promise<void>
}

export interface EventFeed {
  ready(timeout_ms: number): Promise<unknown>
  /** Stops listening; removes the queue unless its name is stable. */
  close(): Promise<void>
}

/** A message of the broker; null when it ended the consumer. */
type Message = Parameters<Parameters<NonNullable<Session['channel']>['consume']>[1]>[0]

const consumerTag = 'gateway-events'
/** After so long without a consumer the queue goes: the gateway is dead, and its sockets with it. In milliseconds. */
const queueExpires_ms = 300_000
const prefetch = 200

/**
 * Listens to all events. Each gateway has a queue of its own, because every gateway has other sockets. The queue is durable and replicated
 * rather than exclusive: an exclusive one dies with its connection, and what services publish between the broker's return and ours would
 * be lost to sockets that never noticed. It expires by itself when the gateway does not come back.
 */
export function openEventFeed(options: EventFeedOptions): EventFeed {
  const { bus, log, stable } = options
  const queue = bus.named(`gateway.${options.instance}.events`)
  const pending = new Set<Promise<unknown>>()
  const coverage = new Coverage({ bus, log, settled: () => Promise.all(pending) })
  const whole = Promise.withResolvers<void>()
  let first = true

  /** After the queue is bound: were there others before? */
  const judge = async (alone: boolean): Promise<void> => {
    const covered = !alone && (await coverage.ask().catch(() => false))
    log.info('event queue is new', { queue, covered })
    await options.onMissed({ covered, first })
  }
  const begin = (): void => {
    coverage.begin()
    first = false
    whole.resolve()
  }

  const session: Session = bus.consuming.open({
    setup: async channel => {
      const known = await bus.consuming.hasQueue(queue)
      const alone = !known && !(await coverage.anybody())
      await channel.prefetch(prefetch)
      await channel.assertQueue(queue, { durable: true, arguments: { 'x-queue-type': 'quorum', 'x-expires': queueExpires_ms } })
      for (const exchange of [...options.domains.map(domain => `${domain}.events`), helloExchange]) {
        await channel.assertExchange(bus.named(exchange), 'fanout', { durable: true })
        await channel.bindQueue(queue, bus.named(exchange), '')
      }
      const onMessage = (message: Message): void => {
        // The broker took the queue away; a new channel declares it again.
        if (!message) return void session.reopen()
        const work = receive(message, options, coverage)
        pending.add(work)
        void work.finally(() => {
          pending.delete(work)
          try {
            channel.ack(message)
          } catch (error) {
            log.debug('the channel went before the ack; the broker delivers again', { err: error })
          }
        })
      }
      // Exclusive: a second gateway of the same name would take half of the events away.
      await channel.consume(queue, onMessage, { consumerTag, exclusive: true })
      if (known) begin()
      else judge(alone).then(begin, error => log.error('history not judged', { err: error }))
    },
  })
  return {
    ready: async timeout_ms => {
      await session.ready(timeout_ms)
      await whole.promise
    },
    close: async () => {
      const { channel } = session
      if (channel) {
        await channel.cancel(consumerTag)
        // Events still in it are in the other gateways' queues as well.
        if (!stable) await channel.deleteQueue(queue)
      }
      await Promise.all([session.close(), coverage.close()])
    },
  }
}

/** Never rejects: what cannot be sent is logged and forgotten. */
async function receive(message: NonNullable<Message>, options: EventFeedOptions, coverage: Coverage): Promise<void> {
  const { bus, log } = options
  const { exchange, routingKey } = message.fields
  if (exchange === bus.named(helloExchange)) return coverage.receive(message.content)
  const event = readEvent(message.content)
  if (!event) return log.error('event is not readable', { exchange, routing_key: routingKey })
  try {
    await handle(event, options)
  } catch (error) {
    log.error('event not sent', { event_id: event.event_id, event_type: event.event_type, request_id: event.request_id, err: error })
  }
}

async function handle(event: Event, { views, accept, observe }: EventFeedOptions): Promise<void> {
  observe(event)
  const view = views[event.event_type]
  // An unknown type comes from a newer service whose contract this gateway does not have: without it nobody knows what may be shown.
  if (!view || view.internal || event.customer_id === '') return
  await accept(outgoing(event, view))
}

/** The event as sockets see it: only the envelope's own fields, and the public part of the data. */
export function outgoing(event: Event, view: EventView): OutgoingEvent {
  const { event_id, event_type, timestamp, customer_id, resource_type, resource_id, resource_seq, request_id } = event
  const data = view.project(event.data)
  const body = JSON.stringify({ event_id, event_type, timestamp, customer_id, resource_type, resource_id, resource_seq, request_id, data })
  return { event_id, customer_id, body, address: addressOf(event) }
}

/** Whom an event concerns. An agent is concerned by its own row, by rows it owns and by rows that name it. */
export function addressOf(event: Pick<Event, 'customer_id' | 'resource_type' | 'resource_id' | 'data'>): Address {
  const { agent_id, owner_type, owner_id } = (event.data ?? {}) as { agent_id?: unknown; owner_type?: unknown; owner_id?: unknown }
  const agent_ids = new Set<string>()
  if (event.resource_type === 'agent') agent_ids.add(event.resource_id)
  if (typeof agent_id === 'string') agent_ids.add(agent_id)
  if (owner_type === 'agent' && typeof owner_id === 'string') agent_ids.add(owner_id)
  return { customer_id: event.customer_id, agent_ids: [...agent_ids], resource_type: event.resource_type, resource_id: event.resource_id }
}

function readEvent(content: Buffer): Event | undefined {
  try {
    const event = JSON.parse(content.toString()) as Partial<Event> | null
    const complete = typeof event?.event_id === 'string' && typeof event.event_type === 'string' && typeof event.customer_id === 'string'
    return complete ? (event as Event) : undefined
  } catch {
    return undefined
  }
}
