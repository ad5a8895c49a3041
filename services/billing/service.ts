import { type BillingContext, billingContract } from '@voipbin/generated/rpc/billing'
import { defineService } from '@voipbin/kernel'
import { consumers } from './events.ts'
import { handlers } from './handlers.ts'
import { findBilling, finish, type Reference } from './ledger.ts'
import { accounts, billings, rates } from './schema.ts'

export default defineService(billingContract, {
  handlers,
  consumers,
  timers: { forgotten },
  resources: { billing_account: accounts, billing: billings, billing_rate: rates },
})

function forgotten(ctx: BillingContext, reference: Reference): Promise<void> {
  return ctx.tx(async tx => {
    const row = await findBilling(tx, reference)
    if (row) await finish(tx, row, 0)
  })
}
