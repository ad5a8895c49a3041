import type { CallHandlers } from '@voipbin/generated/rpc/call'
import { change } from '../effects.ts'
import { hangup } from '../lifecycle.ts'
import { groupcalls } from '../schema.ts'

export const groupcallHandlers = {
  listGroupcalls: (ctx, { page_size, page_token, ...where }) => groupcalls.list(ctx, { page_size, page_token, where }),
  getGroupcall: (ctx, { id }) => groupcalls.require(ctx, id),
  hangupGroupcall: async (ctx, { id }) => {
    // Emptied first, so that a leg that ends does not make the next one ring.
    const group = await ctx.tx(async tx => groupcalls.update(tx, id, { pending: [] }))
    for (const call_id of group.call_ids)
      await change(ctx, call_id, async (tx, row) => (await hangup(tx, row, 'originator_cancel')).effects)
    return groupcalls.require(ctx, id)
  },
} satisfies Partial<CallHandlers>
