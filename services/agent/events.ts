import type { AgentConsumers } from '@voipbin/generated/rpc/agent'
import { removeAgent } from './handlers/agents.ts'
import { agents } from './schema.ts'

/** Agents removed in one transaction. */
const batch = 50

export const consumers: AgentConsumers = {
  'customer.deleted': async (ctx, { data: { id: customer_id } }) => {
    for (;;) {
      const removed = await ctx.as(customer_id).tx(async tx => {
        const rows = await agents.system.find(tx, { customer_id }, { limit: batch, forUpdate: true })
        for (const row of rows) await removeAgent(tx, row)
        return rows.length
      })
      if (removed < batch) return
    }
  },
}
