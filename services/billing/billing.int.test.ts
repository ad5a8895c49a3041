import { uuid7 } from '@voipbin/kernel'
import { until } from '@voipbin/kernel/testing'
import { describe, expect, test } from 'vitest'
import {
  account,
  addsUp,
  app,
  billingOf,
  callEvent,
  charge,
  credit,
  mine,
  missing,
  operator,
  reserve,
  sent,
  settled,
  theirs,
} from './billing-fixture.ts'

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
    expect(sent().filter(type => type !== 'billing.created')).toEqual([
      'billing_account.created',
      ...Array(3).fill('billing_account.updated'),
    ])
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

  test('of thousands of prefixes the longest that fits counts', async () => {
    await credit(100_000)
    const many = Array.from({ length: 1_100 }, (_, n) => [uuid7(), operator.customer_id, 'call_pstn_outgoing', `+1200${n}`, '', 1, 60])
    const columns = 'id, customer_id, cost_type, prefix, name, rate_per_unit, unit_duration, tm_create, tm_update'
    const values = many.map(() => '(?, ?, ?, ?, ?, ?, ?, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))').join(', ')
    await app.query(`INSERT INTO billing_rates (${columns}) VALUES ${values}`, many.flat())
    const made = await app.call('createBillingRate', { ...rate('+1555', 30), cost_type: 'call_pstn_outgoing' }, operator)
    expect(await reserve(uuid7())).toMatchObject({ rate_per_unit: 30 })
    await app.call('deleteBillingRate', { id: made.id }, operator)
  })

  test.each(['getBillingRate', 'updateBillingRate', 'deleteBillingRate'] as const)('%s: a missing one', async operation => {
    await expect(app.call(operation, { id: missing }, operator)).rejects.toMatchObject({ reason: 'BILLING_RATE_NOT_FOUND' })
  })
})
