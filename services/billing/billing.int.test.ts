import type { Billing, BillingAccount, CostType } from '@voipbin/generated/schemas'
import { uuid7 } from '@voipbin/kernel'
import { until } from '@voipbin/kernel/testing'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type TestApp, testApp } from '../test-app.ts'
import billing from './service.ts'

const operator = { customer_id: uuid7() }
const missing = uuid7()
let mine: { customer_id: string }
const theirs = { customer_id: uuid7() }
let app: TestApp

beforeAll(async () => {
  app = await testApp({ services: [billing] })
})
afterAll(() => app.close())
beforeEach(() => {
  mine = { customer_id: uuid7() }
  app.events.length = 0
})

const sent = (as = mine) => app.events.filter(event => event.customer_id === as.customer_id).map(event => event.event_type)
const account = (as = mine) => app.call('getOwnBillingAccount', {}, as)
const ledger = async (as = mine) => (await app.call('listBillings', { page_size: 100 }, as)).result
const outgoing = (reference_id: string, seconds = 60, cost_type: CostType = 'call_pstn_outgoing') => ({
  reference_type: 'call' as const,
  reference_id,
  cost_type,
  source: '+15551230100',
  destination: '+15559876543',
  seconds,
})
const reserve = (id: string, seconds = 60, as = mine) => app.call('reserveBilling', outgoing(id, seconds), as)
const release = (reference_id: string, as = mine) => app.call('releaseBilling', { reference_type: 'call', reference_id }, as)
const charge = (reference_id: string, fields: { units?: number; duration?: number } = {}, as = mine) =>
  app.call(
    'chargeBilling',
    { reference_type: 'number', reference_id, cost_type: 'number', destination: '+15551230100', units: 1, duration: null, ...fields },
    as,
  )

async function credit(amount: number, as = mine): Promise<BillingAccount> {
  const { id } = await account(as)
  await app.call('addBillingAccountBalance', { id, amount, detail: 'test' }, operator)
  return account(as)
}

const callEvent = (event_type: 'call.answered' | 'call.hungup', id: string, more: object = {}, event_id: string = uuid7()) =>
  app.publish('call', {
    event_type,
    event_id,
    resource_id: id,
    data: { id, customer_id: mine.customer_id, duration: 0, tm_answer: null, ...more },
  })
const billingOf = async (reference_id: string): Promise<Billing | undefined> =>
  (await app.call('listBillings', { page_size: 1, reference_id }, mine)).result[0]
const settled = (id: string) =>
  until(async () => {
    const row = await billingOf(id)
    return row?.status !== 'reserved' && row
  })

/** What must hold at all times, whatever has happened. */
async function addsUp(as = mine): Promise<void> {
  const rows = await ledger(as)
  const { balance, balance_reserved } = await account(as)
  expect(rows.reduce((sum, row) => sum + row.amount, 0)).toBe(balance)
  expect(rows.reduce((sum, row) => sum + row.amount_reserved, 0)).toBe(balance_reserved)
}

describe('accounts', () => {
  test('one for each customer, whoever asks first and how often', async () => {
    const seen = await Promise.all(Array.from({ length: 5 }, () => account()))
    expect(new Set(seen.map(row => row.id)).size).toBe(1)
    expect(seen[0]).toMatchObject({ ...mine, balance: 0, balance_reserved: 0, currency: 'USD', payment_type: 'prepaid', tm_delete: null })
    await app.publish('customer', { event_type: 'customer.created', data: { id: mine.customer_id } })
    await until(() => sent().length === 1)
    expect(sent()).toEqual(['billing_account.created'])
    const id = seen[0]?.id
    expect(await app.query('SELECT action FROM kernel_audits WHERE resource_id = ?', [id])).toEqual([{ action: 'create' }])
    expect(await app.call('getBillingAccount', { id: id ?? '' }, operator)).toEqual(seen[0])
    expect((await app.call('listBillingAccounts', { page_size: 50, customer_id: mine.customer_id }, operator)).result).toEqual(
      seen.slice(0, 1),
    )
    expect(await app.ownerOf('billing', 'billing_account', id ?? '')).toBe(mine.customer_id)
  })

  test('comes with its customer', async () => {
    await app.publish('customer', { event_type: 'customer.created', data: { id: mine.customer_id } })
    await until(() => sent().includes('billing_account.created'))
    expect((await app.call('listBillingAccounts', { page_size: 50, customer_id: mine.customer_id }, operator)).result).toHaveLength(1)
  })

  test('settings change, the balance does not', async () => {
    const { id } = await credit(5_000_000)
    expect(await app.call('updateOwnBillingAccount', { name: 'Acme' }, mine)).toMatchObject({ name: 'Acme', balance: 5_000_000 })
    expect(await app.call('updateBillingAccount', { id, detail: 'd' }, operator)).toMatchObject({ name: 'Acme', detail: 'd' })
    await until(() => sent().length === 5)
    expect(sent()).toEqual(['billing_account.created', 'billing.created', ...Array(3).fill('billing_account.updated')])
    const audits = await app.query<{ action: string }>('SELECT action FROM kernel_audits WHERE resource_id = ? ORDER BY tm_create', [id])
    expect(audits.map(row => row.action)).toEqual(['create', 'update', 'update', 'update'])
  })

  test('the operator adds and takes credit; what is reserved cannot be taken', async () => {
    const { id } = await account()
    const added = await app.call('addBillingAccountBalance', { id, amount: 50_000, detail: 'Invoice 1' }, operator)
    expect(added).toMatchObject({
      ...mine,
      billing_account_id: id,
      transaction_type: 'adjustment',
      status: 'finished',
      reference_type: 'credit_adjustment',
      reference_id: added.id,
      cost_type: null,
      billable_units: 1,
      rate_per_unit: 50_000,
      amount: 50_000,
      balance_after: 50_000,
      detail: 'Invoice 1',
    })
    await reserve(uuid7())
    const subtract = (amount: number) => app.call('subtractBillingAccountBalance', { id, amount, detail: '' }, operator)
    await expect(subtract(40_001)).rejects.toMatchObject({ reason: 'BALANCE_INSUFFICIENT', status: 'PAYMENT_REQUIRED' })
    expect(await subtract(40_000)).toMatchObject({ amount: -40_000, rate_per_unit: 40_000, balance_after: 10_000 })
    await addsUp()
  })

  test.each([
    ['getBillingAccount', {}],
    ['updateBillingAccount', {}],
    ['addBillingAccountBalance', { amount: 1, detail: '' }],
    ['subtractBillingAccountBalance', { amount: 1, detail: '' }],
  ] as const)('%s: a missing account', async (operation, more) => {
    await expect(app.call(operation, { id: missing, ...more } as never, operator)).rejects.toMatchObject({
      reason: 'BILLING_ACCOUNT_NOT_FOUND',
    })
  })

  test('a deleted customer gets its reservations back and never another account', async () => {
    await credit(100_000)
    const id = uuid7()
    await reserve(id)
    await app.publish('customer', { event_type: 'customer.deleted', data: { id: mine.customer_id } })
    await settled(id)
    await callEvent('call.hungup', id, { duration: 30 })
    await expect(reserve(uuid7())).rejects.toMatchObject({ reason: 'BILLING_ACCOUNT_NOT_FOUND' })
    await expect(charge(uuid7())).rejects.toMatchObject({ reason: 'BILLING_ACCOUNT_NOT_FOUND' })
    expect(await billingOf(id)).toMatchObject({ status: 'released', amount: 0 })
    expect((await app.call('listBillingAccounts', { page_size: 50, customer_id: mine.customer_id }, operator)).result).toEqual([])
  })
})

describe('reservations', () => {
  test('are made, extended and charged by the call that ends', async () => {
    await credit(100_000)
    const id = uuid7()
    const first = await reserve(id)
    expect(first).toMatchObject({ authorized_seconds: 60, rate_per_unit: 10_000, unit_duration: 60 })
    expect(first.billing).toMatchObject({
      status: 'reserved',
      amount: 0,
      amount_reserved: 10_000,
      balance_after: null,
      usage_duration: null,
    })
    expect(await reserve(id, 120)).toMatchObject({ authorized_seconds: 120, billing: { id: first.billing.id, amount_reserved: 20_000 } })
    expect(await reserve(id, 60)).toMatchObject({ authorized_seconds: 120 })
    expect(await account()).toMatchObject({ balance: 100_000, balance_reserved: 20_000 })
    const tm_answer = '2026-01-20T12:00:00.000000Z'
    await callEvent('call.answered', id, { tm_answer })
    await callEvent('call.hungup', id, { duration: 61 })
    expect(await settled(id)).toMatchObject({
      status: 'finished',
      usage_duration: 61,
      billable_units: 2,
      amount: -20_000,
      amount_reserved: 0,
      balance_after: 80_000,
      tm_billing_start: tm_answer,
    })
    expect(await account()).toMatchObject({ balance: 80_000, balance_reserved: 0 })
    expect(sent().filter(type => type.startsWith('billing.'))).toEqual(['billing.created', 'billing.created', 'billing.updated'])
    expect(sent().filter(type => type === 'billing_account.updated')).toHaveLength(1)
    // Over is over.
    expect(await reserve(id, 600)).toMatchObject({ billing: { status: 'finished', amount_reserved: 0 } })
    await addsUp()
  })

  test('a call that was not answered costs nothing', async () => {
    await credit(100_000)
    const id = uuid7()
    await reserve(id)
    await callEvent('call.hungup', id)
    expect(await settled(id)).toMatchObject({ status: 'released', amount: 0, amount_reserved: 0, balance_after: 100_000 })
    await addsUp()
  })

  test('the same end twice, as one event or as two, charges once', async () => {
    await credit(100_000)
    const id = uuid7()
    const event_id = uuid7()
    await reserve(id)
    await callEvent('call.hungup', id, { duration: 5 }, event_id)
    await callEvent('call.hungup', id, { duration: 5 }, event_id)
    await callEvent('call.hungup', id, { duration: 500 })
    // Events of one resource come in order: after this one all of them have been.
    const after = uuid7()
    await reserve(after)
    await callEvent('call.hungup', after)
    await settled(after)
    await settled(id)
    expect(await account()).toMatchObject({ balance: 90_000, balance_reserved: 0 })
    await until(() => sent().filter(type => type === 'billing.updated').length === 2)
    await addsUp()
  })

  test('twenty at once on credit for three: three get it', async () => {
    await credit(39_999)
    const answers = await Promise.allSettled(Array.from({ length: 20 }, () => reserve(uuid7())))
    const refusals = answers.filter(answer => answer.status === 'rejected').map(answer => answer.reason.reason)
    expect(refusals).toEqual(Array(17).fill('BALANCE_INSUFFICIENT'))
    expect(await account()).toMatchObject({ balance: 39_999, balance_reserved: 30_000 })
    await addsUp()
  })

  test('a customer whose account is not made yet races with itself', async () => {
    const answers = await Promise.allSettled(Array.from({ length: 10 }, () => reserve(uuid7())))
    expect(answers.map(answer => answer.status === 'rejected' && answer.reason.reason)).toEqual(Array(10).fill('BALANCE_INSUFFICIENT'))
    await until(() => sent().length === 1)
  })

  test('extended, ended and released at the same time', async () => {
    await credit(1_000_000)
    const ids = Array.from({ length: 5 }, () => uuid7())
    for (const id of ids) await reserve(id)
    await Promise.all(
      ids.flatMap(id => [
        reserve(id, 300),
        callEvent('call.hungup', id, { duration: 30 }),
        reserve(id, 600),
        release(id),
        reserve(id, 120),
      ]),
    )
    for (const id of ids) await settled(id)
    expect((await account()).balance_reserved).toBe(0)
    await addsUp()
  })

  test('the same message again changes nothing and answers the same', async () => {
    await credit(15_000)
    const [granted, refused, charged] = [uuid7(), uuid7(), uuid7()]
    const again = async <T>(ask: (message_id: string) => Promise<T>) => {
      const message_id = uuid7()
      const first = await ask(message_id).catch((error: Error) => error)
      const second = await ask(message_id).catch((error: Error) => error)
      expect(second).toEqual(first)
      return first
    }
    const ask = (id: string) => (message_id: string) => app.call('reserveBilling', outgoing(id), mine, { message_id })
    await again(ask(granted))
    expect(await again(ask(refused))).toMatchObject({ reason: 'BALANCE_INSUFFICIENT' })
    const { id } = await account()
    await again(message_id => app.call('addBillingAccountBalance', { id, amount: 5_000_000, detail: '' }, operator, { message_id }))
    await again(message_id =>
      app.call(
        'chargeBilling',
        { reference_type: 'number', reference_id: charged, cost_type: 'number', destination: '', units: 1, duration: null },
        mine,
        { message_id },
      ),
    )
    expect(await account()).toMatchObject({ balance: 15_000, balance_reserved: 10_000 })
    expect(await ledger()).toHaveLength(4)
    await addsUp()
  })

  test.each([
    { when: 'by piece', unit_duration: 0, rate_per_unit: 7, authorized_seconds: null, amount: -7 },
    { when: 'by seconds', unit_duration: 6, rate_per_unit: 100, authorized_seconds: 60, amount: -600 },
    { when: 'free', unit_duration: 60, rate_per_unit: 0, authorized_seconds: null, amount: 0 },
  ])('a price $when', async ({ when, unit_duration, rate_per_unit, authorized_seconds, amount }) => {
    await credit(100_000)
    const prefix = `+15559${unit_duration}${rate_per_unit}`
    await app.call('createBillingRate', { cost_type: 'call_pstn_outgoing', prefix, name: when, rate_per_unit, unit_duration }, operator)
    const id = uuid7()
    const input = { ...outgoing(id), destination: `${prefix}000` }
    expect(await app.call('reserveBilling', input, mine)).toMatchObject({ authorized_seconds, rate_per_unit, unit_duration })
    await callEvent('call.hungup', id, { duration: 31 })
    expect(await settled(id)).toMatchObject({ status: 'finished', amount })
    await addsUp()
  })

  test('an incoming call is priced by who calls', async () => {
    await credit(100_000)
    await app.call(
      'createBillingRate',
      { cost_type: 'call_pstn_incoming', prefix: '+15551', name: '', rate_per_unit: 3, unit_duration: 60 },
      operator,
    )
    expect(await app.call('reserveBilling', outgoing(uuid7(), 60, 'call_pstn_incoming'), mine)).toMatchObject({ rate_per_unit: 3 })
  })

  test('are nobody else’s', async () => {
    await credit(100_000)
    const id = uuid7()
    const { billing: row } = await reserve(id)
    await expect(release(id, theirs)).rejects.toMatchObject({ reason: 'BILLING_NOT_FOUND' })
    await expect(app.call('getBilling', { id: row.id }, theirs)).rejects.toMatchObject({ reason: 'BILLING_NOT_FOUND' })
    await expect(app.call('getBilling', { id: missing }, mine)).rejects.toMatchObject({ reason: 'BILLING_NOT_FOUND' })
    expect(await ledger(theirs)).toEqual([])
    expect(await app.call('getBilling', { id: row.id }, mine)).toMatchObject({ id: row.id, status: 'reserved' })
    expect(await app.ownerOf('billing', 'billing', row.id)).toBe(mine.customer_id)
    expect(await release(id)).toMatchObject({ status: 'released' })
    expect(await release(id)).toMatchObject({ status: 'released' })
    await expect(release(missing)).rejects.toMatchObject({ reason: 'BILLING_NOT_FOUND' })
  })
})

describe('charges', () => {
  test('at once, once for each reference', async () => {
    await credit(12_000_000)
    const id = uuid7()
    const rows = await Promise.all(Array.from({ length: 4 }, () => charge(id)))
    expect(new Set(rows.map(row => row.id)).size).toBe(1)
    expect(rows[0]).toMatchObject({ transaction_type: 'usage', cost_type: 'number', amount: -5_000_000, balance_after: 7_000_000 })
    await expect(charge(uuid7(), { units: 2 })).rejects.toMatchObject({ reason: 'BALANCE_INSUFFICIENT' })
    expect(await account()).toMatchObject({ balance: 7_000_000 })
    await addsUp()
  })

  test('settle a reservation', async () => {
    await credit(100_000)
    const reference_id = uuid7()
    await reserve(reference_id, 180)
    const call = { reference_type: 'call' as const, reference_id, cost_type: 'call_pstn_outgoing' as const, destination: '', units: 1 }
    expect(await app.call('chargeBilling', { ...call, duration: 61 }, mine)).toMatchObject({ status: 'finished', amount: -20_000 })
    expect(await app.call('chargeBilling', { ...call, duration: 170 }, mine)).toMatchObject({ status: 'finished', amount: -20_000 })
    await addsUp()
  })
})

describe('warnings', () => {
  const told = (type: string) => sent().filter(event => event === type).length

  test('low once until it is above the threshold again', async () => {
    await credit(500_000)
    await credit(10_000_000)
    expect(told('billing_account.balance_low')).toBe(0)
    await charge(uuid7(), { units: 2 })
    await until(() => told('billing_account.balance_low') === 1)
    await app.call('subtractBillingAccountBalance', { id: (await account()).id, amount: 1000, detail: '' }, operator)
    await credit(5_000_000)
    await charge(uuid7())
    await until(() => told('billing_account.balance_low') === 2)
    await app.call('updateOwnBillingAccount', { balance_low_threshold: 1 }, mine)
    await app.call('updateOwnBillingAccount', { balance_low_threshold: 2_000_000 }, mine)
    await until(() => told('billing_account.balance_low') === 3)
  })

  test('exhausted once until credit is added', async () => {
    await credit(25_000)
    const ids = [uuid7(), uuid7()] as const
    for (const id of ids) await reserve(id)
    for (const id of [...ids, ...ids]) expect(await reserve(id, 120)).toMatchObject({ authorized_seconds: 60 })
    await until(() => told('billing_account.balance_exhausted') === 1)
    await credit(5_000)
    expect(await reserve(ids[0], 120)).toMatchObject({ authorized_seconds: 120 })
    expect(await reserve(ids[1], 120)).toMatchObject({ authorized_seconds: 60 })
    await until(() => told('billing_account.balance_exhausted') === 2)
    await addsUp()
  })
})

describe('prices', () => {
  const rate = (prefix: string, rate_per_unit = 1) => ({
    cost_type: 'call_vn' as const,
    prefix,
    name: 'n',
    rate_per_unit,
    unit_duration: 60,
  })

  test('are the operator’s and read by everybody', async () => {
    const made = await app.call('createBillingRate', rate('+7'), operator)
    expect(made).toMatchObject({ ...operator, prefix: '+7', tm_delete: null })
    await expect(app.call('createBillingRate', rate('+7'), operator)).rejects.toMatchObject({ reason: 'BILLING_RATE_EXISTS' })
    expect(await app.call('getBillingRate', { id: made.id }, theirs)).toEqual(made)
    expect((await app.call('listBillingRates', { page_size: 50, cost_type: 'call_vn' }, theirs)).result).toEqual([made])
    expect(await app.call('updateBillingRate', { id: made.id, rate_per_unit: 5 }, operator)).toMatchObject({ rate_per_unit: 5, name: 'n' })
    expect(await app.call('deleteBillingRate', { id: made.id }, operator)).toMatchObject({ id: made.id, tm_delete: expect.any(String) })
    expect((await app.call('createBillingRate', rate('+7'), operator)).id).not.toBe(made.id)
    const audits = await app.query<{ action: string }>('SELECT action FROM kernel_audits WHERE resource_id = ? ORDER BY tm_create', [
      made.id,
    ])
    expect(audits.map(row => row.action)).toEqual(['create', 'update', 'delete'])
  })

  test('a call keeps the price it began with', async () => {
    await credit(100_000)
    const made = await app.call('createBillingRate', { ...rate('+155598'), cost_type: 'call_pstn_outgoing', rate_per_unit: 20 }, operator)
    const id = uuid7()
    await reserve(id)
    await app.call('updateBillingRate', { id: made.id, rate_per_unit: 1_000 }, operator)
    expect(await reserve(id, 120)).toMatchObject({ rate_per_unit: 20, billing: { amount_reserved: 40 } })
    await app.call('deleteBillingRate', { id: made.id }, operator)
    expect(await reserve(uuid7())).toMatchObject({ rate_per_unit: 10_000 })
  })

  test.each(['getBillingRate', 'updateBillingRate', 'deleteBillingRate'] as const)('%s: a missing one', async operation => {
    await expect(app.call(operation, { id: missing }, operator)).rejects.toMatchObject({ reason: 'BILLING_RATE_NOT_FOUND' })
  })
})
