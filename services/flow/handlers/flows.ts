import type { FlowHandlers } from '@voipbin/generated/rpc/flow'
import type { Action } from '@voipbin/generated/schemas'
import { isLive } from '@voipbin/kernel'
import { and, count, eq } from 'drizzle-orm'
import { refusalOf, type StoredAction, withIds } from '../actions.ts'
import type { Ctx } from '../run.ts'
import { flows, flowTable } from '../schema.ts'

const maxFlows = 10_000

/** The actions as they are kept. Throws with the place of everything that is wrong. */
export function checkedActions(ctx: Ctx, actions: readonly Action[]): StoredAction[] {
  const kept = withIds(actions, () => ctx.newId())
  const refusal = refusalOf(kept)
  if (!refusal) return kept
  const { reason, details } = refusal
  throw ctx.error(reason, { details })
}

export const flowHandlers = {
  listFlows: (ctx, { page_size, page_token, name }) => flows.list(ctx, { page_size, page_token, where: { name } }),
  getFlow: (ctx, { id }) => flows.require(ctx, id),
  createFlow: async (ctx, { name, detail, actions }) => {
    const kept = checkedActions(ctx, actions)
    if ((await countFlows(ctx)) >= maxFlows) throw ctx.error('FLOW_LIMIT_REACHED')
    return ctx.tx(async tx => {
      const row = await flows.insert(tx, { name, detail, actions: kept })
      await tx.emit('flow.created', row)
      return row
    })
  },
  updateFlow: async (ctx, { id, actions, ...fields }) => {
    await flows.require(ctx, id)
    const patch = { ...fields, ...(actions && { actions: checkedActions(ctx, actions) }) }
    return ctx.tx(async tx => {
      const row = await flows.update(tx, id, patch)
      await tx.emit('flow.updated', row)
      return row
    })
  },
  deleteFlow: (ctx, { id }) =>
    ctx.tx(async tx => {
      const row = await flows.remove(tx, id)
      await tx.emit('flow.deleted', row)
      return row
    }),
} satisfies Partial<FlowHandlers>

async function countFlows(ctx: Ctx): Promise<number> {
  const mine = and(eq(flowTable.customer_id, ctx.customer_id), isLive(flowTable))
  const [row] = await ctx.db.select({ n: count() }).from(flowTable).where(mine)
  return row?.n ?? 0
}
