import { billingContract } from '@voipbin/generated/rpc/billing'
import type { Calls } from '@voipbin/generated/rpc/calls'
import type { AvailableNumber } from '@voipbin/generated/schemas'
import { type Context, type In, uuid7 } from '@voipbin/kernel'
import { until } from '@voipbin/kernel/testing'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import billing from '../billing/service.ts'
import { standIn, type TestApp, testApp } from '../test-app.ts'
import number from './service.ts'

const operator = { customer_id: uuid7() }
const missing = uuid7()
let mine: { customer_id: string }
let theirs: { customer_id: string }
let app: TestApp
let drawn = 0

beforeAll(async () => {
  app = await testApp({ services: [number, billing] })
})
afterAll(() => app.close())
beforeEach(async () => {
  mine = await rich()
  theirs = await rich()
  app.events.length = 0
})

async function rich(amount = 100_000_000, on = app): Promise<{ customer_id: string }> {
  const as = { customer_id: uuid7() }
  const { id } = await on.call('getOwnBillingAccount', {}, as)
  await on.call('addBillingAccountBalance', { id, amount, detail: '' }, operator)
  return as
}
/** Of this test's customers: events of a test before may still come. */
const heard = () => app.events.filter(({ customer_id }) => customer_id === mine.customer_id || customer_id === theirs.customer_id)
const sent = () => heard().flatMap(({ event_type }) => (event_type.startsWith('number.') ? event_type : []))
const audits = async (id: string) =>
  (await app.query<{ action: string }>('SELECT action FROM kernel_audits WHERE resource_id = ? ORDER BY tm_create', [id])).map(
    row => row.action,
  )
const settings = { call_flow_id: null, message_flow_id: null, name: 'Hotline', detail: '' }
const take = (wanted: string, as = mine, on = app) => on.call('createNumber', { number: wanted, ...settings }, as)
const list = (as = mine) => app.call('listNumbers', { page_size: 100 }, as)
const inStock = async (wanted: string) =>
  (await app.call('listAvailableNumbers', { page_size: 100, type: 'normal', prefix: wanted.slice(0, 15) }, mine)).result.some(
    row => row.number === wanted,
  )

/** A number of the stock that no other test uses. */
async function stocked(on = app): Promise<string> {
  const fresh = `+1555${String(++drawn).padStart(7, '0')}`
  await on.call('addAvailableNumbers', { numbers: [{ number: fresh, country: 'US', region: 'NY', features: ['voice', 'sms'] }] }, operator)
  return fresh
}

describe('numbers of the stock', () => {
  test('are bought, paid and given back', async () => {
    const wanted = await stocked()
    const row = await take(wanted)
    expect(row).toMatchObject({ ...mine, ...settings, number: wanted, type: 'normal', status: 'active', tm_delete: null })
    expect(await inStock(wanted)).toBe(false)
    const paid = (await app.call('listBillings', { page_size: 10, reference_id: row.id }, mine)).result
    expect(paid).toMatchObject([{ reference_type: 'number', cost_type: 'number', amount: -5_000_000, destination: wanted }])
    expect(await app.call('getNumber', { id: row.id }, mine)).toMatchObject({ id: row.id, number: wanted })
    expect(await app.call('findNumber', { number: wanted }, {})).toMatchObject({ id: row.id, customer_id: mine.customer_id })
    expect((await list()).result.map(one => one.id)).toEqual([row.id])
    expect(await app.ownerOf('number', 'number', row.id)).toBe(mine.customer_id)
    expect(await app.call('deleteNumber', { id: row.id }, mine)).toMatchObject({ status: 'deleted', tm_delete: expect.any(String) })
    expect(await inStock(wanted)).toBe(true)
    await expect(app.call('findNumber', { number: wanted }, {})).rejects.toMatchObject({ reason: 'NUMBER_NOT_FOUND' })
    await until(() => sent().length === 2)
    expect(app.events.filter(event => event.resource_id === row.id)).toMatchObject([
      { event_type: 'number.created', data: { number: wanted } },
      { event_type: 'number.deleted', data: { number: wanted, status: 'deleted' } },
    ])
    expect(JSON.stringify(app.events)).not.toContain('"stock"')
    expect(await audits(row.id)).toEqual(['create', 'delete'])
    expect((await take(wanted, theirs)).id).not.toBe(row.id)
  })

  test('two customers race for one: one gets it and one pays', async () => {
    const wanted = await stocked()
    const answers = await Promise.allSettled([mine, theirs, mine, theirs].map(as => take(wanted, as)))
    const reasons = answers.map(answer => (answer.status === 'rejected' ? answer.reason.reason : 'taken by one'))
    expect(reasons.toSorted()).toEqual([...Array(3).fill('NUMBER_TAKEN'), 'taken by one'])
    const paid = await app.query<{ n: number }>('SELECT COUNT(*) AS n FROM billing_billings WHERE destination = ?', [wanted])
    expect(paid).toEqual([{ n: 1 }])
    await expect(take(wanted, theirs)).rejects.toMatchObject({ reason: 'NUMBER_TAKEN' })
    await until(() => sent().length === 1)
  })

  test('not paid is given back, unheard of', async () => {
    const wanted = await stocked()
    const poor = await rich(4_999_999)
    await expect(take(wanted, poor)).rejects.toMatchObject({ reason: 'BALANCE_INSUFFICIENT', status: 'PAYMENT_REQUIRED' })
    expect(await inStock(wanted)).toBe(true)
    expect((await list(poor)).result).toEqual([])
    expect(await take(wanted)).toMatchObject({ number: wanted })
    await until(() => sent().length === 1)
    expect(await app.query('SELECT * FROM number_timers')).toEqual([])
  })

  test('the same request again is one number', async () => {
    const wanted = await stocked()
    const message_id = uuid7()
    const ask = () => app.call('createNumber', { number: wanted, ...settings }, mine, { message_id })
    expect(await ask()).toEqual(await ask())
    expect((await list()).result).toHaveLength(1)
    expect((await app.call('listBillings', { page_size: 10, reference_type: 'number' }, mine)).result).toHaveLength(1)
  })

  test.each([
    { when: 'in no stock', number: '+15550000000', error: 'NUMBER_NOT_AVAILABLE' },
    { when: 'reserved', number: '+899000123456', error: 'NUMBER_NOT_AVAILABLE' },
    { when: 'too short to be virtual', number: '+89912345678', error: 'NUMBER_NOT_AVAILABLE' },
  ])('a number $when cannot be taken', async ({ number: wanted, error }) => {
    await expect(take(wanted)).rejects.toMatchObject({ reason: error })
  })

  test('is listed by country and beginning, page by page', async () => {
    const add = (wanted: string, country: string) => ({ number: wanted, country, region: '', features: ['voice' as const] })
    const numbers = ['+4420000001', '+4420000002', '+4420000003', '+899123456789'].map(one => add(one, 'GB'))
    const added = await app.call('addAvailableNumbers', { numbers: [...numbers, ...numbers] }, operator)
    expect(added.result.map(row => row.number)).toEqual(['+4420000001', '+4420000002', '+4420000003'])
    expect((await app.call('addAvailableNumbers', { numbers }, operator)).result).toEqual([])
    const first = await app.call('listAvailableNumbers', { page_size: 2, country_code: 'GB' }, mine)
    expect(first.result.map(row => row.number)).toEqual(['+4420000001', '+4420000002'])
    const second = await app.call('listAvailableNumbers', { page_size: 2, country_code: 'GB', page_token: first.next_page_token }, mine)
    expect(second).toMatchObject({
      result: [{ number: '+4420000003', type: 'normal', country: 'GB', features: ['voice'] }],
      next_page_token: '',
    })
    expect((await app.call('listAvailableNumbers', { page_size: 50, prefix: '+4420000003' }, mine)).result).toHaveLength(1)
    await take('+4420000001')
    expect((await app.call('addAvailableNumbers', { numbers }, operator)).result).toEqual([])
    await expect(app.call('removeAvailableNumber', { number: '+4420000001' }, operator)).rejects.toMatchObject({
      reason: 'NUMBER_NOT_AVAILABLE',
    })
    expect(await app.call('removeAvailableNumber', { number: '+4420000002' }, operator)).toMatchObject({ number: '+4420000002' })
    await expect(take('+4420000002')).rejects.toMatchObject({ reason: 'NUMBER_NOT_AVAILABLE' })
    await expect(app.call('listAvailableNumbers', { page_size: 2, page_token: 'x' }, mine)).rejects.toMatchObject({
      reason: 'INVALID_ARGUMENT',
    })
  })
})

describe('virtual numbers', () => {
  test('are proposed, free and reachable', async () => {
    const proposed = (await app.call('listAvailableNumbers', { page_size: 5, type: 'virtual', prefix: '+89977' }, mine)).result
    expect(proposed).toHaveLength(5)
    for (const { number: one } of proposed) expect(one).toMatch(/^\+89977\d{7}$/)
    const wanted = (proposed[0] as AvailableNumber).number
    const row = await take(wanted, { customer_id: uuid7() })
    expect(row).toMatchObject({ number: wanted, type: 'virtual', status: 'active' })
    await expect(take(wanted)).rejects.toMatchObject({ reason: 'NUMBER_TAKEN' })
    expect(await app.query('SELECT id FROM billing_billings WHERE reference_id = ?', [row.id])).toEqual([])
    await app.call('deleteNumber', { id: row.id }, { customer_id: row.customer_id })
    expect(await app.query('SELECT number FROM number_stock WHERE number = ?', [wanted])).toEqual([])
    expect(await take(wanted)).toMatchObject({ type: 'virtual' })
  })

  test('five at once: one gets it', async () => {
    const answers = await Promise.allSettled(Array.from({ length: 5 }, () => take('+899123123123')))
    expect(answers.filter(answer => answer.status === 'rejected').map(answer => answer.reason.reason)).toEqual(
      Array(4).fill('NUMBER_TAKEN'),
    )
  })
})

describe('owned numbers', () => {
  test('updateNumber changes what is named', async () => {
    const flow = uuid7()
    const row = await take(await stocked())
    expect(await app.call('updateNumber', { id: row.id, call_flow_id: flow }, mine)).toMatchObject({ call_flow_id: flow, name: 'Hotline' })
    expect((await app.call('listNumbers', { page_size: 10, call_flow_id: flow }, mine)).result).toHaveLength(1)
    expect((await app.call('listNumbers', { page_size: 10, number: row.number, type: 'virtual' }, mine)).result).toEqual([])
    expect(await app.call('updateNumber', { id: row.id, call_flow_id: null, name: 'x' }, mine)).toMatchObject({
      call_flow_id: null,
      name: 'x',
    })
    await until(() => sent().length === 3)
    expect(sent()).toEqual(['number.created', 'number.updated', 'number.updated'])
    expect(await audits(row.id)).toEqual(['create', 'update', 'update'])
  })

  test.each(['getNumber', 'updateNumber', 'deleteNumber'] as const)('%s: a foreign number looks like a missing one', async operation => {
    const row = await take(await stocked())
    await expect(app.call(operation, { id: row.id }, theirs)).rejects.toMatchObject({ reason: 'NUMBER_NOT_FOUND' })
    await expect(app.call(operation, { id: missing }, mine)).rejects.toMatchObject({ reason: 'NUMBER_NOT_FOUND' })
    expect((await list(theirs)).result).toEqual([])
    expect(await app.call('getNumber', { id: row.id }, mine)).toMatchObject({ version: 1 })
  })

  test('forget a deleted flow, and no other', async () => {
    const [gone, kept] = [uuid7(), uuid7()]
    const both = await take(await stocked())
    const one = await take(await stocked())
    const foreign = await take(await stocked(), theirs)
    await app.call('updateNumber', { id: both.id, call_flow_id: gone, message_flow_id: gone }, mine)
    await app.call('updateNumber', { id: one.id, call_flow_id: kept, message_flow_id: gone }, mine)
    await app.call('updateNumber', { id: foreign.id, call_flow_id: gone }, theirs)
    await until(() => sent().length === 6)
    app.events.length = 0
    const event_id = uuid7()
    for (const _time of [1, 2]) await app.publish('flow', { event_type: 'flow.deleted', event_id, data: { id: gone, ...mine } })
    await until(() => sent().length === 2)
    expect(await app.call('getNumber', { id: both.id }, mine)).toMatchObject({ call_flow_id: null, message_flow_id: null })
    expect(await app.call('getNumber', { id: one.id }, mine)).toMatchObject({ call_flow_id: kept, message_flow_id: null })
    expect(await app.call('getNumber', { id: foreign.id }, theirs)).toMatchObject({ call_flow_id: gone })
    expect(sent()).toEqual(['number.updated', 'number.updated'])
  })

  test('of a deleted customer return to the stock', async () => {
    const wanted = await stocked()
    await take(wanted)
    await take('+899555555555')
    const kept = await take(await stocked(), theirs)
    await app.publish('customer', { event_type: 'customer.deleted', data: { id: mine.customer_id } })
    await until(() => sent().length === 5)
    expect(sent().toSorted()).toEqual([...Array(3).fill('number.created'), ...Array(2).fill('number.deleted')])
    expect((await list()).result).toEqual([])
    expect(await inStock(wanted)).toBe(true)
    expect((await list(theirs)).result.map(row => row.id)).toEqual([kept.id])
  })
})

test('an order whose payment nobody answered is paid later', async () => {
  const charged: string[] = []
  let isAway = true
  const away = standIn<'chargeBilling'>(billingContract, {
    chargeBilling: async (ctx: Context, { reference_id }: In<Calls, 'chargeBilling'>) => {
      if (isAway) throw ctx.error('UNAVAILABLE')
      charged.push(reference_id)
      return {} as never
    },
  })
  await using other = await testApp({ services: [number], standIns: [away] })
  const wanted = await stocked(other)
  await expect(take(wanted, mine, other)).rejects.toMatchObject({ reason: 'UNAVAILABLE' })
  await expect(take(wanted, theirs, other)).rejects.toMatchObject({ reason: 'NUMBER_TAKEN' })
  expect((await other.call('listNumbers', { page_size: 10 }, mine)).result).toEqual([])
  isAway = false
  await other.query("UPDATE number_timers SET tm_due = '2020-01-01'")
  const [row] = await until(async () => {
    const { result } = await other.call('listNumbers', { page_size: 10 }, mine)
    return result.length > 0 ? result : undefined
  })
  expect(row).toMatchObject({ number: wanted, type: 'normal', name: 'Hotline' })
  expect(charged).toEqual([row?.id])
  await until(() => other.events.length === 1)
  await until(async () => (await other.query('SELECT * FROM number_timers')).length === 0)
})
