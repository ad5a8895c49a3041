import type { CallHandlers } from '@voipbin/generated/rpc/call'
import type { Call } from '@voipbin/generated/schemas'
import { type AppError, isAppError } from '@voipbin/kernel'
import { cancelAction, runAction } from '../actions.ts'
import { type OnChannel, onChannel } from '../bridges.ts'
import { change } from '../effects.ts'
import { type Ctx, complete, hangup, lockCall } from '../lifecycle.ts'
import { soundOf, soundsOf } from '../media.ts'
import { startRecording, stopRecording } from '../recordings.ts'
import { isTalking } from '../rules.ts'
import { type CallRow, calls } from '../schema.ts'
import { createCall } from './create.ts'

/** The call, answered and with a channel to act on. */
async function talking(ctx: Active, id: string): Promise<OnChannel> {
  const row = await calls.require(ctx, id)
  if (!isTalking(row.status) || !onChannel(row)) throw ctx.error('CALL_NOT_ACTIVE')
  return row
}

type Active = Ctx & { error(reason: 'CALL_NOT_ACTIVE'): AppError }

/** Acts on the channel of a call that is answered. A channel that is gone by then means that the call is, too. */
async function act(ctx: Active, id: string, request: (call: OnChannel) => Promise<unknown>): Promise<OnChannel> {
  const call = await talking(ctx, id)
  try {
    await request(call)
    return call
  } catch (error) {
    if (isAppError(error) && error.reason.startsWith('CHANNEL_')) throw ctx.error('CALL_NOT_ACTIVE')
    throw error
  }
}

/** What the platform remembers of it. Told when it is new. */
const note = (ctx: Active, id: string, change: (row: CallRow) => Partial<Pick<CallRow, 'hold' | 'mute_direction'>>): Promise<Call> =>
  ctx.tx(async tx => {
    const row = await lockCall(tx, id)
    if (!row || !isTalking(row.status)) throw ctx.error('CALL_NOT_ACTIVE')
    const patch = change(row)
    if (row.hold === (patch.hold ?? row.hold) && (patch.mute_direction === undefined || patch.mute_direction === row.mute_direction))
      return row
    const changed = await calls.update(tx, row, patch)
    await tx.emit('call.updated', changed)
    return changed
  })

const channelOf = ({ asterisk_id, channel_id }: OnChannel) => ({ asterisk_id, channel_id })

type Mute = CallRow['mute_direction']
function afterUnmute(muted: Mute, opened: NonNullable<Mute>): Mute {
  if (opened === 'both' || muted === opened) return null
  return muted === 'both' ? (opened === 'in' ? 'out' : 'in') : muted
}

/** Whether the far end hears nothing because somebody muted it so, which outlasts a hold. */
const isDeaf = ({ mute_direction }: CallRow): boolean => mute_direction === 'out' || mute_direction === 'both'

/** Milliseconds that Asterisk leaves between digits at least. */
const shortestGap_ms = 40

async function play(ctx: Ctx, call: OnChannel, media: string[]): Promise<void> {
  const playback_id = await ctx.tx(async tx => tx.newId())
  await ctx.call('playChannel', { ...channelOf(call), playback_id, media })
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
    // Nobody reports the end of a call that has no record any more: it is over at once.
    await change(ctx, id, async (tx, row) => {
      const leaving = await hangup(tx, row, 'normal_clearing')
      const follows = await complete(tx, leaving.row, { cause: leaving.row.hangup_cause ?? 'normal_clearing', sip_code: null })
      return [...leaving.effects, ...follows]
    })
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
    await act(ctx, id, async call => {
      await ctx.call('holdChannel', channelOf(call))
      // The far end has stopped to send; it would go on hearing.
      if (!isDeaf(call)) await ctx.call('muteChannel', { ...channelOf(call), direction: 'out' })
    })
    return note(ctx, id, () => ({ hold: true }))
  },
  unholdCall: async (ctx, { id }) => {
    await act(ctx, id, async call => {
      if (!isDeaf(call)) await ctx.call('unmuteChannel', { ...channelOf(call), direction: 'out' })
      await ctx.call('unholdChannel', channelOf(call))
    })
    return note(ctx, id, () => ({ hold: false }))
  },
  muteCall: async (ctx, { id, direction = 'both' }) => {
    await act(ctx, id, call => ctx.call('muteChannel', { ...channelOf(call), direction }))
    return note(ctx, id, ({ mute_direction: muted }) => ({ mute_direction: muted && muted !== direction ? 'both' : direction }))
  },
  unmuteCall: async (ctx, { id, direction = 'both' }) => {
    await act(ctx, id, call => ctx.call('unmuteChannel', { ...channelOf(call), direction }))
    return note(ctx, id, ({ mute_direction }) => ({ mute_direction: afterUnmute(mute_direction, direction) }))
  },
  sendCallDtmf: (ctx, { id, digits, duration = 100, interval = 100 }) =>
    act(ctx, id, call =>
      ctx.call('sendChannelDtmf', { ...channelOf(call), digits, duration, between: Math.max(shortestGap_ms, interval) }),
    ),
  playCall: (ctx, { id, stream_urls }) =>
    act(ctx, id, async call => {
      const media = await soundsOf(ctx, stream_urls)
      if (media.length < stream_urls.length) {
        const details = [{ field: '/stream_urls', rule: 'public_address', expected: 'URLs that lead to public http or https addresses' }]
        throw ctx.error('INVALID_ARGUMENT', { details })
      }
      await play(ctx, call, media)
    }),
  talkCall: (ctx, { id, text, language = 'en-US', voice = null }) =>
    act(ctx, id, async call => {
      const { media_uri } = await ctx.call('createSpeech', { text, language, voice })
      await play(ctx, call, [soundOf(media_uri)])
    }),
  startCallRecording: async (ctx, { id, ...options }) => {
    await act(ctx, id, call => startRecording(ctx, call, options))
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
