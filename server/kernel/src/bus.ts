import { type Channel, type ChannelModel, type ConfirmChannel, connect, type RecoveringChannelModel } from 'amqplib'
import type { Logger } from './context.ts'

export interface BusOptions {
  /** `amqp://user:password@host:port/vhost`. */
  url: string
  log: Logger
  /** Shown in the broker's list of connections. */
  name?: string
  /** Put before every queue and exchange name, so that tests share one broker. */
  prefix?: string
}

/** Two connections to the broker: a memory alarm blocks those that publish, and must not block acks. */
export interface Bus {
  readonly publishing: Link
  readonly consuming: Link
  /** The name of a queue or exchange on the broker. */
  readonly named: (name: string) => string
  readonly log: Logger
  /** Both connections are up. */
  readonly isUp: boolean
  /** Safe to call twice. Closes both connections and with them every channel; unacked messages go back to their queues. */
  close(): Promise<void>
}

/** Starts connecting and returns at once: sessions opened on a bus that is away come up when it does. */
export async function openBus({ url, log, name = 'voipbin', prefix = '' }: BusOptions): Promise<Bus> {
  const [publishing, consuming] = await Promise.all([openLink(url, `${name}:publish`, log), openLink(url, `${name}:consume`, log)])
  return {
    publishing,
    consuming,
    log,
    named: value => prefix + value,
    get isUp() {
      return publishing.isUp && consuming.isUp
    },
    close: async () => {
      await Promise.all([publishing.close(), consuming.close()])
    },
  }
}

/** Seconds of silence after which the peer counts as dead (twice over). */
const heartbeatSeconds = 10

async function openLink(url: string, name: string, log: Logger): Promise<Link> {
  const target = new URL(url)
  if (!target.searchParams.has('heartbeat')) target.searchParams.set('heartbeat', String(heartbeatSeconds))
  const model = await connect(target.href, {
    // Without it a reply followed by an ack waits some 40 ms for a delayed TCP ACK.
    noDelay: true,
    timeout: 5_000,
    clientProperties: { connection_name: name },
    recovery: { initialDelay: 100, maxDelay: 2_000, factor: 2, jitter: 0.2, waitForConnect: false },
  })
  return new Link(model, name, log)
}

/** One connection that comes back by itself, and the sessions on it. */
export class Link {
  readonly name: string
  readonly log: Logger
  /** The broker has raised an alarm and reads nothing from this connection. */
  blocked = false
  #recovering: RecoveringChannelModel
  #live: ChannelModel | undefined
  #sessions = new Set<Session>()
  #closing: Promise<void> | undefined
  #away = false

  constructor(model: RecoveringChannelModel, name: string, log: Logger) {
    this.name = name
    this.log = log
    this.#recovering = model
    model.on('connect', live => {
      this.#live = live
      this.#away = false
      this.blocked = false
      log.info('broker connected', { connection: name })
      for (const session of this.#sessions) session.connected()
    })
    model.on('disconnect', error => {
      this.#live = undefined
      if (!this.#closing) this.#reportAway(error)
    })
    model.on('connect-failed', error => this.#reportAway(error))
    model.on('blocked', () => {
      this.blocked = true
      log.warn('broker blocks publishers', { connection: name })
    })
    model.on('unblocked', () => {
      this.blocked = false
      log.info('broker unblocked publishers', { connection: name })
    })
    model.on('error', error => log.warn('broker connection error', { connection: name, err: error }))
    model.on('handler-error', (error: Error, event: string) => log.error('broker listener threw', { connection: name, event, err: error }))
  }

  get isUp(): boolean {
    return this.#live !== undefined
  }
  get live(): ChannelModel | undefined {
    return this.#live
  }

  /** Whether there is a queue of this name (as the broker knows it). Rejects when the broker is away. */
  async hasQueue(name: string): Promise<boolean> {
    const channel = await this.#live?.createChannel()
    if (!channel) throw new Error('broker is away')
    // A missing queue ends the channel it was asked on.
    channel.on('error', error => this.log.debug('queue not found', { queue: name, err: error }))
    try {
      await channel.checkQueue(name)
    } catch (error) {
      if ((error as { code?: number }).code !== 404) throw error
      return false
    }
    await channel.close()
    return true
  }

  /** Opens a channel that is opened again, and set up again, whenever it or the connection is lost. */
  open(options: SessionOptions): Session {
    const session = new Session(this, options)
    this.#sessions.add(session)
    session.connected()
    return session
  }

  forget(session: Session): void {
    this.#sessions.delete(session)
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      for (const session of [...this.#sessions]) session.abandon()
      await this.#recovering.close()
    })()
    return this.#closing
  }

  /** One line per outage, not one per attempt. */
  #reportAway(error: Error): void {
    if (this.#away) return
    this.#away = true
    this.log.warn('broker is away', { connection: this.name, err: error })
  }
}

export interface SessionOptions {
  /** Publisher confirms. */
  confirm?: boolean
  /** Declares and consumes. Runs on every new channel before anybody else sees it; when it fails, it is tried again. */
  setup?: (channel: ConfirmChannel) => Promise<void>
  /** A new channel is ready for use. */
  onOpen?: () => void
  /** The channel is gone; what was in flight on it has an unknown fate. */
  onLost?: () => void
}

/** A channel that comes back. `channel` is undefined while it is away. */
export class Session {
  channel: ConfirmChannel | undefined
  #link: Link
  #options: SessionOptions
  #opening = false
  #closed = false
  #retry: NodeJS.Timeout | undefined
  #attempt = 0
  #waiters = new Set<(channel: ConfirmChannel) => void>()

  constructor(link: Link, options: SessionOptions) {
    this.#link = link
    this.#options = options
  }

  /** Resolves with the channel, or rejects after `timeout_ms`. */
  ready(timeout_ms: number): Promise<ConfirmChannel> {
    if (this.channel) return Promise.resolve(this.channel)
    return new Promise((resolve, reject) => {
      const waiter = (channel: ConfirmChannel) => {
        clearTimeout(timer)
        resolve(channel)
      }
      const timer = setTimeout(() => {
        this.#waiters.delete(waiter)
        reject(new Error(`broker channel not open after ${timeout_ms} ms`))
      }, timeout_ms)
      this.#waiters.add(waiter)
    })
  }

  /** The connection is up (again). */
  connected(): void {
    const live = this.#link.live
    if (!live || this.#closed || this.#opening || this.channel) return
    this.#opening = true
    this.#open(live).then(
      () => {
        this.#opening = false
        this.#attempt = 0
        // A connection lost and found while the setup was finishing.
        if (!this.channel) this.connected()
      },
      error => {
        this.#opening = false
        if (this.#closed) return
        if (this.#link.live === live) this.#link.log.warn('broker channel failed', { connection: this.#link.name, err: error })
        this.#scheduleRetry()
      },
    )
  }

  /** Closes the channel: consumers end, unacked messages go back. Safe to call twice. */
  async close(): Promise<void> {
    const channel = this.channel
    this.abandon()
    if (!channel) return
    try {
      await channel.close()
    } catch (error) {
      // It went down with its connection in the meantime, which is what was wanted.
      this.#link.log.debug('channel was closed already', { err: error })
    }
  }

  /** Throws the current channel away, e.g. because the broker cancelled its consumer; a new one is opened and set up. */
  async reopen(): Promise<void> {
    const channel = this.channel
    if (!channel || this.#closed) return
    try {
      await channel.close()
    } catch (error) {
      this.#link.log.debug('channel was closed already', { err: error })
    }
  }

  /** Never opens again; the current channel ends with its connection. */
  abandon(): void {
    this.#closed = true
    clearTimeout(this.#retry)
    this.#link.forget(this)
  }

  async #open(live: ChannelModel): Promise<void> {
    const channel = this.#options.confirm ? await live.createConfirmChannel() : ((await live.createChannel()) as Channel as ConfirmChannel)
    let gone = false
    channel.on('error', error => this.#link.log.warn('broker channel error', { connection: this.#link.name, err: error }))
    channel.on('handler-error', (error: Error, event: string) => this.#link.log.error('broker listener threw', { event, err: error }))
    channel.on('close', () => {
      gone = true
      if (this.channel !== channel) return
      this.channel = undefined
      this.#options.onLost?.()
      this.#scheduleRetry()
    })
    await this.#options.setup?.(channel)
    if (this.#closed) {
      await channel.close()
      return
    }
    if (gone) throw new Error('channel closed while it was set up')
    this.channel = channel
    for (const waiter of this.#waiters) waiter(channel)
    this.#waiters.clear()
    this.#options.onOpen?.()
  }

  /** Only needed when the channel alone is lost; a new connection calls `connected` itself. */
  #scheduleRetry(): void {
    if (this.#closed) return
    clearTimeout(this.#retry)
    const delay = Math.min(2_000, 50 * 2 ** this.#attempt++)
    this.#retry = setTimeout(() => this.connected(), delay)
  }
}
