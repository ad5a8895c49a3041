import { metricsText, uuid7 } from '@voipbin/kernel'
import { until } from '@voipbin/kernel/testing'
import { describe, expect, test } from 'vitest'
import { allOver, app, create, customers, deliveries, happen, mine, missing, over, read, receiver, theirs } from './webhook-fixture.ts'

describe('records', () => {
  test('attempts are listed with filters and pages', async () => {
    const bad = await create('/bad', { retry_schedule: [0, 0, 0] })
    const good = await create('/good')
    receiver.answers.set('/bad', () => 500)
    await happen('call.created')
    const rows = await allOver(2)
    const attempts = async (where: object = {}) => app.call('listWebhookAttempts', { page_size: 100, ...where }, mine)
    const all = (await attempts()).result
    expect(all).toHaveLength(4)
    expect(all.map(({ tm_create }) => tm_create)).toEqual(
      all
        .map(({ tm_create }) => tm_create)
        .toSorted()
        .toReversed(),
    )
    expect((await attempts({ webhook_id: bad.id })).result.map(({ attempt, outcome }) => [attempt, outcome])).toEqual([
      [3, 'failed'],
      [2, 'failed'],
      [1, 'failed'],
    ])
    expect(await metricsText()).toMatch(/^voipbin_webhook_deliveries_total\{outcome="failed"\} 3$/m)
    expect((await attempts({ outcome: 'succeeded' })).result).toMatchObject([{ webhook_id: good.id, remote_ip: '127.0.0.1' }])
    const [failed] = rows.filter(row => row.webhook_id === bad.id)
    expect((await attempts({ webhook_delivery_id: failed?.id })).result).toHaveLength(3)
    expect((await attempts({ tm_create_from: all[1]?.tm_create })).result).toHaveLength(2)
    expect((await attempts({ tm_create_to: all[1]?.tm_create })).result).toHaveLength(2)
    const first = await attempts({ page_size: 3 })
    const second = await attempts({ page_size: 3, page_token: first.next_page_token })
    expect([...first.result, ...second.result]).toEqual(all)
    expect(second.next_page_token).toBe('')
    expect((await app.call('listWebhookAttempts', { page_size: 10 }, theirs)).result).toEqual([])
  })

  test('deliveries are listed with filters', async () => {
    const made = await create('/a')
    const ids = [uuid7(), uuid7()]
    const event_id = await happen('call.created', ids[0])
    await happen('call.hungup', ids[1])
    await allOver(2)
    const [first, last] = [(await deliveries({ event_type: 'call.created' }))[0], (await deliveries({ event_type: 'call.hungup' }))[0]]
    expect(await deliveries({ webhook_id: made.id })).toHaveLength(2)
    expect(await deliveries({ webhook_id: missing })).toEqual([])
    expect(await deliveries({ event_id })).toEqual([first])
    expect(await deliveries({ resource_id: ids[1] })).toEqual([last])
    expect(await deliveries({ target_type: 'customer' })).toEqual([])
    expect(await deliveries({ tm_create_from: last?.tm_create })).toEqual([last])
    const page = await app.call('listWebhookDeliveries', { page_size: 1 }, mine)
    expect(page.result).toEqual([last])
    expect(await deliveries({ page_token: page.next_page_token })).toEqual([first])
    // What the table needs is nobody's business.
    expect(Object.keys(first ?? {})).not.toEqual(expect.arrayContaining(['lane']))
    expect(JSON.stringify(first)).not.toMatch(/queue|tm_due|request_body|version/)
  })

  test('an answer is kept up to its first 4 KiB, headers as well', async () => {
    await create('/long', { retry_schedule: [0] })
    receiver.answers.set('/long', () => ({
      status: 200,
      body: 'x'.repeat(100_000),
      headers: { 'x-a': 'a'.repeat(3_000), 'x-b': 'b'.repeat(3_000) },
    }))
    await happen('call.created')
    const [row] = await allOver(1)
    const { attempts } = await read(row?.id ?? '')
    expect(attempts).toMatchObject([{ outcome: 'succeeded', response_body: 'x'.repeat(4_096) }])
    expect(JSON.stringify(attempts[0]?.response_headers).length).toBeLessThan(4_200)
  })

  test('payloads carry the public resource and nothing else', async () => {
    await create('/a')
    await happen('call.created', uuid7(), {
      asterisk_id: 'planted',
      channel_id: 'planted',
      webhook_secret: 'planted',
      password_hash: 'planted',
    })
    await until(() => receiver.of('/a').length === 1)
    expect(receiver.of('/a')[0]?.body).not.toContain('planted')
    const kept = [await app.query('SELECT * FROM webhook_deliveries WHERE customer_id = ?', [mine.customer_id])]
    expect(JSON.stringify(kept)).not.toContain('planted')
  })

  test('go after their time, in steps, those under way stay', async () => {
    await create('/a', { retry_schedule: [0, 3600] })
    receiver.answers.set('/a', ({ body }) => (body.includes('call_ringing') ? 500 : 200))
    const old = await Promise.all(Array.from({ length: 3 }, () => happen('call.created')))
    await happen('call.ringing')
    await until(async () => (await deliveries({ status: 'succeeded' })).length === 3)
    await until(async () => (await deliveries({ status: 'pending' })).some(row => row.attempt_count === 1))
    // As if it were long ago: ids begin with their time.
    const back =
      "UPDATE webhook_deliveries SET id = CONCAT('0100', SUBSTRING(id, 5)), tm_create = tm_create - INTERVAL 31 DAY WHERE customer_id = ?"
    await app.query(
      "UPDATE webhook_attempts SET webhook_delivery_id = CONCAT('0100', SUBSTRING(webhook_delivery_id, 5)) WHERE customer_id = ?",
      [mine.customer_id],
    )
    await app.query(back, [mine.customer_id])
    await happen('call.created')
    await until(() => receiver.of('/a').length === 5)
    await app.query("UPDATE webhook_timers SET tm_due = NOW(6) WHERE timer_key = 'sweep'")
    await until(async () => (await deliveries({ event_type: 'call.created' })).length === 1)
    const left = await deliveries()
    expect(left.map(row => row.event_type)).toEqual(['call.created', 'call.ringing'])
    expect(left.some(row => old.includes(row.event_id))).toBe(false)
    // One of the delivery under way, one of the new one, once it is written down.
    const attempts = () => app.query('SELECT 1 FROM webhook_attempts WHERE customer_id = ?', [mine.customer_id])
    await until(async () => (await attempts()).length === 2)
    const next = await app.query<{ due: number }>("SELECT tm_due > NOW(6) AS due FROM webhook_timers WHERE timer_key = 'sweep'")
    expect(next).toEqual([{ due: 1 }])
  })
})

describe('replays of a range', () => {
  const replay = (fields: object = {}) => app.call('createWebhookReplay', { tm_from: '2020-01-01T00:00:00Z', ...fields } as never, mine)
  const replayed = (id: string) =>
    until(async () => {
      const row = await app.call('getWebhookReplay', { id }, mine)
      return row.status === 'running' ? undefined : row
    })

  test('send again what failed, in order, and tell how far they are', async () => {
    const made = await create('/a', { retry_schedule: [0] })
    receiver.answers.set('/a', () => 500)
    const id = uuid7()
    const events: string[] = []
    for (const type of ['call.created', 'call.ringing', 'call.answered']) events.push(await happen(type, id))
    await allOver(3)
    receiver.answers.clear()
    await happen('call.hungup', id)
    await until(async () => (await deliveries({ status: 'succeeded' })).length === 1)
    receiver.received.length = 0
    const begun = await replay({ webhook_id: made.id, event_types: ['call.created', 'call.answered'] })
    expect(begun).toMatchObject({ webhook_id: made.id, status: 'running', delivery_statuses: ['failed'] })
    await expect(replay({ webhook_id: made.id })).rejects.toMatchObject({ reason: 'WEBHOOK_REPLAY_RUNNING' })
    expect(await replayed(begun.id)).toMatchObject({
      status: 'completed',
      queued_count: 2,
      succeeded_count: 2,
      pending_count: 0,
      failed_count: 0,
      tm_finish: expect.any(String),
    })
    expect(receiver.of('/a').map(one => one.headers['webhook-id'])).toEqual([events[0], events[2]])
    const rows = await deliveries({ webhook_replay_id: begun.id })
    expect(rows.map(row => row.event_id)).toEqual([events[2], events[0]])
    expect(rows.every(row => row.replay_of_id !== null)).toBe(true)
    // Replays are not replayed.
    const again = await replay({ webhook_id: made.id, delivery_statuses: ['succeeded', 'failed'] })
    expect(await replayed(again.id)).toMatchObject({ queued_count: 4 })
    const { result } = await app.call('listWebhookReplays', { page_size: 10, webhook_id: made.id }, mine)
    expect(result.map(row => [row.id, row.status])).toEqual([
      [again.id, 'completed'],
      [begun.id, 'completed'],
    ])
    expect(await app.ownerOf('webhook', 'webhook_replay', begun.id)).toBe(mine.customer_id)
  })

  test('take hundreds in steps, and only those of the range', async () => {
    const made = await create('/many', { event_types: ['call.created'], retry_schedule: [0] })
    await Promise.all(Array.from({ length: 450 }, () => happen('call.created')))
    await until(async () => (await app.query('SELECT 1 FROM webhook_attempts WHERE webhook_id = ?', [made.id])).length === 450)
    const [{ tm_create: middle } = { tm_create: '' }] = (await deliveries({ page_size: 50 })).slice(-1)
    const later = await replay({ webhook_id: made.id, tm_from: middle, delivery_statuses: ['succeeded'] })
    expect(await replayed(later.id)).toMatchObject({ queued_count: 50, succeeded_count: 50 })
    const earlier = await replay({ webhook_id: made.id, tm_to: middle, delivery_statuses: ['succeeded'] })
    expect(await replayed(earlier.id)).toMatchObject({ queued_count: 400, succeeded_count: 400 })
  })

  test('of the customer-level webhook', async () => {
    await expect(replay()).rejects.toMatchObject({ reason: 'WEBHOOK_GONE' })
    const config = customers.get(mine.customer_id)
    customers.set(mine.customer_id, { ...config, webhook_uri: receiver.url('/level') } as never)
    await happen('call.created')
    await allOver(1)
    const begun = await replay({ delivery_statuses: ['succeeded'] })
    expect(await replayed(begun.id)).toMatchObject({ webhook_id: null, queued_count: 1, succeeded_count: 1 })
    expect(receiver.of('/level')).toHaveLength(2)
  })

  test('stop when they are deleted', async () => {
    const made = await create('/slow', { retry_schedule: [0, 3600] })
    await happen('call.created')
    await allOver(1)
    receiver.answers.set('/slow', () => 500)
    const begun = await replay({ webhook_id: made.id, delivery_statuses: ['succeeded'] })
    const [row] = await until(async () => {
      const rows = await deliveries({ webhook_replay_id: begun.id })
      return rows[0]?.attempt_count === 1 ? rows : undefined
    })
    const gone = await app.call('deleteWebhookReplay', { id: begun.id }, mine)
    expect(gone).toMatchObject({ status: 'canceled', canceled_count: 1, pending_count: 0 })
    expect(await over(row?.id ?? '')).toMatchObject({ status: 'canceled' })
    await expect(app.call('getWebhookReplay', { id: begun.id }, mine)).rejects.toMatchObject({ reason: 'WEBHOOK_REPLAY_NOT_FOUND' })
  })

  test('are refused where there is nothing to send to', async () => {
    const off = await create('/off', { status: 'disabled' })
    await expect(replay({ webhook_id: off.id })).rejects.toMatchObject({ reason: 'WEBHOOK_DISABLED' })
    await expect(replay({ webhook_id: missing })).rejects.toMatchObject({ reason: 'WEBHOOK_GONE' })
    const on = await create('/on')
    await expect(replay({ webhook_id: on.id, event_types: ['nothing.*'] })).rejects.toMatchObject({ reason: 'EVENT_TYPE_UNKNOWN' })
    await expect(replay({ webhook_id: on.id, tm_to: '2019-01-01T00:00:00Z' })).rejects.toMatchObject({
      reason: 'INVALID_ARGUMENT',
      details: [{ field: '/tm_from' }],
    })
    const foreign = app.call('createWebhookReplay', { webhook_id: on.id, tm_from: '2020-01-01T00:00:00Z' } as never, theirs)
    await expect(foreign).rejects.toMatchObject({ reason: 'WEBHOOK_GONE' })
    for (const operation of ['getWebhookReplay', 'deleteWebhookReplay'] as const) {
      await expect(app.call(operation, { id: missing }, mine)).rejects.toMatchObject({ reason: 'WEBHOOK_REPLAY_NOT_FOUND' })
    }
  })
})
