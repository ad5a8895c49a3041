import { isAppError, isTransient } from '@voipbin/kernel'
import { bridgeLeg, clearBridge } from './bridges.ts'
import { type Dial, dial } from './dial.ts'
import { type CallTx, type Ctx, complete, hangup, lockCall } from './lifecycle.ts'
import { q850Of } from './media.ts'
import { stopRecording } from './recordings.ts'
import type { HangupCause } from './rules.ts'
import { beginRun, type RunPlan } from './runs.ts'
import { type CallRow, calls } from './schema.ts'

/**
 * What must happen outside the database once a transaction has committed. Effects are part of the transaction's recorded result, so a process that dies
 * in between carries them out when the message comes again; each of them can be repeated without harm. The number of transactions that one needs must
 * not depend on what it finds: a repeated message counts them.
 */
export type Effect =
  | { type: 'begin'; call_id: string; plan: RunPlan }
  | ({ type: 'dial' } & Dial)
  | { type: 'hangup'; call_id: string; cause: HangupCause }
  | { type: 'end'; call_id: string; cause: HangupCause }
  | { type: 'bridge'; groupcall_id: string; call_id: string }
  | { type: 'stop_recording'; call_id: string; recording_id: string }
  | { type: 'clear_bridge'; groupcall_id: string; call_id: string }

const carryOut: { [T in Effect['type']]: (ctx: Ctx, effect: Extract<Effect, { type: T }>) => Promise<void> } = {
  begin: async (ctx, { call_id, plan }) => {
    const row = await calls.system.get({ db: ctx.db }, call_id)
    if (row) await beginRun(ctx, row, plan)
  },
  dial,
  hangup: async (ctx, { call_id, cause }) => {
    // Never dialled: there is no channel whose end could be reported.
    await change(ctx, call_id, async (tx, row) => (row.channel_id ? [] : complete(tx, row, { cause, sip_code: null })))
    const row = await calls.system.get({ db: ctx.db }, call_id)
    if (row?.asterisk_id && row.channel_id)
      await tolerant(ctx, ctx.call('hangupChannel', { asterisk_id: row.asterisk_id, channel_id: row.channel_id, cause: q850Of[cause] }))
  },
  end: (ctx, { call_id, cause }) => change(ctx, call_id, async (tx, row) => (await hangup(tx, row, cause)).effects),
  stop_recording: async (ctx, { call_id, recording_id }) => {
    await stopRecording(ctx, { id: call_id, recording_id })
  },
  bridge: (ctx, { groupcall_id, call_id }) => bridgeLeg(ctx, groupcall_id, call_id),
  clear_bridge: (ctx, { groupcall_id, call_id }) => clearBridge(ctx, groupcall_id, call_id),
}

export async function run(ctx: Ctx, effects: readonly Effect[]): Promise<void> {
  for (const effect of effects) await (carryOut[effect.type] as (ctx: Ctx, effect: Effect) => Promise<void>)(ctx, effect)
}

/** Locks the call, lets `work` change it, commits, and carries out what follows. A call that is gone is left alone. */
export async function change(ctx: Ctx, call_id: string, work: (tx: CallTx, row: CallRow) => Promise<Effect[]>): Promise<void> {
  const effects = await ctx.tx(async tx => {
    const row = await lockCall(tx, call_id)
    return row ? work(tx, row) : []
  })
  await run(ctx, effects)
}

/** A refusal by Asterisk (the channel is gone meanwhile) is no failure of ours; its own events tell how it went on. */
export async function tolerant(ctx: Ctx, request: Promise<unknown>): Promise<void> {
  try {
    await request
  } catch (error) {
    if (!isAppError(error) || isTransient(error)) throw error
    ctx.log.info('asterisk refused', { reason: error.reason, err: error })
  }
}
