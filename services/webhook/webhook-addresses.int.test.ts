import { uuid7 } from '@voipbin/kernel'
import { until } from '@voipbin/kernel/testing'
import { describe, expect, test } from 'vitest'
import { allOver, app, customers, dealtWith, deliveries, happen, heard, mine, receiver, runs, typesOf } from './webhook-fixture.ts'

/** The customer-level webhook of this test's customer. */
const setLevel = (path: string): void => {
  customers.set(mine.customer_id, { ...customers.get(mine.customer_id), webhook_uri: receiver.url(path) } as never)
}
const addresses = () =>
  app.query<{ status: string; failure_count: number }>('SELECT * FROM webhook_addresses WHERE customer_id = ?', [mine.customer_id])
/** As if it had failed so often for so many days; what waits for its next attempt is given up. */
const age = async (days: number, failure_count: number): Promise<void> => {
  await until(async () => (await addresses()).length === 1)
  await app.query("UPDATE webhook_deliveries SET retry_schedule = '[0]' WHERE customer_id = ?", [mine.customer_id])
  const set = 'UPDATE webhook_addresses SET tm_failing = NOW(6) - INTERVAL ? DAY, failure_count = ? WHERE customer_id = ?'
  await app.query(set, [days, failure_count, mine.customer_id])
}
/** At least: the notices go to the customer-level webhook, too, and fail there. */
const counted = (count: number) => until(async () => ((await addresses())[0]?.failure_count ?? 0) >= count)
const callsOver = (count: number) => allOver(count, { event_type: 'call.created' })
const notices = () => heard().filter(({ event_type }) => event_type.startsWith('webhook.address'))
const told = () => notices().map(({ event_type }) => event_type)

const places = [
  { name: 'the customer-level webhook', target_type: 'customer', path: '/level', begin: () => setLevel('/level'), more: () => ({}) },
  {
    name: 'the address of a run',
    target_type: 'activeflow',
    path: '/run',
    begin: () => undefined,
    // Every run has an address of its own on the same server.
    more: () => {
      const activeflow_id = uuid7()
      runs.set(activeflow_id, receiver.url('/run'))
      return { activeflow_id }
    },
  },
]

describe.each(places)('$name, dead for days', ({ path, begin, more, target_type }) => {
  test('is told, disabled, tried once an hour, and comes back by itself', async () => {
    begin()
    receiver.answers.set(path, () => 503)
    const send = () => happen('call.created', uuid7(), more())
    await send()
    await counted(1)
    await age(2, 8)
    await send()
    await counted(9)
    await until(() => told().length === 1)
    await age(6, 20)
    await send()
    await until(() => told().length === 2)
    expect(told()).toEqual(['webhook.address_failing', 'webhook.address_disabled'])
    expect(notices().at(-1)).toMatchObject({
      event_type: 'webhook.address_disabled',
      customer_id: mine.customer_id,
      data: {
        target_type,
        uri: receiver.url(path),
        status: 'disabled',
        disabled_reason: 'failing',
        disabled_detail: expect.stringMatching(/^\d+ attempts since .*HTTP 503\.$/),
      },
    })
    const audits = await app.query<{ actor_type: string }>(
      "SELECT * FROM kernel_audits WHERE customer_id = ? AND resource_type = 'webhook_address'",
      [mine.customer_id],
    )
    expect(audits).toMatchObject([{ actor_type: 'system', action: 'update' }])

    // What waits is canceled, and so is what comes; nothing is sent.
    await callsOver(3)
    for (const { event_id } of notices()) await dealtWith(event_id)
    const calls = () => typesOf(receiver.of(path)).filter(type => type === 'call_created').length
    const before = calls()
    await send()
    expect((await callsOver(4))[0]).toMatchObject({ status: 'canceled', attempt_count: 0 })
    expect(calls()).toBe(before)

    const due = () =>
      app.query('UPDATE webhook_addresses SET tm_probe = NOW(6) - INTERVAL 1 SECOND WHERE customer_id = ?', [mine.customer_id])
    await due()
    await send()
    expect((await callsOver(5))[0]).toMatchObject({ status: 'failed', attempt_count: 1 })
    await send()
    expect((await callsOver(6))[0]).toMatchObject({ status: 'canceled' })

    await due()
    receiver.answers.clear()
    await send()
    await until(() => told().includes('webhook.address_enabled'))
    expect(await addresses()).toEqual([])
    await send()
    expect((await callsOver(8))[0]).toMatchObject({ status: 'succeeded' })
  })
})

test('410 disables the customer-level webhook until the customer says where it is', async () => {
  setLevel('/gone')
  receiver.answers.set('/gone', () => 410)
  await happen('call.created')
  await until(() => told().length === 1)
  expect(notices().at(-1)).toMatchObject({
    event_type: 'webhook.address_disabled',
    data: { disabled_reason: 'gone', target_type: 'customer' },
  })
  await happen('call.created')
  expect((await callsOver(2)).map(({ status, attempt_count }) => [status, attempt_count])).toEqual([
    ['canceled', 0],
    ['failed', 1],
  ])
  receiver.answers.clear()
  await app.publish('customer', { event_type: 'customer.updated', customer_id: mine.customer_id, data: { id: mine.customer_id } })
  await until(async () => (await addresses()).length === 0)
  await happen('call.created')
  await until(async () => (await deliveries({ status: 'succeeded', event_type: 'call.created' })).length === 1)
})

test('410 ends the delivery to a run and nothing else', async () => {
  const activeflow_id = uuid7()
  runs.set(activeflow_id, receiver.url('/over'))
  receiver.answers.set('/over', () => 410)
  await happen('call.created', uuid7(), { activeflow_id })
  expect(await callsOver(1)).toMatchObject([{ status: 'failed', attempt_count: 1 }])
  expect(told()).toEqual([])
})

test('one that answers leaves no record, and a failure in between is forgotten', async () => {
  setLevel('/well')
  let asked = 0
  receiver.answers.set('/well', () => (asked++ === 0 ? 500 : 200))
  await happen('call.created')
  await until(async () => (await addresses()).length === 1)
  await happen('call.created')
  await until(async () => (await addresses()).length === 0)
})
