import type { Logger } from '@voipbin/kernel'
import type { AriEvent } from './ari-types.ts'
import { snoopedChannel } from './ids.ts'
import { AriError, AriUnavailable, type AsteriskPort } from './port.ts'
import { type Outgoing, Registry } from './registry.ts'

/** Where events go. The kernel's sharded publisher is one. */
export interface Publisher {
  readonly buffered: number
  /** In order; resolves when the broker has it, rejects when too many wait. */
  publish(routing_key: string, event: Outgoing['event']): Promise<void>
}

export interface ProxyOptions {
  asterisk_id: string
  /** The Stasis application. */
  app: string
  port: AsteriskPort
  publisher: Publisher
  shards: number
  shardOf: (id: string) => number
  log: Logger
}

/** Above `high` events waiting for the broker nothing more is read from Asterisk, until `low` are left. */
const buffer = { high: 5_000, low: 1_000 }
const retry_ms = 1_000
const bootVariable = 'VOIPBIN_BOOT_ID'
const noise = [
  'ChannelVarset',
  'ChannelDialplan',
  'ChannelCallerId',
  'ChannelConnectedLine',
  'Dial',
  'DeviceStateChanged',
  'PeerStatusChange',
  'ContactStatusChange',
  'EndpointStateChange',
]

/** Asterisk's events to the bus: each at least once, in order for each channel, and what was missed is made up for. */
export class AsteriskProxy {
  readonly registry: Registry
  #options: ProxyOptions
  /** Events that came before this connection was reconciled; undefined when they go straight on. */
  #early: AriEvent[] | undefined
  #connection = 0
  #paused = false
  #lossy = false
  #stopped = false
  #retry: NodeJS.Timeout | undefined

  constructor(options: ProxyOptions) {
    this.#options = options
    this.registry = new Registry(options.asterisk_id)
  }

  /** True once connected and reconciled. */
  get isReady(): boolean {
    return this.#options.port.connected && this.#early === undefined && this.registry.boot_id !== ''
  }

  start(): void {
    const { port, log } = this.#options
    port.start({
      connected: () => {
        log.info('asterisk connected')
        this.#early = []
        void this.#reconcile(++this.#connection)
      },
      disconnected: reason => {
        log.warn('asterisk is away', { reason })
        clearTimeout(this.#retry)
      },
      event: event => {
        if (this.#early === undefined) this.#pass(event)
        else this.#early.push(event)
      },
    })
  }

  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#retry)
    await this.#options.port.stop()
  }

  /** After a connect: learns which Asterisk this is, what lives there, reports what ended unseen, then lets events through. */
  async #reconcile(connection: number): Promise<void> {
    const { port, app, log } = this.#options
    try {
      const before = this.registry.channelIds
      await port.request('applications.filter', { applicationName: app, filter: { disallowed: noise.map(type => ({ type })) } })
      this.registry.boot_id = await this.#bootId()
      const taken = new Date().toISOString()
      const living = await port.request('channels.list', {})
      if (connection !== this.#connection) return
      for (const outgoing of this.registry.reconcile(before, living, taken)) this.#publish(outgoing)
      for (const playback of [...this.registry.playbacks.keys()]) await this.#checkPlayback(playback, taken)
      for (const { shard, event } of this.registry.snapshot(living, taken, this.#options.shards, this.#options.shardOf))
        this.#send(String(shard), event)
      const early = this.#early ?? []
      this.#early = undefined
      for (const event of early) this.#pass(event)
      log.info('asterisk reconciled', { channels: living.length, boot_id: this.registry.boot_id })
    } catch (error) {
      if (this.#stopped || connection !== this.#connection) return
      // Without a connection the next connect starts over; anything else is tried again.
      log.warn('asterisk not reconciled', { err: error })
      if (!(error instanceof AriUnavailable) || port.connected) this.#retry = setTimeout(() => void this.#reconcile(connection), retry_ms)
    }
  }

  /** Kept by Asterisk itself, so that it lasts exactly as long as its process, whoever asks. */
  async #bootId(): Promise<string> {
    const { port } = this.#options
    const { value } = await port.request('asterisk.getGlobalVar', { variable: bootVariable })
    if (value !== '') return value
    const fresh = crypto.randomUUID()
    await port.request('asterisk.setGlobalVar', { variable: bootVariable, value: fresh })
    return fresh
  }

  async #checkPlayback(playback_id: string, at: string): Promise<void> {
    try {
      await this.#options.port.request('playbacks.get', { playbackId: playback_id })
    } catch (error) {
      if (!(error instanceof AriError) || error.status !== 404) throw error
      const outgoing = this.registry.playbackGone(playback_id, at)
      if (outgoing) this.#publish(outgoing)
    }
  }

  #pass(event: AriEvent): void {
    const outgoing = this.registry.translate(event)
    if (outgoing) this.#publish(outgoing)
    if (event.type === 'RecordingFinished' || event.type === 'RecordingFailed') void this.#endSnoop(event.recording.target_uri)
  }

  /** What listened for a recording is of no use afterwards. It goes by itself with its call. */
  async #endSnoop(target_uri: string): Promise<void> {
    const channelId = target_uri.replace(/^channel:/, '')
    if (snoopedChannel(channelId) === undefined) return
    try {
      await this.#options.port.request('channels.hangup', { channelId })
    } catch (error) {
      if (!(error instanceof AriError)) this.#options.log.warn('snoop channel not ended', { channel_id: channelId, err: error })
    }
  }

  #publish({ shard_key, event }: Outgoing): void {
    this.#send(String(this.#options.shardOf(shard_key)), event)
  }

  #send(routing_key: string, event: Outgoing['event']): void {
    const { publisher, port, log } = this.#options
    publisher.publish(routing_key, event).then(
      () => this.#drained(),
      error => {
        if (this.#stopped) return
        log.error('event not published, will reconcile', { event_type: event.event_type, event_id: event.event_id, err: error })
        this.#lossy = true
      },
    )
    if (!this.#paused && publisher.buffered > buffer.high) {
      log.warn('broker too slow, no more events are read', { waiting: publisher.buffered })
      this.#paused = true
      port.pause()
    }
  }

  #drained(): void {
    if (!this.#paused || this.#options.publisher.buffered > buffer.low) return
    this.#paused = false
    this.#options.port.resume()
    if (!this.#lossy) return
    this.#lossy = false
    this.#early = []
    void this.#reconcile(++this.#connection)
  }
}
