import type { Action, ActionResult, Address, CallActionStarted } from '@voipbin/generated/schemas'
import { isAppError, isTransient } from '@voipbin/kernel'
import { type OnChannel, onChannel, ringbackId } from './bridges.ts'
import { addressOf, notOwned, resolveDestinations, resolveFrom, type Target } from './destinations.ts'
import { canPay, dialOthersSoon, dialPlaced } from './dial.ts'
import { change, tolerant } from './effects.ts'
import { release } from './funds.ts'
import { insertGroup } from './groups.ts'
import { nthId } from './ids.ts'
import { answered, type CallTx, type Ctx, finishAction, hangup, lockCall } from './lifecycle.ts'
import { ringback, soundOf, soundsOf } from './media.ts'
import { startRecording, stopRecording } from './recordings.ts'
import { costs, isLive, isOverCarrier, isVirtual } from './rules.ts'
import { type ActionRow, actions, type CallRow, calls, groupcalls } from './schema.ts'
import { together } from './together.ts'

/** Starts an action. A result ends it at once; without one an event of Asterisk or a timer will. */
type Start<T extends Action['type']> = (
  ctx: Ctx,
  call: OnChannel,
  run: { id: string; activeflow_id: string; option: OptionOf<T> },
) => Promise<ActionResult | undefined>
type OptionOf<T> =
  Extract<Action, { type: T }> extends { option: infer O }
    ? O
    : Extract<Action, { type: T }> extends { option?: infer O }
      ? NonNullable<O>
      : never

const ok: ActionResult = { outcome: 'ok' }

/** Actions of other kinds never reach a call: the flow runs them itself. */
const starts: {
  [T in 'answer' | 'talk' | 'play' | 'digits_receive' | 'connect' | 'recording_start' | 'recording_stop' | 'hangup']: Start<T>
} = {
  answer: async (ctx, call) => {
    await ensureAnswered(ctx, call)
    return ok
  },
  talk: async (ctx, call, { id, option }) => {
    await ensureAnswered(ctx, call)
    const { media_uri } = await ctx.call('createSpeech', { text: option.text, language: option.language, voice: option.voice ?? null })
    await ctx.call('playChannel', {
      asterisk_id: call.asterisk_id,
      channel_id: call.channel_id,
      playback_id: id,
      media: [soundOf(media_uri)],
    })
    return undefined
  },
  play: async (ctx, call, { id, option }) => {
    await ensureAnswered(ctx, call)
    const media = await soundsOf(ctx, option.stream_urls)
    if (media.length === 0) return { outcome: 'failed', detail: 'none of the URLs leads to a public http or https address' }
    await ctx.call('playChannel', { asterisk_id: call.asterisk_id, channel_id: call.channel_id, playback_id: id, media })
    return undefined
  },
  digits_receive: async (ctx, call, { id }) => {
    await ensureAnswered(ctx, call)
    await change(ctx, call.id, async (tx, row) => {
      const action = await actions.system.get({ db: tx.db }, id)
      if (action) await collect(tx, row, action)
      return []
    })
    return undefined
  },
  connect,
  recording_start: async (ctx, call, { id, activeflow_id, option }) => {
    await ensureAnswered(ctx, call)
    const recording = await startRecording(ctx, call, { ...option, id, activeflow_id })
    return { outcome: 'ok', recording_id: recording.id }
  },
  recording_stop: async (ctx, call) =>
    (await stopRecording(ctx, call)) ? ok : { outcome: 'skipped', detail: 'nothing is being recorded' },
  hangup: async (ctx, call, { option }) => {
    await change(ctx, call.id, async (tx, row) => (await hangup(tx, row, option.reason)).effects)
    return ok
  },
}

/** Answers an incoming call that nobody has answered yet. */
export async function ensureAnswered(ctx: Ctx, call: OnChannel): Promise<void> {
  if (call.status === 'active') return
  await ctx.call('answerChannel', { asterisk_id: call.asterisk_id, channel_id: call.channel_id })
  await change(ctx, call.id, async (tx, row) => (await answered(tx, row)).effects)
}

/** Runs a media action of a flow; idempotent by `action_run_id`. */
export async function runAction(
  ctx: Ctx,
  input: { id: string; activeflow_id: string; action_run_id: string; action: Action },
): Promise<CallActionStarted> {
  const begun = await ctx.tx(async tx => {
    const call = await lockCall(tx, input.id)
    if (!call || call.customer_id !== ctx.customer_id) return undefined
    const known = await actions.get({ db: tx.db, customer_id: tx.customer_id }, input.action_run_id)
    if (known) return { call, action: known }
    const earlier = await actions.system.find(tx, { call_id: call.id, status: 'running' })
    for (const action of earlier) await finishAction(tx, action, { outcome: 'canceled' })
    const values = {
      id: input.action_run_id,
      call_id: call.id,
      activeflow_id: input.activeflow_id,
      action: input.action,
      status: 'running' as const,
    }
    return { call, action: await actions.insert(tx, values) }
  })
  if (!begun) throw ctx.error('CALL_NOT_FOUND')
  const { call, action } = begun
  if (action.status === 'finished') return { done: true, result: action.result }
  const result =
    isLive(call.status) && onChannel(call) ? await start(ctx, call, action) : ({ outcome: 'skipped', detail: 'the call is over' } as const)
  if (!result) return { done: false, result: null }
  // Told in the answer, so no event: the flow goes on at once.
  const done = await ctx.tx(async tx => {
    // Whoever writes an action holds its call: the end of the call may come at this moment, and ends what runs.
    await lockCall(tx, call.id)
    const row = await actions.system.get({ db: tx.db }, action.id)
    if (row && row.status === 'running') await actions.system.update(tx, row, { status: 'finished', result })
    return row?.result ?? result
  })
  return { done: true, result: done }
}

async function start(ctx: Ctx, call: OnChannel, row: ActionRow): Promise<ActionResult | undefined> {
  const { type, option } = row.action
  const begin = starts[type as keyof typeof starts] as Start<Action['type']> | undefined
  if (!begin) return { outcome: 'failed', detail: `${type} is no action of a call` }
  try {
    return await begin(ctx, call, { id: row.id, activeflow_id: row.activeflow_id, option: (option ?? {}) as never })
  } catch (error) {
    if (!isAppError(error) || isTransient(error)) throw error
    ctx.log.info('action failed', { call_id: call.id, action_run_id: row.id, type, reason: error.reason })
    return { outcome: 'failed', detail: `${error.reason}: ${error.message}`.slice(0, 1000) }
  }
}

async function connect(ctx: Ctx, call: OnChannel, action: { id: string; option: OptionOf<'connect'> }): Promise<ActionResult | undefined> {
  const { option, id } = action
  const { source, targets } = await routeOf(ctx, call, option)
  const [only] = targets.length === 1 ? targets : []
  const legs = targets.flatMap(target => target.legs).map((leg, n) => ({ ...leg, id: nthId(id, n + 1) }))
  const [first] = legs
  const [begun, isPaid] = await together([
    ctx.tx(async tx => {
      const master = await lockCall(tx, call.id)
      if (!master || !isLive(master.status)) return null
      // Asked for a second time: they ring already.
      const [known] = await groupcalls.system.find(tx, { action_run_id: id }, { limit: 1 })
      if (known) return { leg: null }
      const ringing = await insertGroup(tx, {
        legs,
        ring_method: only?.ring_method ?? 'ring_all',
        source,
        destination: only?.destination ?? null,
        owner: { owner_type: call.owner_type, owner_id: call.owner_id },
        dial_timeout: option.dial_timeout ?? 60,
        max_duration: call.max_duration,
        master,
        action_run_id: id,
        relay_reason: option.relay_reason ?? false,
      })
      return { leg: await dialOthersSoon(tx, ringing.legs) }
    }),
    first && costs(first) ? canPay(ctx, { ...first, direction: 'outgoing', source }) : true,
  ])
  if (!begun) {
    if (first && costs(first)) await release(ctx, first.id)
    return { outcome: 'canceled' }
  }
  if (begun.leg) await dialPlaced(ctx, begun.leg, isPaid)
  await soundRinging(ctx, call, id)
  return undefined
}

interface Route {
  source: Address
  targets: Target[]
}

/** Where `connect` rings, and as whom. A destination that does not exist is an end like others that the caller may be told. */
async function routeOf(ctx: Ctx, call: OnChannel, option: OptionOf<'connect'>): Promise<Route> {
  try {
    return await (call.direction === 'incoming' && !option.source ? passOn(ctx, call, option) : callAs(ctx, call, option))
  } catch (error) {
    if (isAppError(error) && !isTransient(error) && option.relay_reason)
      await change(ctx, call.id, async (tx, row) => (await hangup(tx, row, 'unallocated_number')).effects)
    throw error
  }
}

const field = '/option/destinations'

/** Who the action names, or who made the call, must be the customer's. */
async function callAs(ctx: Ctx, call: OnChannel, option: OptionOf<'connect'>): Promise<Route> {
  const source = option.source ? addressOf(option.source) : call.source
  return { source, targets: await resolveFrom(ctx, source, option.destinations, field) }
}

/** The caller's own number goes on as it came. Carriers take no virtual one: they are shown the number that was called. */
async function passOn(ctx: Ctx, { source, destination }: OnChannel, option: OptionOf<'connect'>): Promise<Route> {
  const targets = await resolveDestinations(ctx, option.destinations, field)
  const isShownToCarrier = targets.some(({ legs }) => legs.some(isOverCarrier))
  if (!isShownToCarrier || !isVirtual(source.target)) return { source, targets }
  if (isVirtual(destination.target)) throw notOwned(ctx, 'a number that is not virtual')
  return { source: destination, targets }
}

/** A caller that has been answered hears a tone; to any other its phone said so when the call came in. */
async function soundRinging(ctx: Ctx, call: OnChannel, action_run_id: string): Promise<void> {
  const { asterisk_id, channel_id } = call
  if (call.status !== 'active') return
  const [group] = await findGroup(ctx, action_run_id)
  if (group?.status === 'dialing')
    await tolerant(ctx, ctx.call('playChannel', { asterisk_id, channel_id, playback_id: ringbackId(group.id), media: [ringback] }))
}

const findGroup = (ctx: Ctx, action_run_id: string) => groupcalls.system.find({ db: ctx.db }, { action_run_id }, { limit: 1 })

/** Breaks off an action that runs. */
export async function cancelAction(ctx: Ctx, id: string, action_run_id: string): Promise<boolean> {
  const canceled = await ctx.tx(async tx => {
    const call = await lockCall(tx, id)
    const action = await actions.get({ db: tx.db, customer_id: tx.customer_id }, action_run_id)
    if (!call || !action || action.status === 'finished') return null
    await finishAction(tx, action, { outcome: 'canceled' })
    await tx.cancelTimer(`digits:${id}`)
    return { asterisk_id: call.asterisk_id }
  })
  if (canceled?.asterisk_id)
    await tolerant(ctx, ctx.call('stopPlayback', { asterisk_id: canceled.asterisk_id, playback_id: action_run_id }))
  return canceled !== null
}

/** Ends the running action whose id Asterisk or a timer names; one that is over already stays as it is. */
export async function endAction(tx: CallTx, action_run_id: string, result: ActionResult): Promise<void> {
  const action = await actions.system.get({ db: tx.db }, action_run_id)
  if (action) await finishAction(tx, action, result)
}

/** Looks whether the digits so far are what `digits_receive` waits for; else waits for the next one. */
export async function collect(tx: CallTx, row: CallRow, action: ActionRow): Promise<void> {
  if (action.status !== 'running' || action.action.type !== 'digits_receive') return
  const { length = 0, key = '', duration = 5000 } = action.action.option ?? {}
  const end = [...row.digits].findIndex((digit, index) => key.includes(digit) || index + 1 === length)
  if (end >= 0) return takeDigits(tx, row, action, { count: end + 1, outcome: 'ok' })
  await tx.setTimer('digits', {
    key: `digits:${row.id}`,
    at: new Date(tx.now().getTime() + duration),
    payload: { call_id: row.id, action_run_id: action.id },
  })
}

/** Hands the digits to the flow; what was pressed beyond them stays for the next action. */
export async function takeDigits(
  tx: CallTx,
  row: CallRow,
  action: ActionRow,
  end: { count: number; outcome: ActionResult['outcome'] },
): Promise<void> {
  await tx.cancelTimer(`digits:${row.id}`)
  await calls.system.update(tx, row, { digits: row.digits.slice(end.count) })
  await finishAction(tx, action, { outcome: end.outcome, digits: row.digits.slice(0, end.count) })
}
