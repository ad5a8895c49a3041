import { expect, test } from 'vitest'
import { serve } from '../server-fixture.ts'
import { world } from './io-fixture.ts'
import { timeOf } from './replay.ts'

const to = (url: string) => ({ VOIPBIN_ACCESS_KEY: 'ak_test', VOIPBIN_BASE_URL: url })
const delivery = (status: string, attempt_count: number) => ({
  id: 'd2',
  event_type: 'call.hungup',
  uri: 'https://acme.example/',
  status,
  attempt_count,
})
const replay = (status: string, more: object = {}) => ({
  id: 'r1',
  status,
  queued_count: 3,
  pending_count: 3,
  succeeded_count: 0,
  failed_count: 0,
  canceled_count: 0,
  ...more,
})

test('one delivery is sent again and followed to its first answer', async () => {
  const { url, seen } = await serve({ status: 201, body: delivery('pending', 0) }, { status: 200, body: delivery('succeeded', 1) })
  const place = world({ env: to(url), tty: true })
  const { code, out, err } = await place.run('events', 'replay', 'd1')
  expect(code).toBe(0)
  expect(seen.map(({ method, url }) => `${method} ${url}`)).toEqual([
    'POST /v1.0/webhook_deliveries/d1/replay',
    'GET /v1.0/webhook_deliveries/d2',
  ])
  expect(out).toMatch(/^status +succeeded$/m)
  expect(err).toContain('call.hungup is on its way to https://acme.example/ …')
})

test('one that fails again ends with 1', async () => {
  const { url } = await serve({ status: 201, body: delivery('pending', 0) }, { status: 200, body: delivery('pending', 1) })
  expect((await world({ env: to(url) }).run('events', 'replay', 'd1')).code).toBe(1)
})

test('a time range shows how far it is until all is over', async () => {
  const { url, seen } = await serve(
    { status: 202, body: replay('running') },
    { status: 200, body: replay('running', { pending_count: 1, succeeded_count: 2 }) },
    { status: 200, body: replay('completed', { pending_count: 0, succeeded_count: 2, failed_count: 1 }) },
  )
  const place = world({ env: to(url), tty: true })
  const words = [
    '--from',
    '2026-01-20T00:00:00Z',
    '--to',
    '2026-01-20T12:00:00Z',
    '--endpoint',
    'w1',
    '--events',
    'call.*',
    '--status',
    'failed,canceled',
  ]
  const { code, out, err } = await place.run('events', 'replay', ...words)
  expect(JSON.parse(seen[0]?.body ?? '')).toEqual({
    tm_from: '2026-01-20T00:00:00Z',
    tm_to: '2026-01-20T12:00:00Z',
    webhook_id: 'w1',
    event_types: ['call.*'],
    delivery_statuses: ['failed', 'canceled'],
  })
  expect(err).toContain('3 queued, 1 under way, 2 delivered, 0 failed …')
  expect(out).toMatch(/^status +completed$/m)
  // One of them has failed again.
  expect(code).toBe(1)
})

test('nothing is waited for with --no_wait; Ctrl-C leaves the replay to itself', async () => {
  const { url, seen } = await serve({ status: 202, body: replay('running') })
  const place = world({ env: to(url) })
  expect((await place.run('events', 'replay', '--from', '2h', '--no_wait')).code).toBe(0)
  expect(seen).toHaveLength(1)
  const running = place.run('events', 'replay', '--from', '2h')
  await expect.poll(() => seen.length).toBe(2)
  place.interrupt()
  const { code, err } = await running
  expect(code).toBe(130)
  if (err.length > 1) expect(err).toContain('`voipbin webhook_replays get r1` tells how far it is.')
})

test.each([
  { given: '30m', want: '2026-01-20T11:30:00.000Z' },
  { given: '7d', want: '2026-01-13T12:00:00.000Z' },
  { given: '2026-01-20T00:00:00+09:00', want: '2026-01-20T00:00:00+09:00' },
])('$given is $want', ({ given, want }) => expect(timeOf(given, '--from', Date.parse('2026-01-20T12:00:00Z'))).toBe(want))
