import type { FlowTimers } from '@voipbin/generated/rpc/flow'
import { drive } from './drive.ts'
import { type Ctx, type Effect, settle } from './run.ts'

export const timers = {
  /** A `sleep` is over. */
  wake: async (ctx: Ctx, { id, action_run_id }: { id: string; action_run_id: string }) =>
    drive(ctx, await ctx.tx(tx => settle(tx, id, { action_run_id, result: { outcome: 'ok' } }))),
  /** What the first step of a run needs, and what could not be carried out at once. */
  carry_out: (ctx: Ctx, { effect, attempt }: { effect: Effect; attempt: number }) => drive(ctx, effect, attempt),
} satisfies FlowTimers
