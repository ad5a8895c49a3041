import { billingContract } from '@voipbin/generated/rpc/billing'
import { defineService } from '@voipbin/kernel'
import { consumers } from './events.ts'
import { handlers } from './handlers.ts'
import { accounts, billings, rates } from './schema.ts'

export default defineService(billingContract, {
  handlers,
  consumers,
  resources: { billing_account: accounts, billing: billings, billing_rate: rates },
})
