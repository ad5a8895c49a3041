import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test, vi } from 'vitest'
import type { EventFrame } from '../realtime.ts'
import { ack, refusal, serve as serveSocket } from '../socket-fixture.ts'
import { unwrap } from '../webhooks.ts'
import { forward, Lanes } from './forward.ts'
import { world } from './io-fixture.ts'
import { forwardSecret } from './profiles.ts'

const timestamp = '2026-01-20T12:00:30.120Z'
const event = (seq: number, event_type: string, resource_id = 'x') => ({
  type: 'event',
  seq,
  event_id: `e${seq}`,
  event_type,
  timestamp,
  resource_type: event_type.replace(/\..*/, ''),
  resource_id,
  data: { id: resource_id, status: 'hungup' },
})
const near = (url: string) => ({ VOIPBIN_ACCESS_KEY: 'ak_test', VOIPBIN_BASE_URL: url.replace('ws:', 'http:') })

test('shows the events that are wanted, a line each, until Ctrl-C', async () => {
  const { url, frames, send } = await serveSocket()
  const place = world({ env: near(url), tty: true })
  const running = place.run('listen', '--events', 'call.*,agent.login')
  await expect.poll(place.err).toContain('Listening on')
  expect(frames.filter(({ type }) => type === 'subscribe').flatMap(({ topics }) => topics)).toEqual([
    'customer_id:c1:call',
    'customer_id:c1:agent',
  ])
  for (const frame of [event(1, 'call.created'), event(2, 'agent.updated'), event(3, 'call.hungup')]) send(frame)
  send({ type: 'gap', from: 4, to: 5, reason: 'missed' })
  await expect.poll(place.err).toContain('Events may be missing here (missed).')
  place.interrupt()
  const { code, out, err } = await running
  expect(code).toBe(0)
  expect(out).toBe('12:00:30  call.created            x  hungup\n12:00:30  call.hungup             x  hungup\n')
  expect(err).toContain('\n2 events.\n')
})

test('prints events as they came with --output jsonl, and leaves out topics that the credentials do not reach', async () => {
  const { url, send } = await serveSocket(frame =>
    frame.topics?.[0]?.endsWith(':billing') ? [refusal(frame.id, 'PERMISSION_DENIED')] : [ack(frame)],
  )
  const place = world({ env: near(url) })
  const running = place.run('listen', '--output', 'jsonl')
  await expect.poll(place.err).toContain('Listening on')
  expect(place.err()).toContain('Not allowed with these credentials: billing.\n')
  send(event(1, 'call.created'))
  await expect.poll(place.out).toBe(`${JSON.stringify(event(1, 'call.created'))}\n`)
  place.interrupt()
  expect((await running).code).toBe(0)
})

test('a topic that was asked for and is refused ends with 1', async () => {
  const { url } = await serveSocket(frame => (frame.type === 'subscribe' ? [refusal(frame.id, 'PERMISSION_DENIED')] : [ack(frame)]))
  const { code, err } = await world({ env: near(url) }).run('listen', '--topics', 'billing')
  expect({ code, err }).toEqual({ code: 1, err: 'error: PERMISSION_DENIED: No.\n  request_id: r\n' })
})

test('forwards as signed webhooks, in order for one resource, and tells how each went', async () => {
  const got: { body: string; headers: Record<string, string> }[] = []
  const receiver = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += String(chunk)
    got.push({ body, headers: Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)])) })
    response.writeHead(got.length === 2 ? 500 : 204).end()
  })
  await once(receiver.listen(0, '127.0.0.1'), 'listening')
  const hook = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`
  const { url, send } = await serveSocket()
  const place = world({ env: near(url) })
  const running = place.run('listen', '--forward', hook)
  await expect.poll(place.err).toContain('Listening on')
  const secret = /Signed with the secret (whsec_[^\s,]+), the same every time\.\n/.exec(place.err())?.[1] ?? ''
  for (const [i, type] of ['call.created', 'call.ringing', 'call.hungup'].entries()) send(event(i + 1, type))
  await expect.poll(() => place.out().split('\n').length).toBe(4)
  place.interrupt()
  const { code, out, err } = await running
  receiver.close()
  expect(code).toBe(0)
  expect(err).toContain('\n3 events, 2 delivered, 1 failed.\n')
  expect(out.replace(/\d+ ms/g, 'N ms')).toBe(
    ['call.created            x  → 204', 'call.ringing            x  → 500', 'call.hungup             x  → 204']
      .map(line => `12:00:30  ${line} in N ms\n`)
      .join(''),
  )
  expect(forwardSecret(place.io.env)).toBe(secret)
  const opened = await Promise.all(got.map(({ body, headers }) => unwrap(body, headers, secret)))
  expect(opened).toEqual(
    ['call_created', 'call_ringing', 'call_hungup'].map((type, i) => ({
      id: `e${i + 1}`,
      type,
      created: timestamp,
      data: event(0, 'call.x').data,
    })),
  )
  // Each signature by itself: the other one is taken away.
  for (const { body, headers } of got) {
    const own = Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith('webhook-')))
    const standard = Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith('x-voipbin-')))
    expect([(await unwrap(body, own, secret)).id, (await unwrap(body, standard, secret)).id]).toEqual([
      headers['webhook-id'],
      headers['webhook-id'],
    ])
    expect(headers).toMatchObject({ 'content-type': 'application/json', 'x-voipbin-event': JSON.parse(body).type })
  }
})

test('a receiver that is away is told with the reason, whatever its name stands for', async () => {
  // Node tries all addresses of `localhost`, and what it then rejects with has no message.
  const fetch = () =>
    Promise.reject(new TypeError('fetch failed', { cause: Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' }) }))
  vi.stubGlobal('fetch', fetch)
  try {
    const delivery = await forward(event(1, 'call.created') as unknown as EventFrame, 'http://localhost:3000/', 'whsec_C2FVsBQIhrscChlQ')
    expect(delivery).toMatchObject({ status_code: null, error: 'ECONNREFUSED' })
  } finally {
    vi.unstubAllGlobals()
  }
})

test('a given secret is used and not shown; a receiver that is away is told', async () => {
  const { url, send } = await serveSocket()
  const secret = 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD'
  const place = world({ env: { ...near(url), VOIPBIN_WEBHOOK_SECRET: secret } })
  const running = place.run('listen', '--forward', 'http://127.0.0.1:9/', '--output', 'jsonl')
  await expect.poll(place.err).toContain('Listening on')
  send(event(1, 'call.created'))
  await expect.poll(() => place.out().split('\n').length).toBe(3)
  place.interrupt()
  const { code, out, err } = await running
  expect(code).toBe(0)
  expect(out + err).not.toContain(secret)
  expect(JSON.parse(out.split('\n')[1] ?? '')).toMatchObject({
    type: 'delivery',
    event_id: 'e1',
    event_type: 'call.created',
    status_code: null,
    error: expect.stringMatching(/./),
  })
})

test('tasks of one key wait for each other, others do not', async () => {
  const lanes = new Lanes()
  const seen: string[] = []
  let open = (): void => undefined
  const gate = new Promise<void>(resolve => {
    open = resolve
  })
  lanes.add('a', async () => {
    await gate
    seen.push('a1')
  })
  lanes.add('a', async () => void seen.push('a2'))
  lanes.add('b', async () => {
    seen.push('b')
    open()
  })
  await lanes.idle()
  expect(seen).toEqual(['b', 'a1', 'a2'])
})

test('a platform that is not there is named', async () => {
  const { code, err } = await world({ env: near('ws://127.0.0.1:9') }).run('listen')
  expect(code).toBe(1)
  expect(err).toMatch(/^error: There is no connection to ws:\/\/127\.0\.0\.1:9\/ws \(1006\b/)
})
