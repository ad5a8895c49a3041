import type { RouteConsumers } from '@voipbin/generated/rpc/route'
import { removeRoute } from './handlers.ts'
import { routes } from './schema.ts'

export const consumers: RouteConsumers = {
  'customer.deleted': async (ctx, { data }) => {
    await ctx.as(data.id).tx(async tx => {
      for (const row of await routes.system.find(tx, { customer_id: data.id, scope: 'customer' }, { forUpdate: true }))
        await removeRoute(tx, row)
    })
  },
}
