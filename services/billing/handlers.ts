import type { BillingContext, BillingHandlers } from '@voipbin/generated/rpc/billing'
import type { BalanceAdjustment } from '@voipbin/generated/schemas'
import { type AppError, isDuplicate } from '@voipbin/kernel'
import {
  book,
  changeAccount,
  findAccount,
  findBilling,
  finish,
  freeCredit,
  type LedgerTx,
  lockAccount,
  priceOf,
  reserve,
} from './ledger.ts'
import { type AccountRow, accounts, type BillingRow, billings, rates } from './schema.ts'

export const handlers: BillingHandlers = {
  getOwnBillingAccount: async ctx => (await findAccount(ctx)) ?? ctx.tx(tx => lockAccount(tx)),
  updateOwnBillingAccount: (ctx, patch) => ctx.tx(tx => changeSettings(tx, patch)),
  listBillingAccounts: (ctx, { page_size, page_token, ...where }) => accounts.system.list(ctx, { page_size, page_token, where }),
  getBillingAccount: (ctx, { id }) => anyAccount(ctx, id),
  updateBillingAccount: async (ctx, { id, ...patch }) => {
    const { customer_id } = await anyAccount(ctx, id)
    return ctx.as(customer_id).tx(tx => changeSettings(tx, patch))
  },
  addBillingAccountBalance: async (ctx, { id, ...input }) => {
    const { customer_id } = await anyAccount(ctx, id)
    return ctx.as(customer_id).tx(async tx => adjust(tx, await lockAccount(tx), input))
  },
  subtractBillingAccountBalance: async (ctx, { id, amount, detail }) => {
    const { customer_id } = await anyAccount(ctx, id)
    const row = await ctx.as(customer_id).tx(async tx => {
      const account = await lockAccount(tx)
      return freeCredit(account) < amount ? null : adjust(tx, account, { amount: -amount, detail })
    })
    return row ?? insufficient(ctx)
  },

  listBillings: (ctx, { page_size, page_token, tm_create_from, tm_create_to, ...where }) =>
    billings.list(ctx, { page_size, page_token, tm_create_from, tm_create_to, where }),
  getBilling: (ctx, { id }) => billings.require(ctx, id),
  // A refusal is recorded as well: asked again by the same message, the answer stays no.
  reserveBilling: async (ctx, input) => (await ctx.tx(tx => reserve(tx, input))) ?? insufficient(ctx),
  chargeBilling: async (ctx, { duration, units: billable_units, ...input }) => {
    const charged = await ctx.tx(async tx => {
      const account = await lockAccount(tx)
      const known = await findBilling(tx, input)
      if (known) return finish(tx, known, duration ?? 0)
      const { rate_per_unit } = await priceOf(tx, input.cost_type, input.destination)
      const amount = -billable_units * rate_per_unit
      if (freeCredit(account) + amount < 0) return null
      const { row } = await book(tx, account, { ...input, transaction_type: 'usage', amount, billable_units, rate_per_unit })
      return row
    })
    return charged ?? insufficient(ctx)
  },
  releaseBilling: async (ctx, reference) => {
    const released = await ctx.tx(async tx => {
      const known = await findBilling(tx, reference)
      return known ? finish(tx, known, 0) : null
    })
    if (!released) throw ctx.error('BILLING_NOT_FOUND')
    return released
  },

  listBillingRates: (ctx, { page_size, page_token, ...where }) => rates.list(ctx, { page_size, page_token, where }),
  createBillingRate: async (ctx, input) => {
    try {
      return await ctx.tx(tx => rates.insert(tx, input))
    } catch (error) {
      if (isDuplicate(error)) throw ctx.error('BILLING_RATE_EXISTS')
      throw error
    }
  },
  getBillingRate: (ctx, { id }) => rates.require(ctx, id),
  updateBillingRate: (ctx, { id, ...patch }) => ctx.tx(tx => rates.system.update(tx, id, patch)),
  deleteBillingRate: (ctx, { id }) => ctx.tx(tx => rates.system.remove(tx, id)),
}

function insufficient(ctx: { error(reason: 'BALANCE_INSUFFICIENT'): AppError }): never {
  throw ctx.error('BALANCE_INSUFFICIENT')
}

async function anyAccount(ctx: BillingContext, id: string): Promise<AccountRow> {
  const row = await accounts.system.get(ctx, id)
  if (!row) throw ctx.error('BILLING_ACCOUNT_NOT_FOUND')
  return row
}

async function changeSettings(tx: LedgerTx, patch: Parameters<typeof changeAccount>[2]): Promise<AccountRow> {
  const changed = await changeAccount(tx, await lockAccount(tx), patch)
  await tx.emit('billing_account.updated', changed)
  return changed
}

/** The operator's hand on a customer's credit; the ledger says so. */
async function adjust(tx: LedgerTx, account: AccountRow, { amount, detail = '' }: BalanceAdjustment): Promise<BillingRow> {
  const id = tx.newId()
  const reference = { reference_type: 'credit_adjustment' as const, reference_id: id }
  const entry = {
    id,
    ...reference,
    transaction_type: 'adjustment' as const,
    amount,
    detail,
    billable_units: 1,
    rate_per_unit: Math.abs(amount),
  }
  const { row, account: changed } = await book(tx, account, entry)
  await tx.emit('billing_account.updated', changed)
  return row
}
