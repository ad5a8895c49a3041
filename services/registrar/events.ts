import type { RegistrarConsumers } from '@voipbin/generated/rpc/registrar'
import { forgetContacts } from './locations.ts'
import { shownExtension } from './rules.ts'
import { extensions } from './schema.ts'

/** Extensions removed in one transaction. */
const batch = 100

export const consumers: RegistrarConsumers = {
  'customer.deleted': async (ctx, { data: { id: customer_id } }) => {
    for (;;) {
      const removed = await ctx.as(customer_id).tx(async tx => {
        const rows = await extensions.system.find(tx, { customer_id }, { limit: batch, forUpdate: true })
        await forgetContacts({ config: ctx.config, db: tx.db }, rows)
        for (const row of rows) await tx.emit('extension.deleted', shownExtension(await extensions.system.remove(tx, row), []))
        return rows.length
      })
      if (removed < batch) return
    }
  },
}
