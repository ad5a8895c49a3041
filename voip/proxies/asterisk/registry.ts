import type { Event } from '@voipbin/kernel'
import type { AriChannel, AriEvent, AriPlayback } from './ari-types.ts'
import { eventId, RecentIds, snoopedChannel, timestamp } from './ids.ts'

/** An event as it goes to the bus; `shard_key` names what must stay in order. */
export interface Outgoing {
  shard_key: string
  event: Event<string, object>
}

interface Known {
  answered: boolean
  ringing: boolean
  seq: number
}

const SYNTHETIC_CAUSE = 41
const causes: Readonly<Record<number, string>> = { 0: 'Unknown', 16: 'Normal Clearing', [SYNTHETIC_CAUSE]: 'Temporary failure' }

/** Turns what Asterisk says into events of the contract, and remembers what lives there, to notice what ended unseen. */
export class Registry {
  readonly asterisk_id: string
  /** Another one after every start of Asterisk. */
  boot_id = ''
  /** Channels that ended, playbacks that are over: requests about them must not start them again. */
  readonly ended = new RecentIds()
  readonly finishedPlaybacks = new RecentIds()
  readonly playbacks = new Map<string, string>()
  #channels = new Map<string, Known>()
  #asked = new RecentIds()

  constructor(asterisk_id: string) {
    this.asterisk_id = asterisk_id
  }

  get channelIds(): string[] {
    return [...this.#channels.keys()]
  }

  /** `hangupChannel` was asked for. */
  hangupAsked(channel_id: string): void {
    this.#asked.add(channel_id)
  }

  /** The contract's event for one of Asterisk's, or nothing when nobody needs it. */
  translate(event: AriEvent): Outgoing | undefined {
    if ('channel' in event && !isCall(event.channel)) return undefined
    const at = timestamp(event.timestamp)
    switch (event.type) {
      case 'ChannelCreated':
        this.#known(event.channel)
        return undefined
      case 'StasisStart':
        return this.#entered(event.channel, event.args, at)
      case 'ChannelStateChange':
        return this.#state(event.channel, at)
      case 'ChannelDestroyed':
        return this.#hangup(event.channel.id, at, {
          cause: event.cause,
          cause_text: event.cause_txt,
          sip_code: event.tech_cause ?? null,
          synthetic: false,
        })
      case 'ChannelDtmfReceived':
        return this.#ofChannel('channel_dtmf', event.channel.id, at, { digit: event.digit, duration: event.duration_ms }, [at, event.digit])
      case 'ChannelHold':
        return this.#ofChannel('channel_hold', event.channel.id, at, {}, [at])
      case 'ChannelUnhold':
        return this.#ofChannel('channel_unhold', event.channel.id, at, {}, [at])
      case 'ChannelEnteredBridge':
        return this.#ofChannel('bridge_entered', event.channel.id, at, { bridge_id: event.bridge.id }, [event.bridge.id, at])
      case 'ChannelLeftBridge':
        return this.#ofChannel('bridge_left', event.channel.id, at, { bridge_id: event.bridge.id }, [event.bridge.id, at])
      case 'PlaybackFinished':
        return this.#playbackFinished(event.playback, at)
      case 'RecordingFinished':
      case 'RecordingFailed': {
        const { name, format, duration = 0, cause = '', target_uri } = event.recording
        const failed = event.type === 'RecordingFailed'
        const data = { name, format, duration, ...(failed && { reason: cause }) }
        return this.#ofTarget(failed ? 'recording_failed' : 'recording_finished', target_uri, at, data, [name])
      }
      default:
        return undefined
    }
  }

  /**
   * Compares what was known before a connect with what lives now: what ended unseen, what was answered unseen.
   * `before` are the ids known when the connection came up; a channel made since is not missed.
   */
  reconcile(before: readonly string[], living: readonly AriChannel[], taken: string): Outgoing[] {
    const calls = new Map(living.filter(isCall).map(channel => [channel.id, channel]))
    const lost = before.filter(id => this.#channels.has(id) && !calls.has(id))
    const missed = lost.map(id =>
      this.#hangup(id, taken, { cause: SYNTHETIC_CAUSE, cause_text: causes[SYNTHETIC_CAUSE] ?? '', sip_code: null, synthetic: true }),
    )
    const states = [...calls.values()].map(channel =>
      this.#channels.has(channel.id) ? this.#state(channel, taken) : void this.#known(channel),
    )
    return [...missed, ...states].filter(event => event !== undefined)
  }

  /** One message for each shard: everything alive in it. */
  snapshot(
    living: readonly AriChannel[],
    taken: string,
    shards: number,
    shardOf: (id: string) => number,
  ): { shard: number; event: Outgoing['event'] }[] {
    const ids = living.filter(isCall).map(channel => channel.id)
    return Array.from({ length: shards }, (_, shard) => {
      const channel_ids = ids.filter(id => shardOf(id) === shard)
      const data = { asterisk_id: this.asterisk_id, boot_id: this.boot_id, shard, taken, channel_ids }
      const id = eventId(this.boot_id, 'channels_snapshot', String(shard), taken, channel_ids.join(','))
      return {
        shard,
        event: this.#envelope('channels_snapshot', id, taken, { type: 'asterisk', id: `${this.asterisk_id}:${shard}`, seq: 1 }, data),
      }
    })
  }

  /** A playback that was running before a connection was lost and is not there any more. */
  playbackGone(playback_id: string, at: string): Outgoing | undefined {
    const target_uri = this.playbacks.get(playback_id)
    if (target_uri === undefined) return undefined
    return this.#playbackFinished({ id: playback_id, media_uri: '', target_uri, state: 'done' }, at)
  }

  #known(channel: AriChannel): Known {
    const known = this.#channels.get(channel.id) ?? { answered: channel.state === 'Up', ringing: channel.state === 'Ringing', seq: 0 }
    this.#channels.set(channel.id, known)
    return known
  }

  #entered(channel: AriChannel, args: readonly string[], at: string): Outgoing {
    this.#known(channel)
    const [direction, source = '', provider_id = '', customer_id = '', extension = '', request_uri = '', hops = ''] = args
    const inbound = direction === 'inbound'
    const verified = inbound
      ? { source, provider_id, customer_id, extension, request_uri, hops: Number(hops) }
      : { source: '', provider_id: '', customer_id: '', extension: '', request_uri: '', hops: 0 }
    const data = { direction: inbound ? 'inbound' : 'outbound', channel: describe(channel, this.asterisk_id), ...verified }
    return this.#ofChannel('channel_entered', channel.id, at, data, [])
  }

  #state(channel: AriChannel, at: string): Outgoing | undefined {
    const known = this.#known(channel)
    if (channel.state === 'Up' && !known.answered) {
      known.answered = true
      return this.#ofChannel('channel_state', channel.id, at, { state: 'up' }, ['up'])
    }
    if (channel.state === 'Ringing' && !known.ringing) {
      known.ringing = true
      return this.#ofChannel('channel_state', channel.id, at, { state: 'ringing' }, ['ringing'])
    }
    return undefined
  }

  /** A BYE without a Reason header has no cause: an answered call then ended normally. */
  #hangup(
    channel_id: string,
    at: string,
    end: { cause: number; cause_text: string; sip_code: number | null; synthetic: boolean },
  ): Outgoing | undefined {
    if (this.ended.has(channel_id)) return undefined
    const answered = this.#channels.get(channel_id)?.answered ?? false
    const normal = end.cause === 0 && answered
    const requested = this.#asked.has(channel_id)
    const data = {
      ...end,
      ...(normal && { cause: 16, cause_text: causes[16] }),
      sip_code: answered ? null : end.sip_code,
      answered,
      requested,
    }
    const outgoing = this.#ofChannel('channel_hangup', channel_id, at, data, [])
    this.#channels.delete(channel_id)
    this.ended.add(channel_id)
    return outgoing
  }

  #playbackFinished(playback: AriPlayback, at: string): Outgoing {
    this.playbacks.delete(playback.id)
    this.finishedPlaybacks.add(playback.id)
    const state = playback.state === 'done' ? 'done' : 'failed'
    return this.#ofTarget('playback_finished', playback.target_uri, at, { playback_id: playback.id, state }, [playback.id])
  }

  #ofChannel(name: string, channel_id: string, at: string, data: object, key: readonly string[]): Outgoing {
    const known = this.#channels.get(channel_id)
    const seq = known === undefined ? 1 : ++known.seq
    const id = eventId(this.boot_id, name, channel_id, ...key)
    const base = { asterisk_id: this.asterisk_id, boot_id: this.boot_id, channel_id }
    return { shard_key: channel_id, event: this.#envelope(name, id, at, { type: 'channel', id: channel_id, seq }, { ...base, ...data }) }
  }

  /** `channel:<id>` or `bridge:<id>` */
  #ofTarget(name: string, target_uri: string, at: string, data: object, key: readonly string[]): Outgoing {
    const [type = '', ...rest] = target_uri.split(':')
    const target = rest.join(':')
    if (type === 'channel') return this.#ofChannel(name, snoopedChannel(target) ?? target, at, { bridge_id: null, ...data }, key)
    const base = { asterisk_id: this.asterisk_id, boot_id: this.boot_id, channel_id: null, bridge_id: target }
    const id = eventId(this.boot_id, name, target, ...key)
    return { shard_key: target, event: this.#envelope(name, id, at, { type: 'bridge', id: target, seq: 1 }, { ...base, ...data }) }
  }

  #envelope(
    name: string,
    event_id: string,
    at: string,
    resource: { type: string; id: string; seq: number },
    data: object,
  ): Outgoing['event'] {
    return {
      event_id,
      event_type: `asterisk.${name}`,
      timestamp: at,
      customer_id: '',
      resource_type: resource.type,
      resource_id: resource.id,
      resource_seq: resource.seq,
      request_id: event_id,
      data,
    }
  }
}

/** SIP legs only: not what Asterisk makes for itself to record and announce, and no self-test. */
export const isCall = (channel: AriChannel): boolean =>
  channel.name.startsWith('PJSIP/') && !(channel.dialplan.context === 'from-edge' && channel.dialplan.exten.startsWith('selftest'))

const states: Readonly<Record<string, 'down' | 'dialing' | 'ring' | 'ringing' | 'up' | 'busy'>> = {
  Down: 'down',
  Dialing: 'dialing',
  Ring: 'ring',
  Ringing: 'ringing',
  Up: 'up',
  Busy: 'busy',
}

/** The contract's view of a channel. */
export function describe(channel: AriChannel, asterisk_id: string) {
  return {
    id: channel.id,
    asterisk_id,
    name: channel.name,
    state: states[channel.state] ?? ('other' as const),
    caller: { number: channel.caller.number, name: channel.caller.name },
    connected: { number: channel.connected.number, name: channel.connected.name },
    exten: channel.dialplan.exten,
    sip_call_id: channel.protocol_id ?? '',
    created: timestamp(channel.creationtime),
  }
}
