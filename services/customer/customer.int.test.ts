import { isUuid, operatorCustomerId, tokenHash, uuid7 } from '@voipbin/kernel'
import { until } from '@voipbin/kernel/testing'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type TestApp, testApp } from '../test-app.ts'
import service from './service.ts'

let app: TestApp
let offset_ms = 0
const now = () => new Date(Date.now() + offset_ms)
beforeAll(async () => {
  app = await testApp({ services: [service], now })
  await until(async () => (await app.query('SELECT id FROM customer_customers')).length === 1, { what: "the operator's customer" })
})
beforeEach(() => {
  offset_ms = 0
})
afterAll(() => app?.close())

const unique = () => uuid7().slice(-12)
const create = (fields: object = {}) => app.call('createCustomer', { name: 'Acme', email: `${unique()}@acme.example`, ...fields } as never)
const own = (customer_id: string, agent_id = uuid7()) => ({ customer_id, agent_id, actor: { type: 'agent' as const, id: agent_id } })
/** Waits for the events of one resource. */
const eventsOf = (id: string, count: number) =>
  until(() => {
    const types = app.events.filter(event => event.resource_id === id).map(event => event.event_type)
    return types.length >= count && types
  })

describe("the operator's customer", () => {
  test('is there from the start, under its fixed id', async () => {
    expect(await app.call('getCustomer', { id: operatorCustomerId })).toMatchObject({ customer_id: operatorCustomerId, status: 'active' })
  })
  test.each([
    { what: 'deleted', run: () => app.call('deleteCustomer', { id: operatorCustomerId }) },
    { what: 'frozen', run: () => app.call('updateCustomer', { id: operatorCustomerId, status: 'frozen' }) },
  ])('cannot be $what', async ({ run }) => {
    await expect(run()).rejects.toMatchObject({ reason: 'CUSTOMER_PROTECTED', status: 'FAILED_PRECONDITION' })
  })
})

describe('customers', () => {
  test('a new one owns itself and shows its secret once', async () => {
    const { webhook_secret, ...customer } = await create()
    expect(webhook_secret).toMatch(/^whsec_/)
    expect(customer).toMatchObject({
      customer_id: customer.id,
      status: 'active',
      rate_limits: { api: 1000, call_create: 100, message_create: 100, login: 10 },
      webhook_uri: null,
      webhook_method: 'POST',
      tm_delete: null,
    })
    expect(await app.call('getCustomer', { id: customer.id })).toEqual(customer)
    expect(await app.ownerOf('customer', 'customer', customer.id)).toBe(customer.id)
    await eventsOf(customer.id, 1)
    expect(app.events.filter(event => event.resource_id === customer.id)).toMatchObject([
      { event_type: 'customer.created', customer_id: customer.id, data: customer },
    ])
  })
  test('no secret is kept in plain text, nor sent', async () => {
    const { id, webhook_secret } = await create()
    await app.call('rotateCustomerWebhookSecret', { overlap: 60 }, own(id))
    await eventsOf(id, 2)
    const tables = ['customer_customers', 'customer_inbox', 'customer_outbox', 'kernel_audits']
    const dump = JSON.stringify([await Promise.all(tables.map(table => app.query(`SELECT * FROM ${table}`))), app.events])
    expect(dump).not.toContain(webhook_secret)
    expect(dump).not.toMatch(/whsec_[A-Za-z0-9]{32}/)
  })
  test('asked twice with one message id, one is made and both answers are the same', async () => {
    const message_id = uuid7()
    const input = { name: 'Twice', email: `${unique()}@acme.example` } as never
    const first = await app.call('createCustomer', input, {}, { message_id })
    expect(await app.call('createCustomer', input, {}, { message_id })).toEqual(first)
  })
  test('an e-mail address is taken in any case, and free again after the deletion', async () => {
    const { id, email } = await create()
    const other = await create()
    const taken = { reason: 'CUSTOMER_EMAIL_TAKEN', status: 'ALREADY_EXISTS' }
    await expect(create({ email: email.toUpperCase() })).rejects.toMatchObject(taken)
    await expect(app.call('updateCustomer', { id: other.id, email })).rejects.toMatchObject(taken)
    await expect(app.call('updateOwnCustomer', { email }, own(other.id))).rejects.toMatchObject(taken)
    await app.call('deleteCustomer', { id })
    await expect(create({ email })).resolves.toMatchObject({ email })
  })
  test('webhooks go to public addresses only', async () => {
    const { id } = await create()
    const refused = { reason: 'WEBHOOK_URI_REFUSED', details: [{ field: '/webhook_uri' }] }
    const webhook_uri = 'http://127.0.0.1/hook'
    await expect(create({ webhook_uri })).rejects.toMatchObject(refused)
    await expect(app.call('updateCustomer', { id, webhook_uri })).rejects.toMatchObject(refused)
    await expect(app.call('updateOwnCustomer', { webhook_uri }, own(id))).rejects.toMatchObject(refused)
  })
  test('changes are seen at once, told, and audited with old and new values', async () => {
    const { id } = await create({ webhook_uri: 'https://acme.example/hook' })
    expect(
      await app.call('updateCustomer', { id, status: 'frozen', rate_limits: { api: 5, call_create: 5, message_create: 5, login: 5 } }),
    ).toMatchObject({ status: 'frozen' })
    expect(await app.call('updateOwnCustomer', { webhook_uri: null, name: 'New' }, own(id))).toMatchObject({
      webhook_uri: null,
      name: 'New',
      status: 'frozen',
    })
    expect(await app.call('getOwnCustomer', {}, own(id))).toMatchObject({ name: 'New' })
    expect(await app.call('getCustomerLimits', { id })).toEqual({
      customer_id: id,
      status: 'frozen',
      rate_limits: { api: 5, call_create: 5, message_create: 5, login: 5 },
    })
    expect(await eventsOf(id, 3)).toEqual(['customer.created', 'customer.updated', 'customer.updated'])
    const { result } = await app.call('listAudits', { page_size: 50, action: 'update' }, own(id))
    expect(result[0]?.details).toMatchObject({ old: { name: 'Acme' }, new: { name: 'New' } })
  })
  test('the list filters by status and address', async () => {
    const { id, email } = await create()
    expect((await app.call('listCustomers', { page_size: 50, email: email.toUpperCase() })).result.map(row => row.id)).toEqual([id])
    expect((await app.call('listCustomers', { page_size: 50, email, status: 'frozen' })).result).toEqual([])
    expect((await app.call('listCustomers', { page_size: 50, status: 'deleted' })).result).toEqual([])
  })
  test('deletion takes the access keys along', async () => {
    const { id } = await create()
    const key = await app.call('createAccesskey', {}, own(id))
    expect(await app.call('deleteCustomer', { id })).toMatchObject({ id, status: 'deleted', tm_delete: expect.any(String) })
    await expect(app.call('findAccesskey', { token_hash: tokenHash(key.token) })).rejects.toMatchObject({ reason: 'ACCESSKEY_NOT_FOUND' })
    expect(await eventsOf(id, 2)).toEqual(['customer.created', 'customer.deleted'])
    expect(await eventsOf(key.id, 2)).toEqual(['accesskey.created', 'accesskey.deleted'])
    const missing = { reason: 'CUSTOMER_NOT_FOUND', status: 'NOT_FOUND' }
    await expect(app.call('getCustomer', { id })).rejects.toMatchObject(missing)
    await expect(app.call('updateCustomer', { id, name: 'x' })).rejects.toMatchObject(missing)
    await expect(app.call('deleteCustomer', { id })).rejects.toMatchObject(missing)
    await expect(app.call('getCustomerLimits', { id })).rejects.toMatchObject(missing)
    await expect(app.call('getCustomerWebhook', { id })).rejects.toMatchObject(missing)
  })
  test('a rotation signs with both secrets until the overlap ends', async () => {
    const { id, webhook_secret: first } = await create({ webhook_uri: 'https://acme.example/hook' })
    const { webhook_secret: second } = await app.call('rotateCustomerWebhookSecret', { overlap: 3_600 }, own(id))
    expect(await app.call('getCustomerWebhook', { id })).toEqual({
      customer_id: id,
      webhook_uri: 'https://acme.example/hook',
      webhook_method: 'POST',
      secrets: [second, first],
    })
    offset_ms = 3_601_000
    expect((await app.call('getCustomerWebhook', { id })).secrets).toEqual([second])
  })
})

describe('access keys', () => {
  let customer_id = ''
  beforeAll(async () => {
    customer_id = (await create()).id
  })
  const find = (token: string) => app.call('findAccesskey', { token_hash: tokenHash(token) })
  const gone = { reason: 'ACCESSKEY_NOT_FOUND', status: 'NOT_FOUND' }

  test('a new one is shown once and found by its hash', async () => {
    const me = own(customer_id)
    const { token, ...key } = await app.call('createAccesskey', { name: 'CI', scopes: ['call_read'] }, me)
    expect(token).toMatch(/^ak_[A-Za-z0-9]{32}$/)
    expect(key).toMatchObject({
      agent_id: me.agent_id,
      scopes: ['call_read'],
      token_prefix: token.slice(0, 11),
      tm_expire: null,
      tm_last_used: null,
    })
    expect(await app.call('getAccesskey', { id: key.id }, me)).toEqual(key)
    expect(await find(token)).toMatchObject({ accesskey: { id: key.id }, customer_status: 'active', rate_limits: { api: 1000 } })
    expect((await app.call('listAccesskeys', { page_size: 50, agent_id: me.agent_id }, me)).result.map(row => row.id)).toEqual([key.id])
    expect(await eventsOf(key.id, 1)).toEqual(['accesskey.created'])
    expect(JSON.stringify(app.events)).not.toContain(tokenHash(token))
    expect(JSON.stringify(await app.query('SELECT * FROM customer_inbox'))).not.toContain(token)
  })
  test('a super admin acting for the customer is not its maker', async () => {
    const agent_id = uuid7()
    expect(
      (await app.call('createAccesskey', {}, { customer_id, agent_id, actor: { type: 'super_admin', id: agent_id } })).agent_id,
    ).toBeNull()
  })
  test('its use is noted at most once a minute', async () => {
    const me = own(customer_id)
    const { id, token } = await app.call('createAccesskey', {}, me)
    const used = async () => (await app.call('getAccesskey', { id }, me)).tm_last_used
    await find(token)
    const first = await used()
    offset_ms = 50_000
    await find(token)
    expect(await used()).toBe(first)
    offset_ms = 61_000
    await find(token)
    expect(await used()).not.toBe(first)
    expect((await app.call('listAudits', { page_size: 50, resource_id: id }, me)).result.map(row => row.action)).toEqual(['create'])
  })
  test('expires, and can be given more time', async () => {
    const me = own(customer_id)
    const { id, token } = await app.call('createAccesskey', { expire: 60 }, me)
    offset_ms = 61_000
    await expect(find(token)).rejects.toMatchObject(gone)
    await expect(app.call('rotateAccesskey', { id }, me)).rejects.toMatchObject({ reason: 'ACCESSKEY_EXPIRED' })
    await app.call('updateAccesskey', { id, expire: 0, scopes: ['call_read'] }, me)
    expect((await find(token)).accesskey).toMatchObject({ scopes: ['call_read'], tm_expire: null })
  })
  test('a rotation keeps the old secret for its overlap, and is audited as one', async () => {
    const me = own(customer_id)
    const { id, token: first } = await app.call('createAccesskey', {}, me)
    const { token: second, tm_overlap_end } = await app.call('rotateAccesskey', { id, overlap: 60 }, me)
    expect((await find(first)).accesskey).toMatchObject({ id, tm_expire: tm_overlap_end })
    expect((await find(second)).accesskey).toMatchObject({ id, tm_expire: null, token_prefix: second.slice(0, 11) })
    offset_ms = 61_000
    await expect(find(first)).rejects.toMatchObject(gone)
    await expect(find(second)).resolves.toBeDefined()
    const { token: third } = await app.call('rotateAccesskey', { id, overlap: 0 }, me)
    await expect(find(second)).rejects.toMatchObject(gone)
    await expect(find(third)).resolves.toBeDefined()
    expect((await app.call('listAudits', { page_size: 50, resource_id: id, action: 'rotate' }, me)).result).toHaveLength(2)
    expect((await app.call('listAudits', { page_size: 50, resource_id: id, action: 'update' }, me)).result).toEqual([])
  })
  test('of a foreign customer is a missing one', async () => {
    const { id } = await app.call('createAccesskey', {}, own(customer_id))
    const stranger = own((await create()).id)
    await expect(app.call('getAccesskey', { id }, stranger)).rejects.toMatchObject(gone)
    await expect(app.call('updateAccesskey', { id, name: 'x' }, stranger)).rejects.toMatchObject(gone)
    await expect(app.call('rotateAccesskey', { id }, stranger)).rejects.toMatchObject(gone)
    await expect(app.call('deleteAccesskey', { id }, stranger)).rejects.toMatchObject(gone)
    expect((await app.call('listAccesskeys', { page_size: 50 }, stranger)).result).toEqual([])
    await app.call('deleteAccesskey', { id }, own(customer_id))
    expect(await eventsOf(id, 2)).toEqual(['accesskey.created', 'accesskey.deleted'])
  })
})

describe('audits', () => {
  test('have the form of the contract and are read one by one, by their owner only', async () => {
    const { id } = await create()
    const me = { ...own(id), address: '203.0.113.7', user_agent: 'test/1' }
    await app.call('updateOwnCustomer', { name: 'B' }, me)
    const [entry] = (await app.call('listAudits', { page_size: 1, actor_id: me.agent_id }, me)).result
    if (!entry) throw new Error('no entry')
    expect(entry).toMatchObject({
      customer_id: id,
      event_type: 'resource_updated',
      action: 'update',
      actor_type: 'agent',
      agent_id: me.agent_id,
      resource_type: 'customer',
      source_ip: '203.0.113.7',
      user_agent: 'test/1',
    })
    expect(entry.timestamp).toMatch(/\.\d{3}Z$/)
    expect(isUuid(entry.id)).toBe(true)
    expect(await app.call('getAudit', { id: entry.id }, me)).toEqual(entry)
    expect(await app.ownerOf('customer', 'audit', entry.id)).toBe(id)
    await expect(app.call('getAudit', { id: entry.id }, own(uuid7()))).rejects.toMatchObject({ reason: 'AUDIT_NOT_FOUND' })
  })
  test.each([
    { action: 'refuse' as const, event: 'login_failed' },
    { action: 'act_for' as const, event: 'act_for' },
    { action: 'refresh' as const, event: 'session_refreshed' },
  ])('what others wrote is found as $action', async ({ action, event }) => {
    const customer_id = uuid7()
    const at = '2026-01-20 12:00:00.123456'
    const write = (kind: string, details: object) =>
      app.query(
        'INSERT INTO kernel_audits (id, customer_id, actor_type, actor_id, action, resource_type, resource_id, new, request_id, tm_create) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
        [uuid7(), customer_id, 'anonymous', '', kind, 'request', 'login', JSON.stringify(details), 'r', at],
      )
    await write(action, { event, reason: 'R', count: 2 })
    await write('logout', {})
    const { result } = await app.call('listAudits', { page_size: 50, action }, own(customer_id))
    expect(result).toMatchObject([{ action, event_type: event, details: { reason: 'R', count: 2 }, timestamp: '2026-01-20T12:00:00.123Z' }])
  })
})
