import type { CallTimers } from '@voipbin/generated/rpc/call'
import { takeDigits } from './actions.ts'
import { change } from './effects.ts'
import { authorize } from './funds.ts'
import { after, type Ctx, complete, fundsLead_s, hangup } from './lifecycle.ts'
import { type HangupCause, isLive, secondsBetween } from './rules.ts'
import { actions, calls } from './schema.ts'

interface OfCall {
  call_id: string
}

const end = (ctx: Ctx, call_id: string, cause: HangupCause): Promise<void> =>
  change(ctx, call_id, async (tx, row) => (await hangup(tx, row, cause)).effects)

export const timers = {
  /** Nobody answered in time. */
  dial: (ctx: Ctx, { call_id }: OfCall) => end(ctx, call_id, 'no_answer'),
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
  funds,
} satisfies CallTimers

/** Reserves the next minute before it starts. When the credit ends, so does the call, at the end of the minute paid for. */
async function funds(ctx: Ctx, { call_id, last }: OfCall & { last?: boolean }): Promise<void> {
  if (last) return end(ctx, call_id, 'timeout')
  const row = await calls.system.get({ db: ctx.db }, call_id)
  if (!row || row.status !== 'active' || !row.tm_answer) return
  const talked = secondsBetween(row.tm_answer, ctx.now().toISOString())
  const wanted = (Math.floor(talked / 60) + 2) * 60
  const paid = await authorize(ctx, row, wanted)
  const minute = new Date(Date.parse(row.tm_answer) + (wanted - 60) * 1000)
  const next = paid >= wanted ? { at: after(minute, fundsLead_s), payload: { call_id } } : { at: minute, payload: { call_id, last: true } }
  await ctx.tx(tx => tx.setTimer('funds', { key: `funds:${call_id}`, ...next }))
}
