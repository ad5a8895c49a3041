import type { Billing, BillingAccount, CostType } from '@voipbin/generated/schemas'
import { uuid7 } from '@voipbin/kernel'
import { until } from '@voipbin/kernel/testing'
import { afterAll, beforeAll, beforeEach, expect } from 'vitest'
import { type TestApp, testApp } from '../test-app.ts'
import billing from './service.ts'

export const operator = { customer_id: uuid7() }
export const missing = uuid7()
export let mine: { customer_id: string }
export const theirs = { customer_id: uuid7() }
export let app: TestApp

beforeAll(async () => {
  app = await testApp({ services: [billing] })
})
afterAll(() => app.close())
beforeEach(() => {
  mine = { customer_id: uuid7() }
  app.events.length = 0
})

export const sent = (as = mine) => app.events.filter(event => event.customer_id === as.customer_id).map(event => event.event_type)
export const account = (as = mine) => app.call('getOwnBillingAccount', {}, as)
export const ledger = async (as = mine) => (await app.call('listBillings', { page_size: 100 }, as)).result
export const outgoing = (reference_id: string, seconds = 60, cost_type: CostType = 'call_pstn_outgoing') => ({
  reference_type: 'call' as const,
  reference_id,
  cost_type,
  source: '+15551230100',
  destination: '+15559876543',
  seconds,
})
export const reserve = (id: string, seconds = 60, as = mine) => app.call('reserveBilling', outgoing(id, seconds), as)
export const release = (reference_id: string, as = mine) => app.call('releaseBilling', { reference_type: 'call', reference_id }, as)
export const charge = (reference_id: string, fields: { units?: number; duration?: number } = {}, as = mine) =>
  app.call(
    'chargeBilling',
    { reference_type: 'number', reference_id, cost_type: 'number', destination: '+15551230100', units: 1, duration: null, ...fields },
    as,
  )

export async function credit(amount: number, as = mine): Promise<BillingAccount> {
  const { id } = await account(as)
  await app.call('addBillingAccountBalance', { id, amount, detail: 'test' }, operator)
  return account(as)
}

export const callEvent = (event_type: 'call.answered' | 'call.hungup', id: string, more: object = {}, event_id: string = uuid7()) =>
  app.publish('call', {
    event_type,
    event_id,
    resource_id: id,
    data: { id, customer_id: mine.customer_id, duration: 0, tm_answer: null, ...more },
  })
export const billingOf = async (reference_id: string): Promise<Billing | undefined> =>
  (await app.call('listBillings', { page_size: 1, reference_id }, mine)).result[0]
export const settled = (id: string) =>
  until(async () => {
    const row = await billingOf(id)
    return row?.status !== 'reserved' && row
  })

/** What must hold at all times, whatever has happened. */
export async function addsUp(as = mine): Promise<void> {
  const rows = await ledger(as)
  const { balance, balance_reserved } = await account(as)
  expect(rows.reduce((sum, row) => sum + row.amount, 0)).toBe(balance)
  expect(rows.reduce((sum, row) => sum + row.amount_reserved, 0)).toBe(balance_reserved)
}
