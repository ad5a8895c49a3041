import type { Calls } from '@voipbin/generated/rpc/calls'
import type { CustomerWebhook } from '@voipbin/generated/schemas'
import { type In, uuid7 } from '@voipbin/kernel'
import { until } from '@voipbin/kernel/testing'
import { describe, expect, test } from 'vitest'
import {
  allOver,
  app,
  create,
  customers,
  deliveries,
  happen,
  lanes,
  mine,
  missing,
  over,
  read,
  receiver,
  runs,
  secretOf,
  theirs,
  typesOf,
  verify,
} from './webhook-fixture.ts'
import type { Received } from './webhook-receiver.ts'

describe('deliveries', () => {
  test('are signed both ways and recorded', async () => {
    const { id: webhook_id, secret } = await create('/a')
    const id = uuid7()
    const event_id = await happen('call.created', id)
    const [row] = await allOver(1)
    const [request] = receiver.of('/a')
    if (!row || !request) throw new Error('nothing delivered')
    await verify(request, secret)
    await expect(verify(request, secretOf('other'))).rejects.toThrow()
    expect(JSON.parse(request.body)).toEqual({ id: event_id, type: 'call_created', created: expect.any(String), data: { id, ...mine } })
    expect(request.headers).toMatchObject({
      'content-type': 'application/json',
      'webhook-id': event_id,
      'x-voipbin-event': 'call_created',
      'x-voipbin-timestamp': expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      'x-request-id': expect.any(String),
    })
    expect(row).toMatchObject({
      ...mine,
      target_type: 'webhook',
      webhook_id,
      event_id,
      event_type: 'call.created',
      resource_id: id,
      status: 'succeeded',
      attempt_count: 1,
      tm_next_attempt: null,
    })
    const detail = await read(row.id)
    expect(detail.request_body).toBe(request.body)
    expect(detail.attempts).toMatchObject([
      {
        ...mine,
        attempt: 1,
        outcome: 'succeeded',
        method: 'POST',
        uri: receiver.url('/a'),
        remote_ip: '127.0.0.1',
        status_code: 200,
        error: null,
        response_body: 'thanks',
        response_headers: { 'x-seen': 'yes' },
      },
    ])
    expect(detail.attempts[0]?.request_headers['webhook-signature']).toMatch(/^.{16}…$/)
    expect(await app.call('getWebhook', { id: webhook_id }, mine)).toMatchObject({
      tm_last_success: expect.any(String),
      tm_last_failure: null,
    })
    expect(await app.ownerOf('webhook', 'webhook_delivery', row.id)).toBe(mine.customer_id)
  })

  test('go where the filters say, once for an event that comes twice', async () => {
    await create('/all', { event_types: ['*'] })
    await create('/calls', { event_types: ['call.*'] })
    await create('/ends', { event_types: ['call.hungup', 'number.created'] })
    await create('/off', { event_types: ['*'], status: 'disabled' })
    await app.publish('customer', { event_type: 'customer.updated', customer_id: theirs.customer_id, data: { id: theirs.customer_id } })
    const event_id = uuid7()
    const id = uuid7()
    for (const _time of [1, 2])
      await app.publish('call', { event_type: 'call.hungup', event_id, resource_id: id, ...mine, data: { id, ...mine } })
    await happen('number.deleted')
    await until(() => typesOf(receiver.of('/all')).includes('number_deleted'))
    await until(() => receiver.of('/ends').length === 1 && receiver.of('/calls').length === 1)
    await until(() => receiver.of('/all').filter(one => one.headers['x-voipbin-event'] === 'call_hungup').length === 1)
    expect(receiver.of('/off')).toEqual([])
    expect(await deliveries({ event_type: 'call.hungup' })).toHaveLength(3)
  })

  test('of one resource keep their order while the first fails', async () => {
    await create('/order', { retry_schedule: [0, 1, 1], timeout: 30 })
    await create('/any', { retry_schedule: [0, 1, 1], timeout: 30, ordered: false })
    const [one, other] = [uuid7(), uuid7()]
    const about = (path: string, id: string) => typesOf(receiver.of(path).filter(request => request.body.includes(id)))
    const failed = new Set<string>()
    // The first fails once all have come that do not wait for it.
    const others = { '/order': () => about('/order', other).length === 1, '/any': () => about('/any', one).length === 4 }
    for (const [path, haveCome] of Object.entries(others))
      receiver.answers.set(path, async ({ headers }) => {
        if (headers['x-voipbin-event'] !== 'call_created' || failed.has(path)) return 200
        failed.add(path)
        await until(haveCome)
        return 503
      })
    for (const type of ['call.created', 'call.ringing', 'call.answered', 'call.hungup']) await happen(type, one)
    await happen('call.ringing', other)
    await allOver(10)
    expect(about('/order', one)).toEqual(['call_created', 'call_created', 'call_ringing', 'call_answered', 'call_hungup'])
    expect(about('/any', one).at(-1)).toBe('call_created')
    // Another resource has not waited for it.
    const order = receiver.of('/order').findIndex(request => request.body.includes(other))
    expect(order).toBeLessThan(2)
    expect(await lanes()).toEqual([])
  })

  test('are given up after the last attempt, and the next of the resource goes', async () => {
    await create('/down', { retry_schedule: [0, 0] })
    receiver.answers.set('/down', ({ headers }) => (headers['x-voipbin-event'] === 'call_created' ? 302 : 200))
    const id = uuid7()
    await happen('call.created', id)
    await happen('call.hungup', id)
    const rows = await allOver(2)
    expect(rows.map(row => [row.event_type, row.status, row.attempt_count])).toEqual([
      ['call.hungup', 'succeeded', 1],
      ['call.created', 'failed', 2],
    ])
    expect((await read(rows[1]?.id ?? '')).attempts.map(row => [row.attempt, row.status_code])).toEqual([
      [1, 302],
      [2, 302],
    ])
  })

  test('to a dead endpoint delay no other', async () => {
    const release = receiver.hold('/dead')
    await create('/dead', { timeout: 30 })
    await create('/quick')
    for (let n = 0; n < 30; n++) await happen('call.created')
    await until(() => receiver.of('/quick').length === 30)
    await until(() => receiver.of('/dead').length === 4)
    await until(async () => (await deliveries({ status: 'succeeded' })).length === 30)
    release()
    await until(() => receiver.of('/dead').length === 30)
    expect(new Set(receiver.of('/dead').map(one => one.headers['webhook-id'])).size).toBe(30)
    await allOver(60)
  })

  test('that got no good answer say why, and what to do', async () => {
    const once = { retry_schedule: [0] }
    await create('/silent', { ...once, timeout: 1 })
    await create('/x', { ...once, uri: 'http://127.0.0.1:1/closed' })
    await create('/x', { ...once, uri: receiver.url('/x').replace('http:', 'https:') })
    await create('/moved', once)
    receiver.answers.set('/moved', () => ({ status: 308, body: '', headers: { location: 'https://acme.example/new' } }))
    const release = receiver.hold('/silent')
    await happen('call.created')
    const rows = await allOver(4)
    release()
    const errors = await Promise.all(rows.map(async row => (await read(row.id)).attempts.map(one => [one.status_code, one.error])))
    expect(errors.flat().toSorted()).toEqual([
      [null, 'connection_failed: nothing accepts connections at this address and port (ECONNREFUSED)'],
      [null, 'timeout: no complete answer within 1 s'],
      [null, expect.stringMatching(/^tls_failed: the server does not speak TLS on this port; is it http\? \(\w+\)$/)],
      [308, 'redirect: not followed; change the uri to https://acme.example/new'],
    ])
  })
})

describe('replays', () => {
  test('send the same event to where the endpoint is now', async () => {
    const made = await create('/old', { retry_schedule: [0] })
    receiver.answers.set('/old', () => 500)
    const event_id = await happen('call.created')
    const [failed] = await allOver(1)
    await app.call('updateWebhook', { id: made.id, uri: receiver.url('/new') }, mine)
    const replay = await app.call('replayWebhookDelivery', { id: failed?.id ?? '' }, mine)
    expect(replay).toMatchObject({ replay_of_id: failed?.id, event_id, uri: receiver.url('/new') })
    expect(await over(replay.id)).toMatchObject({ status: 'succeeded' })
    const [before, after] = [receiver.of('/old')[0], receiver.of('/new')[0]]
    expect(after?.body).toBe(before?.body)
    expect(after?.headers['webhook-id']).toBe(event_id)
    await verify(after as Received, made.secret)
    await app.call('updateWebhook', { id: made.id, status: 'disabled' }, mine)
    await expect(app.call('replayWebhookDelivery', { id: replay.id }, mine)).rejects.toMatchObject({ reason: 'WEBHOOK_DISABLED' })
    for (const operation of ['getWebhookDelivery', 'replayWebhookDelivery'] as const) {
      await expect(app.call(operation, { id: replay.id }, theirs)).rejects.toMatchObject({ reason: 'WEBHOOK_DELIVERY_NOT_FOUND' })
      await expect(app.call(operation, { id: missing }, mine)).rejects.toMatchObject({ reason: 'WEBHOOK_DELIVERY_NOT_FOUND' })
    }
    expect((await app.call('listWebhookDeliveries', { page_size: 10 }, theirs)).result).toEqual([])
  })

  test('to a customer-level webhook that is configured no more are refused', async () => {
    const config = customers.get(mine.customer_id) as CustomerWebhook
    customers.set(mine.customer_id, { ...config, webhook_uri: receiver.url('/level') })
    await happen('call.created')
    const [row] = await allOver(1)
    customers.set(mine.customer_id, { ...config, webhook_uri: null })
    await expect(app.call('replayWebhookDelivery', { id: row?.id ?? '' }, mine)).rejects.toMatchObject({ reason: 'WEBHOOK_GONE' })
  })
})

describe('other places', () => {
  test('the customer’s own and the run’s, beside the endpoints', async () => {
    const config = customers.get(mine.customer_id) as CustomerWebhook
    customers.set(mine.customer_id, { ...config, webhook_uri: receiver.url('/level') })
    await create('/endpoint')
    const activeflow_id = uuid7()
    runs.set(activeflow_id, receiver.url('/run'))
    await happen('call.created', uuid7(), { activeflow_id })
    const rows = await allOver(3, { event_type: 'call.created' })
    expect(rows.map(row => row.target_type).toSorted()).toEqual(['activeflow', 'customer', 'webhook'])
    const about = receiver.received.filter(one => one.headers['x-voipbin-event'] === 'call_created')
    expect(about.map(one => `${one.method} ${one.path}`).toSorted()).toEqual(['POST /endpoint', 'POST /level', 'PUT /run'])
    for (const path of ['/level', '/run']) await verify(receiver.of(path)[0] as Received, secretOf('level'))
  })

  test('a customer that is gone gets nothing', async () => {
    const config = customers.get(mine.customer_id) as CustomerWebhook
    customers.set(mine.customer_id, { ...config, webhook_uri: receiver.url('/level') })
    const release = receiver.hold('/level')
    const id = uuid7()
    await happen('call.created', id)
    await until(() => receiver.received.length === 1)
    await happen('call.hungup', id)
    await until(async () => (await deliveries()).length === 2)
    customers.delete(mine.customer_id)
    release()
    expect((await allOver(2)).map(row => row.status)).toEqual(['canceled', 'succeeded'])
  })
})

describe('webhook_send of a flow', () => {
  const send = (path: string, fields: Partial<In<Calls, 'sendActiveflowWebhook'>> = {}) =>
    app.call(
      'sendActiveflowWebhook',
      {
        activeflow_id: uuid7(),
        action_run_id: uuid7(),
        uri: receiver.url(path),
        method: 'POST',
        data_type: 'text/plain',
        data: 'hello',
        sync: true,
        ...fields,
      },
      mine,
    )

  test('answers what was answered, after one attempt', async () => {
    receiver.answers.set('/flow', () => ({ status: 503, body: 'x'.repeat(5_000) }))
    const answer = await send('/flow')
    expect(answer).toMatchObject({ status_code: 503, body: 'x'.repeat(4_096) })
    expect(await over(answer.delivery_id)).toMatchObject({ status: 'failed', attempt_count: 1, target_type: 'action' })
    expect(receiver.received).toMatchObject([{ method: 'POST', body: 'hello', headers: { 'content-type': 'text/plain' } }])
  })

  test('once for each run of the action', async () => {
    const ids = { activeflow_id: uuid7(), action_run_id: uuid7() }
    const answers = [await send('/flow', ids), await send('/flow', ids)]
    expect(answers[1]).toEqual(answers[0])
    expect(receiver.received).toHaveLength(1)
    expect(await send('/none', { uri: 'http://127.0.0.1:1/' })).toMatchObject({ status_code: null, body: '' })
  })

  test('without waiting', async () => {
    const release = receiver.hold('/flow')
    const { delivery_id, status_code } = await send('/flow', { sync: false, method: 'GET' })
    expect(status_code).toBeNull()
    release()
    expect(await over(delivery_id)).toMatchObject({ status: 'succeeded', method: 'GET' })
    expect(receiver.received).toMatchObject([{ method: 'GET', body: '' }])
  })
})
