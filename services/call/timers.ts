import type { CallTimers } from '@voipbin/generated/rpc/call'
import { takeDigits } from './actions.ts'
import { dialNow } from './dial.ts'
import { change } from './effects.ts'
import { authorize } from './funds.ts'
import { after, type Ctx, complete, hangup } from './lifecycle.ts'
import { finishRecordings } from './recordings.ts'
import { type HangupCause, isLive, isWaiting } from './rules.ts'
import { actions, calls } from './schema.ts'

interface OfCall {
  call_id: string
}

const end = (ctx: Ctx, call_id: string, cause: HangupCause): Promise<void> =>
  change(ctx, call_id, async (tx, row) => (await hangup(tx, row, cause)).effects)

export const timers = {
  /** A call that was just made. */
  dial_now: dialNow,
  /** Nobody answered in time. Somebody may have while this began. */
  dial: (ctx: Ctx, { call_id }: OfCall) =>
    change(ctx, call_id, async (tx, row) => (isWaiting(row.status) ? (await hangup(tx, row, 'no_answer')).effects : [])),
  max_duration: (ctx: Ctx, { call_id }: OfCall) => end(ctx, call_id, 'timeout'),
  /** A hangup that nobody confirmed: the channel is taken for gone. */
  hangup_check: (ctx: Ctx, { call_id }: OfCall) =>
    change(ctx, call_id, async (tx, row) =>
      isLive(row.status) ? complete(tx, row, { cause: row.hangup_cause ?? 'failed', sip_code: null }) : [],
    ),
  digits: (ctx: Ctx, { call_id, action_run_id }: OfCall & { action_run_id: string }) =>
    change(ctx, call_id, async (tx, row) => {
      const action = await actions.system.get({ db: tx.db }, action_run_id)
      if (action?.status === 'running') await takeDigits(tx, row, action, { count: row.digits.length, outcome: 'timeout' })
      return []
    }),
  recordings: (ctx: Ctx, { call_id }: OfCall) => finishRecordings(ctx, call_id),
  funds,
} satisfies CallTimers

/** Seconds before the end of a paid minute at which the next one is asked for. */
const lead_s = 10
const minute_s = 60

/** Reserves the next minute before it starts. When the credit ends, so does the call, at the end of the time paid for. */
async function funds(ctx: Ctx, { call_id, last }: OfCall & { last?: boolean }): Promise<void> {
  if (last) return end(ctx, call_id, 'timeout')
  const row = await calls.system.get({ db: ctx.db }, call_id)
  if (row?.status !== 'active' || !row.tm_answer) return
  const answer = new Date(row.tm_answer)
  const talked_s = (ctx.now().getTime() - answer.getTime()) / 1000
  const wanted = Math.floor((talked_s + lead_s) / minute_s + 1) * minute_s
  const paid = await authorize(ctx, row, wanted)
  if (paid === Number.POSITIVE_INFINITY) return
  const next =
    paid >= wanted
      ? { at: after(answer, wanted - lead_s), payload: { call_id } }
      : { at: after(answer, paid), payload: { call_id, last: true } }
  await ctx.tx(tx => tx.setTimer('funds', { key: `funds:${call_id}`, ...next }))
}
