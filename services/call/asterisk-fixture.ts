import { errors } from '@voipbin/generated/errors'
import { asteriskContract } from '@voipbin/generated/rpc/asterisk'
import type { CallConsumed } from '@voipbin/generated/rpc/call'
import type { Calls } from '@voipbin/generated/rpc/calls'
import type { AsteriskChannel } from '@voipbin/generated/schemas'
import {
  type Bus,
  type Context,
  type EventPublisher,
  type In,
  noCache,
  openHttp,
  openShardedPublisher,
  type Running,
  serve,
  shardCount,
  shardExchange,
  shardOf,
  shardQueue,
  silentLogger,
  uuid7,
} from '@voipbin/kernel'
import { standIn } from '../test-app.ts'

type Operation =
  | 'createChannel'
  | 'hangupChannel'
  | 'answerChannel'
  | 'ringChannel'
  | 'holdChannel'
  | 'unholdChannel'
  | 'muteChannel'
  | 'unmuteChannel'
  | 'sendChannelDtmf'
  | 'playChannel'
  | 'stopPlayback'
  | 'recordChannel'
  | 'stopRecording'
  | 'createBridge'
  | 'deleteBridge'
  | 'addBridgeChannel'
interface Channel {
  direction: 'inbound' | 'outbound'
  uri: string
  state: AsteriskChannel['state']
  caller: AsteriskChannel['caller']
}
const stranger = { number: '+15557654321', name: 'Bob' }
type Events = { [T in keyof CallConsumed & `asterisk.${string}`]: CallConsumed[T] }
type Entered = Events['asterisk.channel_entered']

/**
 * Stands for the proxy of one Asterisk: answers its operations on the real bus and sends its events to the sharded exchange. What the far end does is
 * up to the test.
 */
export class AsteriskFixture {
  readonly id: string
  readonly boot_id = uuid7()
  readonly channels = new Map<string, Channel>()
  /** Every request, in order. */
  readonly asked: { operation: Operation; input: Record<string, unknown> }[] = []
  /** Reason that the next requests of an operation are refused with. */
  readonly refuses = new Map<Operation, 'UNAVAILABLE' | 'CHANNEL_NOT_FOUND'>()
  /** Channels are made when this resolves. */
  opens: Promise<void> = Promise.resolve()
  /** While set, requests to hang up are answered when it resolves, and the end of the channel is for the test to tell. */
  held: Promise<void> | undefined
  #events: EventPublisher
  #running: Running | undefined
  #http = openHttp()
  #bus: Bus

  constructor(bus: Bus, id: string) {
    this.id = id
    this.#bus = bus
    this.#events = openShardedPublisher(bus)
  }

  async open(): Promise<void> {
    const common = { cache: noCache, http: this.#http, log: silentLogger, errors, grace_ms: 1_000 }
    this.#running = await serve([this.#service()], { ...common, bus: this.#bus, instance: { asterisk_id: this.id } })
    await this.#events.ready(30_000)
    await this.snapshot()
  }

  async close(): Promise<void> {
    await this.#running?.close()
    await this.#events.close()
    await this.#http.close()
    const session = this.#bus.consuming.open({})
    const channel = await session.ready(30_000)
    await channel.deleteQueue(this.#bus.named(`bin-manager.asterisk.${this.id}.request`))
    for (let shard = 0; shard < shardCount; shard++)
      for (const end of ['', '.dlq']) await channel.deleteQueue(this.#bus.named(`${shardQueue(shard)}${end}`))
    await channel.deleteExchange(this.#bus.named(shardExchange))
    await session.close()
  }

  /** Requests of one operation about a channel, a recording or a bridge. */
  of(operation: Operation, about?: string): Record<string, unknown>[] {
    const fits = (input: Record<string, unknown>) => about === undefined || Object.values(input).includes(about)
    return this.asked.filter(one => one.operation === operation && fits(one.input)).map(one => one.input)
  }

  /** What happens at the far end. */
  ring = (channel_id: string) => this.#state(channel_id, 'ringing')
  async answer(channel_id: string): Promise<void> {
    await this.#state(channel_id, 'up')
    await this.#enter(channel_id, {})
  }
  async end(channel_id: string, { cause = 16, sip_code = null as number | null, requested = false } = {}): Promise<void> {
    const channel = this.channels.get(channel_id)
    if (!channel) return
    this.channels.delete(channel_id)
    const about = { cause, cause_text: '', sip_code, answered: channel.state === 'up', requested, synthetic: false }
    await this.send('asterisk.channel_hangup', { ...this.#at(channel_id), ...about })
  }
  press = (channel_id: string, digit: string) => this.send('asterisk.channel_dtmf', { ...this.#at(channel_id), digit, duration: 100 })
  played = (channel_id: string, playback_id: string, state: 'done' | 'failed' = 'done') =>
    this.send('asterisk.playback_finished', { ...this.#at(channel_id), bridge_id: null, playback_id, state })

  /** A call comes in, from a carrier unless said otherwise. */
  async come(entered: Partial<Entered>, caller = stranger): Promise<string> {
    const channel_id = `${Date.now()}.${Math.floor(Math.random() * 1e9)}`
    this.channels.set(channel_id, { direction: 'inbound', uri: '', state: 'ring', caller })
    await this.#enter(channel_id, { source: 'carrier', ...entered })
    return channel_id
  }

  /** What the proxy tells after it has connected. */
  async snapshot(): Promise<void> {
    const taken = new Date().toISOString()
    for (let shard = 0; shard < shardCount; shard++) {
      const channel_ids = [...this.channels.keys()].filter(id => shardOf(id) === shard)
      const data = { asterisk_id: this.id, boot_id: this.boot_id, shard, taken, channel_ids }
      await this.#publish(shard, 'asterisk.channels_snapshot', data, this.id)
    }
  }

  send<T extends keyof Events & string>(event_type: T, data: Events[T] & { channel_id: string | null }, event_id = uuid7()): Promise<void> {
    const channel_id = data.channel_id ?? this.id
    return this.#publish(shardOf(channel_id), event_type, data, channel_id, event_id)
  }

  #publish(shard: number, event_type: string, data: object, resource_id: string, event_id = uuid7()): Promise<void> {
    const envelope = { timestamp: new Date().toISOString(), customer_id: '', resource_type: 'channel', resource_id, resource_seq: 0 }
    return this.#events.publish(String(shard), { event_id, event_type, request_id: event_id, data, ...envelope } as never)
  }

  #at = (channel_id: string) => ({ asterisk_id: this.id, boot_id: this.boot_id, channel_id })

  async #state(channel_id: string, state: 'ringing' | 'up'): Promise<void> {
    const channel = this.channels.get(channel_id)
    if (!channel) throw new Error(`no channel ${channel_id}`)
    channel.state = state
    await this.send('asterisk.channel_state', { ...this.#at(channel_id), state })
  }

  #enter(channel_id: string, fields: Partial<Entered>): Promise<void> {
    const direction = this.channels.get(channel_id)?.direction ?? 'inbound'
    const entered = {
      source: '' as const,
      provider_id: '',
      customer_id: '',
      extension: '',
      request_uri: '',
      channel: this.#view(channel_id),
    }
    return this.send('asterisk.channel_entered', { ...this.#at(channel_id), direction, ...entered, ...fields })
  }

  #view(id: string): AsteriskChannel {
    const { state = 'down', caller = stranger } = this.channels.get(id) ?? {}
    const created = new Date().toISOString()
    return {
      id,
      asterisk_id: this.id,
      name: `PJSIP/${id}`,
      state,
      caller,
      connected: caller,
      exten: '',
      sip_call_id: `sip-${id}`,
      created,
    }
  }

  #service() {
    const note = (ctx: Context, operation: Operation, input: object): void => {
      this.asked.push({ operation, input: { ...input } })
      const reason = this.refuses.get(operation)
      if (reason) throw ctx.error(reason)
    }
    const onChannel = (operation: Operation) => async (ctx: Context, input: { channel_id: string }) => {
      note(ctx, operation, input)
      if (!this.channels.has(input.channel_id)) throw ctx.error('CHANNEL_NOT_FOUND')
      return this.#view(input.channel_id)
    }
    const done = (operation: Operation) => async (ctx: Context, input: object) => {
      note(ctx, operation, input)
      return { done: true }
    }
    return standIn<Operation>(asteriskContract, {
      createChannel: async (ctx, input: In<Calls, 'createChannel'>) => {
        note(ctx, 'createChannel', input)
        await this.opens
        if (!this.channels.has(input.channel_id))
          this.channels.set(input.channel_id, { direction: 'outbound', uri: input.uri, state: 'dialing', caller: stranger })
        return this.#view(input.channel_id)
      },
      hangupChannel: async (ctx, input: In<Calls, 'hangupChannel'>) => {
        note(ctx, 'hangupChannel', input)
        const channel = this.channels.get(input.channel_id)
        const sip_code = channel?.direction === 'outbound' && channel.state !== 'up' ? 487 : null
        await (this.held ?? this.end(input.channel_id, { cause: input.cause ?? 16, sip_code, requested: true }))
        return { done: channel !== undefined }
      },
      answerChannel: async (ctx, input: In<Calls, 'answerChannel'>) => {
        const view = await onChannel('answerChannel')(ctx, input)
        await this.#state(input.channel_id, 'up')
        return view
      },
      ringChannel: onChannel('ringChannel'),
      holdChannel: onChannel('holdChannel'),
      unholdChannel: onChannel('unholdChannel'),
      muteChannel: onChannel('muteChannel'),
      unmuteChannel: onChannel('unmuteChannel'),
      sendChannelDtmf: onChannel('sendChannelDtmf'),
      playChannel: async (ctx, input: In<Calls, 'playChannel'>) => {
        await onChannel('playChannel')(ctx, input)
        return { id: input.playback_id, state: 'queued' }
      },
      stopPlayback: done('stopPlayback'),
      recordChannel: async (ctx, input: In<Calls, 'recordChannel'>) => {
        await onChannel('recordChannel')(ctx, input)
        return { name: input.name, format: 'wav', state: 'recording' }
      },
      stopRecording: done('stopRecording'),
      createBridge: async (ctx, input: In<Calls, 'createBridge'>) => {
        note(ctx, 'createBridge', input)
        return { id: input.bridge_id, channel_ids: [] }
      },
      deleteBridge: done('deleteBridge'),
      addBridgeChannel: done('addBridgeChannel'),
    })
  }
}
