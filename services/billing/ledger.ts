import type { BillingContext, BillingEvents } from '@voipbin/generated/rpc/billing'
import type { BillingReservation, CostType } from '@voipbin/generated/schemas'
import { AppError, type Context, isDuplicate, stamp, type Tx } from '@voipbin/kernel'
import { affordableUnits, choosePrice, type Price, prefixesOf, settle, unitsOf } from './rules.ts'
import { type AccountRow, accounts, type BillingRow, billings, rates } from './schema.ts'

export type LedgerTx = Tx<BillingEvents>
type Reader = Pick<Context, 'db' | 'customer_id'>
export type Reference = Pick<BillingRow, 'reference_type' | 'reference_id'>
type Reserve = Reference & { cost_type: CostType; source: string; destination: string; seconds: number }

export async function findAccount(ctx: Reader, options: { forUpdate?: boolean } = {}): Promise<AccountRow | undefined> {
  const [row] = await accounts.system.find(ctx, { customer_id: ctx.customer_id }, options)
  return row
}

/**
 * Locks the customer's account, which puts everything that moves its credit in a line. Makes it when the customer is that new. Throws
 * BILLING_ACCOUNT_NOT_FOUND for a customer that is gone.
 */
export async function lockAccount(tx: LedgerTx): Promise<AccountRow> {
  const row = await findAccount(tx, { forUpdate: true })
  if (row) return row
  try {
    return await openAccount(tx)
  } catch (error) {
    if (!isDuplicate(error)) throw error
    const made = await findAccount(tx, { forUpdate: true })
    if (made) return made
    throw new AppError('BILLING_ACCOUNT_NOT_FOUND', 'NOT_FOUND', { message: 'The billing account is deleted.' })
  }
}

async function openAccount(tx: LedgerTx): Promise<AccountRow> {
  const money = { balance: 0, balance_reserved: 0, balance_low_threshold: 1_000_000, is_low: true, is_exhausted: false }
  const row = await accounts.insert(tx, { name: '', detail: '', currency: 'USD', payment_type: 'prepaid', ...money })
  await tx.emit('billing_account.created', row)
  return row
}

type Change = Partial<Pick<AccountRow, 'balance' | 'balance_reserved' | 'balance_low_threshold' | 'is_exhausted' | 'name' | 'detail'>>

/** Changes an account and tells once when its balance falls below the threshold. */
export async function changeAccount(tx: LedgerTx, row: AccountRow, patch: Change): Promise<AccountRow> {
  const { balance, balance_low_threshold } = { ...row, ...patch }
  const is_low = balance < balance_low_threshold
  const changed = await accounts.update(tx, row, { ...patch, is_low })
  if (is_low && !row.is_low) await tx.emit('billing_account.balance_low', changed)
  return changed
}

export async function findBilling(tx: Reader, { reference_type, reference_id }: Reference): Promise<BillingRow | undefined> {
  const [row] = await billings.system.find(tx, { customer_id: tx.customer_id, reference_type, reference_id }, { limit: 1 })
  return row
}

export async function priceOf(ctx: Pick<BillingContext, 'db'>, cost_type: CostType, number: string): Promise<Price> {
  const fitting = await rates.system.find(ctx, { cost_type, prefix: prefixesOf(number) })
  const { rate_per_unit, unit_duration } = choosePrice(cost_type, number, fitting)
  return { rate_per_unit, unit_duration }
}

/** No call lasts so long: what is still reserved then was forgotten by whoever asked for it, in milliseconds. */
const forgotten_ms = 25 * 3_600_000

/** Reserves credit, or more of it. `null` when there is not enough for one unit. */
export async function reserve(tx: LedgerTx, input: Reserve): Promise<BillingReservation | null> {
  const account = await lockAccount(tx)
  const known = await findBilling(tx, input)
  if (known) return reservation(known.status === 'reserved' ? await extend(tx, { account, known, seconds: input.seconds }) : known)
  const { seconds, ...reference } = input
  const price = await priceOf(tx, input.cost_type, input.cost_type === 'call_pstn_incoming' ? input.source : input.destination)
  const billable_units = affordableUnits(unitsOf(seconds, price), price, { free: freeCredit(account), held: 0 })
  if (billable_units === 0) return null
  const amount_reserved = billable_units * price.rate_per_unit
  const made = await billings.insert(tx, {
    ...reference,
    ...price,
    billing_account_id: account.id,
    transaction_type: 'usage',
    status: 'reserved',
    billable_units,
    amount_reserved,
  })
  await tx.emit('billing.created', made)
  const { reference_type, reference_id } = made
  const at = new Date(tx.now().getTime() + forgotten_ms)
  await tx.setTimer('forgotten', { key: `forgotten:${made.id}`, at, payload: { reference_type, reference_id } })
  if (amount_reserved > 0) await changeAccount(tx, account, { balance_reserved: account.balance_reserved + amount_reserved })
  return reservation(made)
}

/** Reserves as many units as there is credit for. Not enough of it is told once until some is added. */
async function extend(tx: LedgerTx, held: { account: AccountRow; known: BillingRow; seconds: number }): Promise<BillingRow> {
  const { account, known } = held
  const wanted = unitsOf(held.seconds, known)
  const billable_units = affordableUnits(wanted, known, { free: freeCredit(account), held: known.billable_units })
  const is_exhausted = account.is_exhausted || billable_units < wanted
  const amount_reserved = billable_units * known.rate_per_unit
  const balance_reserved = account.balance_reserved + amount_reserved - known.amount_reserved
  if (amount_reserved > known.amount_reserved || is_exhausted !== account.is_exhausted) {
    const changed = await changeAccount(tx, account, { balance_reserved, is_exhausted })
    if (is_exhausted && !account.is_exhausted) await tx.emit('billing_account.balance_exhausted', changed)
  }
  return billable_units > known.billable_units ? billings.update(tx, known, { billable_units, amount_reserved }) : known
}

export const freeCredit = (account: AccountRow): number => account.balance - account.balance_reserved

function reservation(row: BillingRow): BillingReservation {
  const { rate_per_unit, unit_duration, billable_units } = row
  const isUnlimited = rate_per_unit === 0 || unit_duration === 0
  return { billing: row, authorized_seconds: isUnlimited ? null : billable_units * unit_duration, rate_per_unit, unit_duration }
}

/** Ends a reservation: charges what was used, gives the rest back. A row that is over already stays as it is. */
export async function finish(tx: LedgerTx, known: BillingRow, seconds: number): Promise<BillingRow> {
  if (known.status !== 'reserved') return known
  const account = await lockAccount(tx)
  // Read again: it may have been extended or finished until the lock was ours.
  const row = await findBilling(tx, known)
  if (row?.status !== 'reserved') return row ?? known
  const { units, cost } = settle(seconds, row, row.amount_reserved)
  const balance = account.balance - cost
  const done = await billings.update(tx, row, {
    status: seconds > 0 ? 'finished' : 'released',
    usage_duration: seconds,
    billable_units: units,
    amount_reserved: 0,
    amount: -cost,
    balance_after: balance,
    tm_billing_end: stamp(tx.now()),
  })
  await tx.emit('billing.updated', done)
  await tx.cancelTimer(`forgotten:${row.id}`)
  const balance_reserved = account.balance_reserved - row.amount_reserved
  if (row.amount_reserved > 0) await changeAccount(tx, account, { balance, balance_reserved })
  return done
}

type Entry = Pick<BillingRow, 'transaction_type' | 'amount' | 'billable_units' | 'rate_per_unit'> &
  Reference &
  Partial<Pick<BillingRow, 'id' | 'cost_type' | 'destination' | 'detail'>>

/** Writes a finished row and moves the balance by it. The account is locked; whether its credit covers the row is the caller's to know. */
export async function book(tx: LedgerTx, account: AccountRow, entry: Entry): Promise<{ row: BillingRow; account: AccountRow }> {
  const balance = account.balance + entry.amount
  const now = stamp(tx.now())
  const times = { tm_billing_start: now, tm_billing_end: now }
  const row = await billings.insert(tx, { ...entry, ...times, billing_account_id: account.id, status: 'finished', balance_after: balance })
  await tx.emit('billing.created', row)
  return { row, account: await changeAccount(tx, account, { balance, ...(entry.amount > 0 && { is_exhausted: false }) }) }
}
