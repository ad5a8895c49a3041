import type { BillingConsumers } from '@voipbin/generated/rpc/billing'
import { stamp } from '@voipbin/kernel'
import { findAccount, findBilling, finish, lockAccount } from './ledger.ts'
import { accounts, billings } from './schema.ts'

const ofCall = (id: string) => ({ reference_type: 'call' as const, reference_id: id })

export const consumers: BillingConsumers = {
  'call.answered': async (ctx, { data }) => {
    await ctx.as(data.customer_id).tx(async tx => {
      await findAccount(tx, { forUpdate: true })
      const row = await findBilling(tx, ofCall(data.id))
      if (row?.status === 'reserved') await billings.update(tx, row, { tm_billing_start: data.tm_answer ?? stamp(tx.now()) })
    })
  },
  'call.hungup': async (ctx, { data }) => {
    await ctx.as(data.customer_id).tx(async tx => {
      const row = await findBilling(tx, ofCall(data.id))
      if (row) await finish(tx, row, data.duration ?? 0)
    })
  },
  'customer.created': async (ctx, { data }) => {
    await ctx.as(data.id).tx(async tx => void (await lockAccount(tx)))
  },
  // Calls that are being hung up cost nothing any more: nobody is left to pay.
  'customer.deleted': async (ctx, { data }) => {
    await ctx.as(data.id).tx(async tx => {
      if (!(await findAccount(tx, { forUpdate: true }))) return
      for (const row of await billings.system.find(tx, { customer_id: data.id, status: 'reserved' })) await finish(tx, row, 0)
      const account = await findAccount(tx)
      if (account) await accounts.remove(tx, account)
    })
  },
}
