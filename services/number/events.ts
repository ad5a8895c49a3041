import type { NumberConsumers } from '@voipbin/generated/rpc/number'
import { and, eq, or } from 'drizzle-orm'
import { giveBack } from './purchase.ts'
import { numbers, numberTable } from './schema.ts'

/** More than a customer can have. */
const all = { limit: 100_000, forUpdate: true }

export const consumers: NumberConsumers = {
  'customer.deleted': async (ctx, { data }) => {
    await ctx.as(data.id).tx(async tx => {
      for (const row of await numbers.system.find(tx, { customer_id: data.id }, all)) await giveBack(tx, row)
    })
  },
  // A number must not run a flow that is gone; calls to it are refused until it gets another one.
  'flow.deleted': async (ctx, { data }) => {
    const runs = or(eq(numberTable.call_flow_id, data.id), eq(numberTable.message_flow_id, data.id))
    const where = and(eq(numberTable.customer_id, data.customer_id), runs)
    if (!where) return
    await ctx.as(data.customer_id).tx(async tx => {
      for (const row of await numbers.system.find(tx, where, all)) {
        const freed = (['call_flow_id', 'message_flow_id'] as const).filter(field => row[field] === data.id)
        const patch = Object.fromEntries(freed.map(field => [field, null]))
        await tx.emit('number.updated', await numbers.update(tx, row, patch))
      }
    })
  },
}
