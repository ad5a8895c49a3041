import { uuid7 } from '@voipbin/kernel'
import { until } from '@voipbin/kernel/testing'
import { describe, expect, test } from 'vitest'
import {
  account,
  addsUp,
  app,
  callEvent,
  credit,
  ledger,
  mine,
  missing,
  operator,
  outgoing,
  release,
  reserve,
  sent,
  settled,
  theirs,
} from './billing-fixture.ts'

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
    await until(() => sent().includes('billing.updated'))
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

  test('one that was forgotten is given back', async () => {
    await credit(100_000)
    const [id, ended] = [uuid7(), uuid7()]
    const { billing: row } = await reserve(id)
    await reserve(ended)
    await callEvent('call.hungup', ended)
    await settled(ended)
    const key = `forgotten:${row.id}`
    expect(await app.query('SELECT timer_key FROM billing_timers WHERE customer_id = ?', [mine.customer_id])).toEqual([{ timer_key: key }])
    await app.query("UPDATE billing_timers SET tm_due = '2020-01-01' WHERE timer_key = ?", [key])
    expect(await settled(id)).toMatchObject({ status: 'released', amount: 0 })
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
