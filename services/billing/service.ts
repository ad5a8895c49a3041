import { type BillingContext, billingContract } from '@voipbin/generated/rpc/billing'
import { defineService } from '@voipbin/kernel'
import { consumers } from './events.ts'
import { handlers } from './handlers.ts'
import { findBilling, finish, type Reference } from './ledger.ts'
import * as schema from './schema.ts'

export default defineService(billingContract, {
  handlers,
  consumers,
  timers: { forgotten },
  schema,
})

function forgotten(ctx: BillingContext, reference: Reference): Promise<void> {
  return ctx.tx(async tx => {
    const row = await findBilling(tx, reference)
    if (row) await finish(tx, row, 0)
  })
}
