import type { Calls } from '@voipbin/generated/rpc/calls'
import type { Provider } from '@voipbin/generated/schemas'
import type { In } from '@voipbin/kernel'
import { uuid7 } from '@voipbin/kernel'
import { until } from '@voipbin/kernel/testing'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type TestApp, testApp } from '../test-app.ts'
import route from './service.ts'

const operator = { customer_id: uuid7() }
const mine = { customer_id: uuid7() }
const theirs = { customer_id: uuid7() }
const missing = uuid7()
let app: TestApp

beforeAll(async () => {
  app = await testApp({ services: [route] })
})
afterAll(() => app.close())
afterEach(async () => {
  for (const { id } of (await app.call('listRoutes', { page_size: 100 }, operator)).result) await app.call('deleteRoute', { id }, operator)
  await app.forget()
})

const sent = () => app.events.map(event => event.event_type)
const audits = async (id: string) =>
  (await app.query<{ action: string }>('SELECT action FROM kernel_audits WHERE resource_id = ? ORDER BY tm_create', [id])).map(
    row => row.action,
  )
const provider = (fields: Partial<In<Calls, 'createProvider'>> = {}): Promise<Provider> =>
  app.call(
    'createProvider',
    {
      name: 'A',
      detail: '',
      status: 'enabled',
      hostname: 'carrier.example',
      port: 5060,
      transport: 'udp',
      tech_prefix: '',
      tech_postfix: '',
      tech_headers: {},
      codecs: ['PCMU'],
      allowed_ips: [],
      ...fields,
    },
    operator,
  )
const add = (provider_id: string, target: string, fields: { customer_id?: string; priority?: number } = {}) =>
  app.call('createRoute', { provider_id, target, name: '', detail: '', priority: 1, ...fields }, operator)
const dial = async (target: string, customer_id: string | undefined = mine.customer_id) =>
  (await app.call('listDialRoutes', { target, ...(customer_id && { customer_id }) }, mine)).result
const addresses = async (provider_id: string) =>
  (
    await app.query<{ net: string }>(
      "SELECT CONCAT(ip_addr, '/', mask) AS net FROM route_provider_addresses WHERE provider_id = ? ORDER BY 1",
      [provider_id],
    )
  ).map(row => row.net)

describe('carriers', () => {
  test('are made, changed and deleted; what the edge lets in follows', async () => {
    const made = await provider({ allowed_ips: ['192.0.2.1', '192.0.2.1/32', '198.51.100.0/24'] })
    expect(made).toMatchObject({ ...operator, type: 'sip', status: 'enabled', hostname: 'carrier.example', tm_delete: null })
    expect(await addresses(made.id)).toEqual(['192.0.2.1/32', '198.51.100.0/24'])
    const update = (patch: object) => app.call('updateProvider', { id: made.id, ...patch }, operator)
    expect(await update({ allowed_ips: ['203.0.113.9'] })).toMatchObject({ name: 'A', allowed_ips: ['203.0.113.9'] })
    expect(await addresses(made.id)).toEqual(['203.0.113.9/32'])
    await update({ status: 'disabled' })
    expect(await addresses(made.id)).toEqual([])
    await update({ status: 'enabled', name: 'B' })
    expect(await addresses(made.id)).toEqual(['203.0.113.9/32'])
    expect(await app.call('getProvider', { id: made.id }, operator)).toMatchObject({ name: 'B' })
    expect((await app.call('listProviders', { page_size: 100 }, operator)).result.map(row => row.id)).toContain(made.id)
    expect(await app.call('deleteProvider', { id: made.id }, operator)).toMatchObject({ id: made.id, tm_delete: expect.any(String) })
    expect(await addresses(made.id)).toEqual([])
    await until(() => sent().length === 5)
    expect(sent()).toEqual(['provider.created', ...Array(3).fill('provider.updated'), 'provider.deleted'])
    expect(await audits(made.id)).toEqual(['create', 'update', 'update', 'update', 'delete'])
    expect(await app.ownerOf('route', 'provider', (await provider()).id)).toBe(operator.customer_id)
  })

  test.each(['Via', 'x-voipbin-customer', 'a b'])('a header %s is refused', async name => {
    const wrong = { reason: 'PROVIDER_HEADER_REFUSED', details: [{ field: `/tech_headers/${name}` }] }
    await expect(provider({ tech_headers: { [name]: 'x' } })).rejects.toMatchObject(wrong)
    const { id } = await provider()
    await expect(app.call('updateProvider', { id, tech_headers: { [name]: 'x' } }, operator)).rejects.toMatchObject(wrong)
  })

  test.each(['300.1.1.1', '10.0.0.0/33', '10.0.0', 'carrier.example'])('an address %s is refused', async address => {
    await expect(provider({ allowed_ips: [address] })).rejects.toMatchObject({
      reason: 'INVALID_ARGUMENT',
      details: [{ field: '/allowed_ips/0' }],
    })
  })

  test.each(['getProvider', 'updateProvider', 'deleteProvider'] as const)('%s: a missing one', async operation => {
    await expect(app.call(operation, { id: missing }, operator)).rejects.toMatchObject({ reason: 'PROVIDER_NOT_FOUND' })
  })

  test('one that routes point to stays', async () => {
    const { id } = await provider({ allowed_ips: ['192.0.2.77'] })
    const { id: route_id } = await add(id, 'all')
    await expect(app.call('deleteProvider', { id }, operator)).rejects.toMatchObject({ reason: 'PROVIDER_IN_USE' })
    expect(await addresses(id)).toEqual(['192.0.2.77/32'])
    await app.call('deleteRoute', { id: route_id }, operator)
    await app.call('deleteProvider', { id }, operator)
    await expect(add(id, 'all')).rejects.toMatchObject({ reason: 'PROVIDER_NOT_FOUND' })
  })

  test('deleted while a route to it is made: one of the two wins', async () => {
    for (let round = 0; round < 5; round++) {
      const { id } = await provider()
      const [made, gone] = await Promise.allSettled([add(id, `+${round + 1}`), app.call('deleteProvider', { id }, operator)])
      expect([made.status, gone.status].toSorted()).toEqual(['fulfilled', 'rejected'])
    }
  })
})

describe('routes', () => {
  test('are made, changed and deleted', async () => {
    const { id: provider_id } = await provider()
    const { id: other } = await provider()
    const made = await add(provider_id, '+1')
    expect(made).toMatchObject({ ...operator, scope: 'default', target: '+1', priority: 1, provider_id })
    await expect(add(provider_id, '+1')).rejects.toMatchObject({ reason: 'ROUTE_EXISTS' })
    const own = await add(provider_id, '+1', operator)
    expect(own).toMatchObject({ ...operator, scope: 'customer' })
    const update = (patch: object) => app.call('updateRoute', { id: made.id, ...patch }, operator)
    expect(await update({ target: '+44', provider_id: other })).toMatchObject({ target: '+44', provider_id: other, priority: 1 })
    await add(provider_id, '+1')
    await expect(update({ target: '+1', provider_id })).rejects.toMatchObject({ reason: 'ROUTE_EXISTS' })
    await expect(update({ provider_id: missing })).rejects.toMatchObject({ reason: 'PROVIDER_NOT_FOUND' })
    expect(await app.call('getRoute', { id: made.id }, operator)).toMatchObject({ target: '+44' })
    expect((await app.call('listRoutes', { page_size: 50, provider_id: other }, operator)).result.map(row => row.id)).toEqual([made.id])
    expect(await app.call('deleteRoute', { id: made.id }, operator)).toMatchObject({ id: made.id, tm_delete: expect.any(String) })
    await add(other, '+44')
    await until(() => sent().length === 8)
    const about = app.events.filter(event => event.resource_id === made.id).map(event => event.event_type)
    expect(about).toEqual(['route.created', 'route.updated', 'route.deleted'])
    expect(await audits(made.id)).toEqual(['create', 'update', 'delete'])
    expect(await app.ownerOf('route', 'route', own.id)).toBe(operator.customer_id)
  })

  test.each(['getRoute', 'updateRoute', 'deleteRoute'] as const)('%s: a missing one', async operation => {
    await expect(app.call(operation, { id: missing }, operator)).rejects.toMatchObject({ reason: 'ROUTE_NOT_FOUND' })
  })

  test('of a deleted customer go, nobody else’s', async () => {
    const { id } = await provider()
    await add(id, '+1', mine)
    await add(id, 'all', mine)
    const kept = [await add(id, '+1', theirs), await add(id, '+1')].map(row => row.id)
    await app.publish('customer', { event_type: 'customer.deleted', data: { id: mine.customer_id } })
    await until(() => sent().filter(type => type === 'route.deleted').length === 2)
    expect((await app.call('listRoutes', { page_size: 50 }, operator)).result.map(row => row.id).toSorted()).toEqual(kept.toSorted())
  })
})

describe('what a call tries', () => {
  test('the customer’s routes first, the longest beginning, then by priority; nobody else’s', async () => {
    const [a, b, c, d, e] = [
      await provider({ name: 'a' }),
      await provider({ name: 'b' }),
      await provider({ name: 'c' }),
      await provider({ name: 'd' }),
      await provider({ name: 'e' }),
    ]
    await add(a.id, 'all')
    await add(b.id, '+1555', { priority: 5 })
    await add(c.id, '+1555', { priority: 2 })
    await add(d.id, 'all', mine)
    await add(e.id, '+1555', theirs)
    const names = async (...args: Parameters<typeof dial>) => (await dial(...args)).map(row => row.provider_name)
    expect(await names('+15551234567')).toEqual(['d', 'c', 'b', 'a'])
    expect(await names('+14441234567')).toEqual(['d', 'a'])
    expect((await app.call('listDialRoutes', { target: '+15551234567' }, operator)).result.map(row => row.provider_name)).toEqual([
      'c',
      'b',
      'a',
    ])
    await app.call('updateProvider', { id: c.id, status: 'disabled' }, operator)
    expect(await names('+15551234567')).toEqual(['d', 'b', 'a'])
    await add(b.id, '+15551', mine)
    expect(await names('+15551234567')).toEqual(['b', 'd', 'a'])
  })

  test('everything its INVITE needs', async () => {
    const carrier = await provider({
      tech_prefix: '9',
      tech_postfix: '#',
      tech_headers: { 'X-Account': '1' },
      port: 5070,
      transport: 'tcp',
    })
    const made = await add(carrier.id, '+49')
    expect(await dial('+4930123456')).toEqual([
      {
        route_id: made.id,
        provider_id: carrier.id,
        provider_name: 'A',
        priority: 1,
        target: '+49',
        user: '9+4930123456#',
        hostname: 'carrier.example',
        port: 5070,
        transport: 'tcp',
        headers: { 'X-Account': '1' },
        codecs: ['PCMU'],
      },
    ])
    expect(await dial('+33123456789')).toEqual([])
  })
})
