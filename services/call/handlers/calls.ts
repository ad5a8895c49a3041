import type { CallHandlers } from '@voipbin/generated/rpc/call'
import type { Call } from '@voipbin/generated/schemas'
import { cancelAction, runAction } from '../actions.ts'
import { type OnChannel, onChannel } from '../bridges.ts'
import { change, tolerant } from '../effects.ts'
import { type Ctx, hangup } from '../lifecycle.ts'
import { soundOf } from '../media.ts'
import { startRecording, stopRecording } from '../recordings.ts'
import { isTalking } from '../rules.ts'
import { type CallRow, calls } from '../schema.ts'
import { createCall } from './create.ts'

/** The call, answered and with a channel to act on. */
async function talking(ctx: Ctx, id: string): Promise<OnChannel> {
  const row = await calls.require(ctx, id)
  if (!isTalking(row.status) || !onChannel(row)) throw ctx.error('CALL_NOT_ACTIVE')
  return row
}

const update = (ctx: Ctx, id: string, patch: Partial<Pick<CallRow, 'hold' | 'mute_direction'>>): Promise<Call> =>
  ctx.tx(async tx => {
    const row = await calls.update(tx, id, patch)
    await tx.emit('call.updated', row)
    return row
  })

type Mute = CallRow['mute_direction']
function afterUnmute(muted: Mute, opened: NonNullable<Mute>): Mute {
  if (opened === 'both' || muted === opened) return null
  return muted === 'both' ? (opened === 'in' ? 'out' : 'in') : muted
}

export const callHandlers = {
  createCall,
  listCalls: (ctx, { page_size, page_token, tm_create_from, tm_create_to, agent_id, ...where }) =>
    calls.list(ctx, {
      page_size,
      page_token,
      tm_create_from,
      tm_create_to,
      where: { ...where, ...(agent_id && { owner_type: 'agent', owner_id: agent_id }) },
    }),
  getCall: (ctx, { id }) => calls.require(ctx, id),
  deleteCall: async (ctx, { id }) => {
    await calls.require(ctx, id)
    await change(ctx, id, async (tx, row) => (await hangup(tx, row, 'normal_clearing')).effects)
    return ctx.tx(async tx => {
      const row = await calls.remove(tx, id)
      await tx.emit('call.deleted', row)
      return row
    })
  },
  hangupCall: async (ctx, { id, reason = 'normal_clearing' }) => {
    await calls.require(ctx, id)
    await change(ctx, id, async (tx, row) => (await hangup(tx, row, reason)).effects)
    return calls.require(ctx, id)
  },
  holdCall: async (ctx, { id }) => {
    const { asterisk_id, channel_id } = await talking(ctx, id)
    await ctx.call('holdChannel', { asterisk_id, channel_id })
    return update(ctx, id, { hold: true })
  },
  unholdCall: async (ctx, { id }) => {
    const { asterisk_id, channel_id } = await talking(ctx, id)
    await ctx.call('unholdChannel', { asterisk_id, channel_id })
    return update(ctx, id, { hold: false })
  },
  muteCall: async (ctx, { id, direction = 'both' }) => {
    const { asterisk_id, channel_id, mute_direction } = await talking(ctx, id)
    await ctx.call('muteChannel', { asterisk_id, channel_id, direction })
    return update(ctx, id, { mute_direction: mute_direction && mute_direction !== direction ? 'both' : direction })
  },
  unmuteCall: async (ctx, { id, direction = 'both' }) => {
    const { asterisk_id, channel_id, mute_direction } = await talking(ctx, id)
    await ctx.call('unmuteChannel', { asterisk_id, channel_id, direction })
    return update(ctx, id, { mute_direction: afterUnmute(mute_direction, direction) })
  },
  sendCallDtmf: async (ctx, { id, digits, duration = 100, interval = 100 }) => {
    const row = await talking(ctx, id)
    const { asterisk_id, channel_id } = row
    await ctx.call('sendChannelDtmf', { asterisk_id, channel_id, digits, duration, between: Math.min(2000, Math.max(40, interval)) })
    return row
  },
  playCall: async (ctx, { id, stream_urls }) => {
    const row = await talking(ctx, id)
    await ctx.call('playChannel', {
      asterisk_id: row.asterisk_id,
      channel_id: row.channel_id,
      playback_id: ctx.newId(),
      media: stream_urls.map(soundOf),
    })
    return row
  },
  talkCall: async (ctx, { id, text, language = 'en-US', voice = null }) => {
    const row = await talking(ctx, id)
    const { media_uri } = await ctx.call('createSpeech', { text, language, voice })
    await ctx.call('playChannel', {
      asterisk_id: row.asterisk_id,
      channel_id: row.channel_id,
      playback_id: ctx.newId(),
      media: [soundOf(media_uri)],
    })
    return row
  },
  startCallRecording: async (ctx, { id, ...options }) => {
    await startRecording(ctx, await talking(ctx, id), options)
    return calls.require(ctx, id)
  },
  stopCallRecording: async (ctx, { id }) => {
    const row = await calls.require(ctx, id)
    if (!(await stopRecording(ctx, row))) throw ctx.error('CALL_NOT_RECORDING')
    return calls.require(ctx, id)
  },
  runCallAction: (ctx, input) => runAction(ctx, input),
  cancelCallAction: async (ctx, { id, action_run_id }) => {
    await calls.require(ctx, id)
    return { canceled: await cancelAction(ctx, id, action_run_id) }
  },
} satisfies Partial<CallHandlers>
