import type { FlowTimers } from '@voipbin/generated/rpc/flow'
import { drive } from './drive.ts'
import { begin, type Ctx, type Effect, settle } from './run.ts'

export const timers = {
  /** A new run takes its first step. */
  begin: async (ctx: Ctx, { id }: { id: string }) => drive(ctx, await ctx.tx(tx => begin(tx, id))),
  /** A `sleep` is over. */
  wake: async (ctx: Ctx, { id, action_run_id }: { id: string; action_run_id: string }) =>
    drive(ctx, await ctx.tx(tx => settle(tx, id, { action_run_id, result: { outcome: 'ok' } }))),
  /** An effect that could not be carried out at once. */
  carry_out: (ctx: Ctx, { effect, attempt }: { effect: Effect; attempt: number }) => drive(ctx, effect, attempt),
} satisfies FlowTimers
