import { setTimeout } from 'node:timers/promises'
import type { AsteriskHandlers } from '@voipbin/generated/rpc/asterisk'
import type { GeneralReason } from '@voipbin/kernel'
import type { AriOperation, AriPlayback } from './ari-types.ts'
import type { EdgePicker } from './edges.ts'
import { snoopId } from './ids.ts'
import { AriError, AriUnavailable, type AsteriskPort, type Params, type Result } from './port.ts'
import { readPart } from './recordings.ts'
import { describe, type Registry } from './registry.ts'

export interface HandlerOptions {
  asterisk_id: string
  app: string
  port: AsteriskPort
  registry: Registry
  edges: EdgePicker
  /** Asterisk's `spool/recording`. */
  recordings: string
}

type Reason =
  | 'CHANNEL_NOT_FOUND'
  | 'CHANNEL_NOT_READY'
  | 'CHANNEL_ENDED'
  | 'BRIDGE_NOT_FOUND'
  | 'BRIDGE_NOT_READY'
  | 'RECORDING_EXISTS'
  | 'RECORDING_FILE_NOT_FOUND'
  | GeneralReason
interface Failing {
  error(reason: Reason, data?: { message?: string }): Error
}
/** HTTP status of Asterisk -> reason of the contract. */
type Reasons = Readonly<Partial<Record<400 | 404 | 409 | 412 | 422, Reason>>>

const snoopTries = 25
const snoopPause_ms = 20

const onChannel: Reasons = { 404: 'CHANNEL_NOT_FOUND', 409: 'CHANNEL_NOT_READY', 412: 'CHANNEL_NOT_READY' }
const onBridge: Reasons = { 404: 'BRIDGE_NOT_FOUND', 409: 'BRIDGE_NOT_READY', 412: 'BRIDGE_NOT_READY' }

/** The contract's operations on one Asterisk. No rules here: every answer is Asterisk's. */
export function asteriskHandlers({ asterisk_id, app, port, registry, edges, recordings }: HandlerOptions): AsteriskHandlers {
  /** Asks, and turns Asterisk's refusal into the contract's. */
  async function ask<O extends AriOperation>(ctx: Failing, operation: O, params: Params<O>, reasons: Reasons = {}): Promise<Result<O>> {
    try {
      return await port.request(operation, params)
    } catch (error) {
      if (error instanceof AriUnavailable) throw ctx.error('UNAVAILABLE', { message: error.message })
      const reason = error instanceof AriError ? (reasons as Record<number, Reason | undefined>)[error.status] : undefined
      if (reason === undefined) throw error
      throw ctx.error(reason, { message: (error as Error).message })
    }
  }
  /** As `ask`, and undefined when what it is about is not there. */
  async function askIfThere<O extends AriOperation>(
    ctx: Failing,
    operation: O,
    params: Params<O>,
  ): Promise<{ result: Result<O> } | undefined> {
    try {
      return { result: await port.request(operation, params) }
    } catch (error) {
      if (error instanceof AriError && (error.status === 404 || error.status === 409)) return undefined
      if (error instanceof AriUnavailable) throw ctx.error('UNAVAILABLE', { message: error.message })
      throw error
    }
  }
  const channel = async (ctx: Failing, channelId: string) => describe(await ask(ctx, 'channels.get', { channelId }, onChannel), asterisk_id)
  /** An operation on a channel that answers the channel. */
  const act = async <O extends AriOperation>(ctx: Failing, channelId: string, operation: O, params: Params<O>) => {
    await ask(ctx, operation, params, onChannel)
    return channel(ctx, channelId)
  }
  /** Asterisk would play the same id twice: ask for it first. */
  const play = async (ctx: Failing, playback_id: string, target: string, start: () => Promise<AriPlayback>) => {
    if (registry.finishedPlaybacks.has(playback_id)) return { id: playback_id, state: 'done' as const }
    const running = await askIfThere(ctx, 'playbacks.get', { playbackId: playback_id })
    if (running) return playback(running.result)
    registry.playbacks.set(playback_id, target)
    try {
      return playback(await start())
    } catch (error) {
      registry.playbacks.delete(playback_id)
      throw error
    }
  }
  /** 409 is either the state of the target or the name: a recording that runs under this name is the answer to a repeated request. */
  const record = async (ctx: Failing, input: RecordInput, start: (options: RecordOptions) => Promise<Live>, busy: Reason, gone: Reason) => {
    const { name, format, max_duration, max_silence, beep, terminate_on } = input
    try {
      return live(
        await start({
          name,
          format,
          maxDurationSeconds: max_duration,
          maxSilenceSeconds: max_silence,
          beep,
          terminateOn: terminate_on,
          ifExists: 'fail',
        }),
      )
    } catch (error) {
      if (error instanceof AriUnavailable) throw ctx.error('UNAVAILABLE', { message: error.message })
      if (!(error instanceof AriError)) throw error
      if (error.status === 404) throw ctx.error(gone)
      if (error.status !== 409) throw error
      const running = await askIfThere(ctx, 'recordings.getLive', { recordingName: name })
      if (running) return live(running.result)
      const stored = await askIfThere(ctx, 'recordings.getStored', { recordingName: name })
      throw ctx.error(stored ? 'RECORDING_EXISTS' : busy, { message: error.message })
    }
  }

  /** A snoop channel can be recorded once it is under our control, a few milliseconds after it was made. */
  const snoopAndRecord = async (channelId: string, options: RecordOptions): Promise<Live> => {
    const snoop = snoopId(options.name, channelId)
    const spying = await port.request('channels.snoopChannelWithId', { channelId, snoopId: snoop, spy: 'both', app, appArgs: 'snoop' })
    for (let attempt = 1; ; attempt++) {
      try {
        return await port.request('channels.record', { channelId: spying.id, ...options })
      } catch (error) {
        if (!(error instanceof AriError) || error.status !== 409 || attempt === snoopTries) throw error
        await setTimeout(snoopPause_ms)
      }
    }
  }

  return {
    createChannel: async (ctx, input) => {
      const { channel_id: channelId, uri, timeout } = input
      if (registry.ended.has(channelId)) throw ctx.error('CHANNEL_ENDED')
      const endpoint = `PJSIP/${await edges.pick()}/${uri}`
      const headers = Object.entries(input.headers ?? {}).map(([name, value]) => [`PJSIP_HEADER(add,${name})`, value])
      const variables = { ...input.variables, ...Object.fromEntries(headers) }
      const callerId = `"${input.caller_name.replace(/["\\<>\r\n]/g, '')}" <${input.caller_number.replace(/[^0-9A-Za-z+*#._-]/g, '')}>`
      const made = await askIfThere(ctx, 'channels.originateWithId', {
        channelId,
        endpoint,
        app,
        appArgs: 'outbound',
        callerId,
        timeout,
        variables,
      })
      return made ? describe(made.result, asterisk_id) : channel(ctx, channelId)
    },
    answerChannel: (ctx, { channel_id: channelId }) => act(ctx, channelId, 'channels.answer', { channelId }),
    ringChannel: (ctx, { channel_id: channelId }) => act(ctx, channelId, 'channels.ring', { channelId }),
    hangupChannel: async (ctx, { channel_id: channelId, cause }) => {
      registry.hangupAsked(channelId)
      return { done: (await askIfThere(ctx, 'channels.hangup', { channelId, reason_code: String(cause) })) !== undefined }
    },
    holdChannel: (ctx, { channel_id: channelId }) => act(ctx, channelId, 'channels.hold', { channelId }),
    unholdChannel: (ctx, { channel_id: channelId }) => act(ctx, channelId, 'channels.unhold', { channelId }),
    muteChannel: (ctx, { channel_id: channelId, direction }) => act(ctx, channelId, 'channels.mute', { channelId, direction }),
    unmuteChannel: (ctx, { channel_id: channelId, direction }) => act(ctx, channelId, 'channels.unmute', { channelId, direction }),
    sendChannelDtmf: (ctx, { channel_id: channelId, digits, duration, between }) =>
      act(ctx, channelId, 'channels.sendDTMF', { channelId, dtmf: digits, duration, between }),
    setChannelVariable: (ctx, { channel_id: channelId, variable, value }) =>
      act(ctx, channelId, 'channels.setChannelVar', { channelId, variable, value }),
    getChannel: (ctx, { channel_id }) => channel(ctx, channel_id),
    listChannels: async ctx => ({ result: (await ask(ctx, 'channels.list', {})).map(one => describe(one, asterisk_id)) }),

    playChannel: (ctx, { channel_id: channelId, playback_id: playbackId, media }) =>
      play(ctx, playbackId, `channel:${channelId}`, () => ask(ctx, 'channels.playWithId', { channelId, playbackId, media }, onChannel)),
    playBridge: (ctx, { bridge_id: bridgeId, playback_id: playbackId, media }) =>
      play(ctx, playbackId, `bridge:${bridgeId}`, () => ask(ctx, 'bridges.playWithId', { bridgeId, playbackId, media }, onBridge)),
    stopPlayback: async (ctx, { playback_id: playbackId }) => ({
      done: (await askIfThere(ctx, 'playbacks.stop', { playbackId })) !== undefined,
    }),
    getPlayback: async (ctx, { playback_id: playbackId }) => {
      const running = await askIfThere(ctx, 'playbacks.get', { playbackId })
      return running ? playback(running.result) : { id: playbackId, state: 'done' }
    },

    recordChannel: async (ctx, input) => {
      const running = await askIfThere(ctx, 'recordings.getLive', { recordingName: input.name })
      if (running) return live(running.result)
      const stored = await askIfThere(ctx, 'recordings.getStored', { recordingName: input.name })
      if (stored) throw ctx.error('RECORDING_EXISTS')
      return record(ctx, input, options => snoopAndRecord(input.channel_id, options), 'CHANNEL_NOT_READY', 'CHANNEL_NOT_FOUND')
    },
    recordBridge: (ctx, input) =>
      record(
        ctx,
        input,
        options => port.request('bridges.record', { bridgeId: input.bridge_id, ...options }),
        'BRIDGE_NOT_READY',
        'BRIDGE_NOT_FOUND',
      ),
    getLiveRecording: async (ctx, { name }) => {
      const running = await askIfThere(ctx, 'recordings.getLive', { recordingName: name })
      if (running) return live(running.result)
      const { format } = await ask(ctx, 'recordings.getStored', { recordingName: name }, { 404: 'RECORDING_FILE_NOT_FOUND' })
      return { name, format, state: 'done' }
    },
    stopRecording: async (ctx, { name }) => ({ done: (await askIfThere(ctx, 'recordings.stop', { recordingName: name })) !== undefined }),
    readRecording: async (ctx, { name, offset, length }) => {
      const part = await readPart(recordings, name, offset, length)
      if (part === undefined) throw ctx.error('RECORDING_FILE_NOT_FOUND')
      return part
    },
    deleteStoredRecording: async (ctx, { name }) => ({
      done: (await askIfThere(ctx, 'recordings.deleteStored', { recordingName: name })) !== undefined,
    }),

    createBridge: async (ctx, { bridge_id: bridgeId, name }) =>
      bridge(await ask(ctx, 'bridges.createWithId', { bridgeId, type: 'mixing', name })),
    deleteBridge: async (ctx, { bridge_id: bridgeId }) => ({
      done: (await askIfThere(ctx, 'bridges.destroy', { bridgeId })) !== undefined,
    }),
    addBridgeChannel: async (ctx, { bridge_id: bridgeId, channel_id, mute }) => {
      // 400: no such channel, 422: not under our control
      const reasons: Reasons = { 400: 'CHANNEL_NOT_FOUND', 404: 'BRIDGE_NOT_FOUND', 409: 'CHANNEL_NOT_READY', 422: 'CHANNEL_NOT_READY' }
      await ask(ctx, 'bridges.addChannel', { bridgeId, channel: [channel_id], mute, inhibitConnectedLineUpdates: true }, reasons)
      return { done: true }
    },
    removeBridgeChannel: async (ctx, { bridge_id: bridgeId, channel_id }) => {
      try {
        await port.request('bridges.removeChannel', { bridgeId, channel: [channel_id] })
        return { done: true }
      } catch (error) {
        if (error instanceof AriUnavailable) throw ctx.error('UNAVAILABLE', { message: error.message })
        if (!(error instanceof AriError)) throw error
        if (error.status === 404) throw ctx.error('BRIDGE_NOT_FOUND')
        if (error.status === 400 || error.status === 409 || error.status === 422) return { done: false }
        throw error
      }
    },

    getAsterisk: async ctx => {
      const info = await ask(ctx, 'asterisk.getInfo', {})
      const started = new Date(info.status?.startup_time ?? 0).toISOString()
      return { asterisk_id, boot_id: registry.boot_id, version: info.system?.version ?? '', connected: port.connected, started }
    },
  }
}

type RecordOptions = Omit<Params<'channels.record'>, 'channelId'>
type Live = Result<'recordings.getLive'>
interface RecordInput {
  name: string
  format: string
  max_duration: number
  max_silence: number
  beep: boolean
  terminate_on: string
}

const playback = ({ id, state }: AriPlayback) => ({
  id,
  state: state === 'continuing' ? ('playing' as const) : state === 'canceled' ? ('failed' as const) : state,
})
const live = ({ name, format, state }: Live) => ({ name, format, state: state === 'canceled' ? ('failed' as const) : state })
const bridge = ({ id, channels }: Result<'bridges.get'>) => ({ id, channel_ids: channels })
