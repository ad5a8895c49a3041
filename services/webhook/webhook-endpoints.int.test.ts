import type { Calls } from '@voipbin/generated/rpc/calls'
import { decryptText, encryptText, type In, uuid7 } from '@voipbin/kernel'
import { until } from '@voipbin/kernel/testing'
import { describe, expect, test } from 'vitest'
import { testApp } from '../test-app.ts'
import type { OldSecret } from './rules.ts'
import webhook from './service.ts'
import {
  allOver,
  app,
  create,
  customer,
  deliveries,
  flow,
  happen,
  happened,
  heard,
  lanes,
  mine,
  missing,
  over,
  receiver,
  sent,
  theirs,
  typesOf,
  verify,
} from './webhook-fixture.ts'
import type { Received } from './webhook-receiver.ts'

describe('endpoints', () => {
  test('show their secret once and keep it encrypted', async () => {
    const made = await create('/a', { event_types: ['*'] })
    expect(made.secret).toMatch(/^whsec_[A-Za-z0-9+/=]{32,}$/)
    const changed = await app.call('updateWebhook', { id: made.id, name: 'n' }, mine)
    expect(changed).toMatchObject({ name: 'n', uri: made.uri })
    const seen = [
      changed,
      await app.call('getWebhook', { id: made.id }, mine),
      await app.call('listWebhooks', { page_size: 10, status: 'enabled' }, mine),
    ]
    await until(() => receiver.received.length > 0)
    await app.call('deleteWebhook', { id: made.id }, mine)
    await until(() => sent().length === 3)
    expect(sent()).toEqual(['webhook.created', 'webhook.updated', 'webhook.deleted'])
    const audits = await app.query<{ action: string }>('SELECT * FROM kernel_audits WHERE resource_id = ? ORDER BY tm_create', [made.id])
    expect(audits.map(row => row.action)).toEqual(['create', 'update', 'delete'])
    const kept = [
      await app.query('SELECT * FROM webhook_webhooks'),
      await app.query('SELECT result FROM webhook_inbox'),
      await app.query('SELECT * FROM webhook_outbox'),
    ]
    expect(JSON.stringify([seen, app.events, audits, kept, receiver.received])).not.toContain(made.secret)
    expect(await app.ownerOf('webhook', 'webhook', made.id)).toBe(null)
  })

  test('the same request again makes one and shows the same secret', async () => {
    const message_id = uuid7()
    const input = { uri: receiver.url('/a'), event_types: ['*'], retry_schedule: [0], timeout: 10 } as In<Calls, 'createWebhook'>
    const first = await app.call('createWebhook', input, mine, { message_id })
    expect(await app.call('createWebhook', input, mine, { message_id })).toEqual(first)
    expect((await app.call('listWebhooks', { page_size: 10 }, mine)).result).toHaveLength(1)
  })

  test('a rotation signs with every secret until its overlap ends', async () => {
    const made = await create('/rotate')
    const next = async () => {
      const count = receiver.of('/rotate').length
      await happen('call.created')
      return until(() => receiver.of('/rotate')[count])
    }
    /** As if the overlap of the oldest secret were over. */
    const age = async () => {
      const [row] = await app.query<{ old_secrets: string }>('SELECT old_secrets FROM webhook_webhooks WHERE id = ?', [made.id])
      const olds = JSON.parse(decryptText(row?.old_secrets ?? '')) as OldSecret[]
      const aged = olds.map((old, n) => (n === olds.length - 1 ? { ...old, tm_end: '2020-01-01T00:00:00.000Z' } : old))
      await app.query('UPDATE webhook_webhooks SET old_secrets = ? WHERE id = ?', [encryptText(JSON.stringify(aged)), made.id])
    }
    const second = await app.call('rotateWebhookSecret', { id: made.id, overlap: 3600 }, mine)
    const third = await app.call('rotateWebhookSecret', { id: made.id, overlap: 3600 }, mine)
    expect(new Set([made.secret, second.secret, third.secret]).size).toBe(3)
    const all = await next()
    for (const { secret } of [made, second, third]) await verify(all, secret)
    await age()
    const two = await next()
    for (const { secret } of [second, third]) await verify(two, secret)
    await expect(verify(two, made.secret)).rejects.toThrow()
    const last = await app.call('rotateWebhookSecret', { id: made.id, overlap: 0 }, mine)
    expect(last.tm_secret_overlap_end).toBeNull()
    const one = await next()
    await verify(one, last.secret)
    for (const { secret } of [second, third]) await expect(verify(one, secret)).rejects.toThrow()
  })

  test('410 disables at once, and says so', async () => {
    const made = await create('/gone', { retry_schedule: [0, 0, 0] })
    const release = receiver.hold('/gone')
    const id = uuid7()
    await happen('call.created', id)
    await happened('call.hungup', id)
    release(410)
    const rows = await allOver(2)
    expect(rows.map(row => [row.event_type, row.status, row.attempt_count])).toEqual([
      ['call.hungup', 'canceled', 0],
      ['call.created', 'failed', 1],
    ])
    await until(() => sent().includes('webhook.disabled'))
    expect(heard().find(event => event.event_type === 'webhook.disabled')).toMatchObject({
      data: { id: made.id, status: 'disabled', disabled_reason: 'gone' },
    })
    await happened('call.created')
    receiver.answers.clear()
    await app.call('updateWebhook', { id: made.id, status: 'enabled' }, mine)
    await happen('call.answered')
    await until(() => receiver.of('/gone').length === 2)
    expect(typesOf(receiver.of('/gone'))).toEqual(['call_created', 'call_answered'])
    expect(await app.call('updateWebhook', { id: made.id, status: 'disabled' }, mine)).toMatchObject({ disabled_reason: 'manual' })
  })

  test('days without a success disable, after a notice', async () => {
    const made = await create('/bad', { retry_schedule: [0] })
    receiver.answers.set('/bad', () => 500)
    const fail = async (days: number, failure_count: number) => {
      const set = 'UPDATE webhook_webhooks SET tm_failing = NOW(6) - INTERVAL ? DAY, failure_count = ? WHERE id = ?'
      await app.query(set, [days, failure_count, made.id])
      const { length } = receiver.of('/bad')
      await happen('call.created')
      await until(async () => (await deliveries({ status: 'failed' })).length === length + 1)
      return app.call('getWebhook', { id: made.id }, mine)
    }
    expect(await fail(0, 0)).toMatchObject({ status: 'enabled', failure_count: 1, tm_last_failure: expect.any(String) })
    const told = () => heard().flatMap(event => (event.resource_id === made.id ? event.event_type : []))
    await until(() => told().length === 1)
    expect(await fail(2, 8)).toMatchObject({ status: 'enabled', failure_count: 9, disabled_reason: null })
    await until(() => told().includes('webhook.failing'))
    await fail(4, 9)
    // Few failures disable nothing, however long ago the first one was.
    expect(await fail(6, 2)).toMatchObject({ status: 'enabled' })
    const disabled = await fail(6, 20)
    const why = {
      status: 'disabled',
      disabled_reason: 'failing',
      disabled_detail: expect.stringMatching(/^21 attempts since .*HTTP 500\.$/),
    }
    expect(disabled).toMatchObject(why)
    await until(() => told().includes('webhook.disabled'))
    expect(told()).toEqual(['webhook.created', 'webhook.failing', 'webhook.disabled'])
    expect(heard().find(event => event.event_type === 'webhook.disabled')).toMatchObject({ data: { id: made.id, ...why } })
    const audits = await app.query<{ actor_type: string }>("SELECT * FROM kernel_audits WHERE resource_id = ? AND action = 'update'", [
      made.id,
    ])
    expect(audits).toMatchObject([{ actor_type: 'system' }])
    const enabled = await app.call('updateWebhook', { id: made.id, status: 'enabled' }, mine)
    expect(enabled).toMatchObject({ status: 'enabled', disabled_reason: null, disabled_detail: null, tm_failing: null, failure_count: 0 })
  })

  test('a success ends the count', async () => {
    const made = await create('/well', { retry_schedule: [0, 0] })
    let asked = 0
    receiver.answers.set('/well', () => (asked++ === 0 ? 500 : 204))
    await happen('call.created')
    await allOver(1)
    const seen = await app.call('getWebhook', { id: made.id }, mine)
    expect(seen).toMatchObject({
      failure_count: 0,
      tm_failing: null,
      tm_last_failure: expect.any(String),
      tm_last_success: expect.any(String),
    })
  })

  test.each(['enabled', 'disabled'] as const)('a test reaches an endpoint that is %s, out of line', async status => {
    const made = await create('/ping', { status, retry_schedule: [0, 0, 0] })
    receiver.answers.set('/ping', () => 500)
    const begun = await app.call('testWebhook', { id: made.id }, mine)
    expect(begun).toMatchObject({ event_type: 'webhook.ping', status: 'pending', webhook_id: made.id })
    expect(await over(begun.id)).toMatchObject({ status: 'failed', attempt_count: 1 })
    const [request] = receiver.of('/ping')
    await verify(request as Received, made.secret)
    const { data, type } = JSON.parse(request?.body ?? '')
    const { secret: _secret, ...shown } = made
    expect({ data, type }).toEqual({ data: shown, type: 'webhook_ping' })
  })

  test('one that is deleted gets nothing more', async () => {
    const made = await create('/late', { retry_schedule: [0, 3600] })
    receiver.answers.set('/late', () => 500)
    const id = uuid7()
    await happen('call.created', id)
    await happened('call.hungup', id)
    await until(async () => (await deliveries()).some(row => row.attempt_count === 1))
    await app.call('deleteWebhook', { id: made.id }, mine)
    expect((await allOver(2)).map(row => row.status)).toEqual(['canceled', 'canceled'])
    expect(await lanes()).toEqual([])
    const [row] = await deliveries()
    await expect(app.call('replayWebhookDelivery', { id: row?.id ?? '' }, mine)).rejects.toMatchObject({ reason: 'WEBHOOK_GONE' })
  })

  test.each([
    { event_types: ['call.*', 'call.exploded'], error: 'EVENT_TYPE_UNKNOWN', field: '/event_types/1' },
    { event_types: ['asterisk.*'], error: 'EVENT_TYPE_UNKNOWN', field: '/event_types/0' },
  ])('filters $event_types are refused', async ({ event_types, error, field }) => {
    const wrong = { reason: error, details: [{ field }] }
    await expect(create('/a', { event_types })).rejects.toMatchObject(wrong)
    const { id } = await create('/a')
    await expect(app.call('updateWebhook', { id, event_types }, mine)).rejects.toMatchObject(wrong)
  })

  test('a customer may have fifty', async () => {
    await Promise.all(Array.from({ length: 50 }, () => create('/a')))
    await expect(create('/a')).rejects.toMatchObject({ reason: 'WEBHOOK_LIMIT_REACHED' })
  })

  test.each([
    { operation: 'getWebhook' as const, more: {} },
    { operation: 'updateWebhook' as const, more: { name: 'x' } },
    { operation: 'deleteWebhook' as const, more: {} },
    { operation: 'rotateWebhookSecret' as const, more: { overlap: 0 } },
    { operation: 'testWebhook' as const, more: {} },
  ])('$operation: a foreign endpoint looks like a missing one', async ({ operation, more }) => {
    const { id } = await create('/a')
    await expect(app.call(operation, { id, ...more } as never, theirs)).rejects.toMatchObject({ reason: 'WEBHOOK_NOT_FOUND' })
    await expect(app.call(operation, { id: missing, ...more } as never, mine)).rejects.toMatchObject({ reason: 'WEBHOOK_NOT_FOUND' })
    expect((await app.call('listWebhooks', { page_size: 10 }, theirs)).result).toEqual([])
  })

  test('go with their customer', async () => {
    await create('/a')
    await app.publish('customer', { event_type: 'customer.deleted', customer_id: mine.customer_id, data: { id: mine.customer_id } })
    await until(async () => (await app.call('listWebhooks', { page_size: 10 }, mine)).result.length === 0)
  })
})

test('private addresses are refused where they may not be reached', async () => {
  await using closed = await testApp({ services: [webhook], standIns: [customer, flow], env: { HTTP_ALLOW_PRIVATE: 'false' } })
  const uris = ['http://127.0.0.1/', 'http://localhost:8080/', 'http://[::1]/', 'http://10.0.0.1/', 'http://169.254.169.254/latest']
  for (const uri of uris) {
    const input = { uri, event_types: ['*'], retry_schedule: [0], timeout: 10 } as In<Calls, 'createWebhook'>
    await expect(closed.call('createWebhook', input, mine)).rejects.toMatchObject({
      reason: 'WEBHOOK_URI_REFUSED',
      details: [{ field: '/uri' }],
    })
    const run = { activeflow_id: uuid7(), action_run_id: uuid7(), method: 'POST', data_type: 'text/plain', data: '', sync: false } as const
    await expect(closed.call('sendActiveflowWebhook', { ...run, uri }, mine)).rejects.toMatchObject({ reason: 'WEBHOOK_URI_REFUSED' })
  }
})
