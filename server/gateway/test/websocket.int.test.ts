import { once } from 'node:events'
import { connect } from 'node:net'
import { tokenHash, uuid7 } from '@voipbin/kernel'
import { until } from '@voipbin/kernel/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import WebSocket from 'ws'
import { openHistory } from '../src/websocket/history.ts'
import { bearer, Fixture, key, type Tenant } from './fixture.ts'

let fixture: Fixture
let tenant: Tenant
beforeAll(async () => {
  fixture = await Fixture.open({ limits: { sockets_per_customer: 5, topics_per_socket: 3, auth_wait_ms: 60_000 } })
  await fixture.addGateway()
  tenant = fixture.tenant()
})
afterAll(() => fixture.close())

const topic = (who: Tenant, rest = 'widget'): string => `customer_id:${who.customer_id}:${rest}`
const create = async (who: Tenant, gateway = 0): Promise<string> =>
  (await fixture.request('POST', '/v1.0/widgets', { body: { name: 'w' }, headers: key(who), gateway })).body.id
const event = (id: string) => (frame: Record<string, unknown>) => frame.type === 'event' && frame.resource_id === id
const subscribed = async (who: Tenant, gateway = 0, topics = [topic(who)]) => {
  const socket = await fixture.socket(`?accesskey=${who.accesskey}`, gateway)
  await socket.ask({ type: 'subscribe', id: 's', topics })
  return socket
}

describe('protocol', () => {
  test('credentials in the URL are acknowledged unasked; subscribe and unsubscribe by id', async () => {
    const who = fixture.tenant()
    const socket = await fixture.socket(`?token=${await fixture.login(who)}`)
    expect(await socket.frame(frame => frame.request === 'auth')).toMatchObject({
      type: 'ack',
      customer_id: who.customer_id,
      topics: [],
      seq: expect.any(Number),
    })
    expect(await socket.ask({ type: 'subscribe', id: '1', topics: [topic(who)] })).toMatchObject({
      type: 'ack',
      request: 'subscribe',
      topics: [topic(who, 'widget:*')],
    })
    const id = await create(who)
    expect(await socket.frame(event(id))).toMatchObject({
      event_type: 'widget.created',
      customer_id: who.customer_id,
      resource_type: 'widget',
      resource_seq: 1,
      data: { id, name: 'w' },
    })
    expect(await socket.ask({ type: 'unsubscribe', id: '2', topics: [topic(who)] })).toMatchObject({
      type: 'ack',
      request: 'unsubscribe',
      topics: [],
    })
    const later = await create(who)
    expect(await socket.ask({ type: 'ping', id: '3' })).toEqual({ type: 'pong', id: '3' })
    expect(socket.frames.some(event(later))).toBe(false)
  })

  test('a first auth frame, by token or access key', async () => {
    const socket = await fixture.socket('')
    expect((await socket.ask({ type: 'subscribe', id: '0', topics: [topic(tenant)] })).error).toMatchObject({ reason: 'UNAUTHENTICATED' })
    expect(await socket.ask({ type: 'auth', id: '1', accesskey: tenant.accesskey })).toMatchObject({
      type: 'ack',
      request: 'auth',
      customer_id: tenant.customer_id,
    })
    expect(await socket.ask({ type: 'auth', id: '2', token: await fixture.login(tenant) })).toMatchObject({
      error: { reason: 'PERMISSION_DENIED' },
    })
    socket.socket.close()
  })

  test('internal fields and events stay inside', async () => {
    const who = fixture.tenant()
    const socket = await subscribed(who)
    const id = await create(who)
    const frame = await socket.frame(event(id))
    expect(JSON.stringify(frame)).not.toContain('planted')
    expect(Object.keys(frame).sort()).toEqual([
      'customer_id',
      'data',
      'event_id',
      'event_type',
      'request_id',
      'resource_id',
      'resource_seq',
      'resource_type',
      'seq',
      'timestamp',
      'type',
    ])
  })

  test.each([
    { what: 'no JSON', send: 'hello', reason: 'FRAME_INVALID', field: '' },
    { what: 'an array', send: '[]', reason: 'FRAME_INVALID', field: '' },
    { what: 'an unknown type', send: { id: 'x', type: 'dance' }, reason: 'FRAME_INVALID', field: '/type' },
    { what: 'an unknown field', send: { id: 'x', type: 'ping', color: 'red' }, reason: 'FRAME_INVALID', field: '/color' },
    { what: 'no topics', send: { id: 'x', type: 'subscribe' }, reason: 'FRAME_INVALID', field: '/topics' },
    { what: 'a bad topic', send: { id: 'x', type: 'subscribe', topics: ['everything'] }, reason: 'TOPIC_INVALID', field: '/topics/0' },
    { what: 'a topic that is no text', send: { id: 'x', type: 'subscribe', topics: [7] }, reason: 'FRAME_INVALID', field: '/topics/0' },
    {
      what: 'an unknown resource',
      send: () => ({ id: 'x', type: 'subscribe', topics: [topic(tenant, 'nothing')] }),
      reason: 'TOPIC_INVALID',
      field: '/topics/0',
    },
    {
      what: 'too many topics',
      send: () => ({ id: 'x', type: 'subscribe', topics: ['a', 'b', 'c', 'd'].map(row => topic(tenant, `widget:${row}`)) }),
      reason: 'TOO_MANY_TOPICS',
    },
  ])('$what is answered by an error frame: $reason', async ({ send, reason, field }) => {
    const socket = await fixture.socket(`?accesskey=${tenant.accesskey}`)
    const frame = typeof send === 'function' ? send() : send
    socket.send(frame)
    const answer = await socket.frame(one => one.type === 'error')
    expect(answer.error).toMatchObject({ reason, request_id: expect.any(String) })
    if (field !== undefined) expect((answer.error as { details: { field: string }[] }).details[0]?.field).toBe(field)
    expect(answer.id).toBe(typeof frame === 'object' ? 'x' : undefined)
    expect(await socket.ask({ type: 'ping', id: 'alive' })).toMatchObject({ type: 'pong' })
    socket.socket.close()
    await socket.close()
  })

  test('a binary frame is refused, one over 64 KiB ends the socket', async () => {
    const socket = await fixture.socket(`?accesskey=${tenant.accesskey}`)
    socket.socket.send(Buffer.from('{}'))
    expect((await socket.frame(frame => frame.type === 'error')).error).toMatchObject({ reason: 'FRAME_INVALID' })
    socket.send({ type: 'ping', id: 'x'.repeat(70_000) })
    expect((await socket.close()).code).toBe(1009)
  })
})

describe('tenants', () => {
  test('topics of another customer are refused alike, whether anything exists or not', async () => {
    const stranger = fixture.tenant()
    const id = await create(tenant)
    const socket = await fixture.socket(`?accesskey=${stranger.accesskey}`)
    const ask = async (rest: string, i: number) =>
      (await socket.ask({ type: 'subscribe', id: String(i), topics: [rest] })).error as {
        reason: string
        message: string
        details: object[]
      }
    const answers = await Promise.all(
      [
        topic(tenant),
        topic(tenant, `widget:${id}`),
        `customer_id:${uuid7()}:widget`,
        `agent_id:${tenant.agent_id}:agent`,
        `agent_id:${uuid7()}:agent`,
      ].map(ask),
    )
    for (const answer of answers) expect(answer).toEqual({ ...answers[0] })
    expect(answers[0]?.reason).toBe('TOPIC_DENIED')
  })

  test('with one topic refused none is subscribed, and nothing of others arrives', async () => {
    const stranger = fixture.tenant()
    const socket = await fixture.socket(`?accesskey=${stranger.accesskey}`)
    await socket.ask({ type: 'subscribe', id: '1', topics: [topic(stranger), topic(tenant)] })
    const own = await create(stranger)
    const foreign = await create(tenant)
    const witness = await subscribed(tenant)
    const last = await create(tenant)
    await witness.frame(event(last))
    expect(socket.frames.some(event(own)) || socket.frames.some(event(foreign))).toBe(false)
    witness.socket.close()
  })

  test('who may read the own rows of a resource may hear them, and nobody else', async () => {
    const who = fixture.tenant({ permissions: ['widget_own_read', 'widget_create'] })
    const socket = await fixture.socket(`?accesskey=${who.accesskey}`)
    expect(await socket.ask({ type: 'subscribe', id: '1', topics: [topic(who)] })).toMatchObject({ type: 'ack' })
    expect((await socket.ask({ type: 'subscribe', id: '2', topics: [topic(tenant)] })).error).toMatchObject({ reason: 'TOPIC_DENIED' })
    expect((await socket.ask({ type: 'subscribe', id: '3', topics: [topic(who, 'agent')] })).error).toMatchObject({
      reason: 'TOPIC_DENIED',
    })
    await socket.frame(event(await create(who)))
  })

  test('a topic needs the permission to read its resource', async () => {
    const limited = fixture.tenant({ permissions: ['widget_create'] })
    const socket = await fixture.socket(`?accesskey=${limited.accesskey}`)
    expect((await socket.ask({ type: 'subscribe', id: '1', topics: [topic(limited)] })).error).toMatchObject({ reason: 'TOPIC_DENIED' })
  })
})

describe('who may connect', () => {
  const refused = async (url: string, headers = {}): Promise<{ status: number; body: string }> => {
    const socket = new WebSocket(url.replace('http', 'ws'), { headers })
    socket.on('error', () => undefined)
    const [, response] = await once(socket, 'unexpected-response')
    let body = ''
    for await (const chunk of response) body += String(chunk)
    socket.terminate()
    return { status: response.statusCode, body }
  }
  test.each([
    { what: 'a bad token', path: '/ws?token=nonsense', status: 401, reason: 'UNAUTHENTICATED' },
    { what: 'an unknown access key', path: `/ws?accesskey=ak_${'0'.repeat(32)}`, status: 401, reason: 'UNAUTHENTICATED' },
    { what: 'another path', path: '/socket', status: 404, reason: 'PATH_NOT_FOUND' },
  ])('$what is refused before the upgrade', async ({ path, status, reason }) => {
    const answer = await refused(fixture.url(path))
    expect([answer.status, JSON.parse(answer.body).error.reason]).toEqual([status, reason])
  })

  test('both paths are open', async () => {
    const socket = new WebSocket(fixture.url(`/v1.0/ws?accesskey=${tenant.accesskey}`).replace('http', 'ws'))
    await once(socket, 'open')
    socket.close()
  })

  test('a bad auth frame closes; no auth frame in time closes', async () => {
    const bad = await fixture.socket('')
    bad.send({ type: 'auth', id: '1', token: 'nonsense' })
    expect((await bad.frame(frame => frame.id === '1')).error).toMatchObject({ reason: 'UNAUTHENTICATED' })
    expect((await bad.close()).code).toBe(4401)
    const hasty = fixture.gateways.indexOf(await fixture.addGateway({ limits: { auth_wait_ms: 500 } }))
    const silent = await fixture.socket('', hasty)
    expect(await silent.close()).toEqual({ code: 4401, reason: 'no_credentials' })
  })

  test('a customer has so many sockets and no more', async () => {
    const many = fixture.tenant()
    const sockets = await Promise.all(Array.from({ length: 5 }, () => subscribed(many)))
    const one = await fixture.socket(`?accesskey=${many.accesskey}`)
    expect((await one.frame(frame => frame.type === 'error')).error).toMatchObject({
      reason: 'TOO_MANY_SOCKETS',
      status: 'RESOURCE_EXHAUSTED',
    })
    expect(await one.close()).toEqual({ code: 4429, reason: 'too_many_sockets' })
    sockets[0]?.socket.close()
    await sockets[0]?.close()
    const again = await until(async () => {
      const socket = await fixture.socket(`?accesskey=${many.accesskey}`)
      await socket.frame(() => true)
      return socket.frames[0]?.type === 'ack' ? socket : undefined
    })
    expect(again.frames[0]).toMatchObject({ request: 'auth' })
  })
})

describe('revocation', () => {
  test('logout closes the sockets of the token on every gateway', async () => {
    const who = fixture.tenant()
    const token = await fixture.login(who)
    const sockets = await Promise.all([0, 1].map(gateway => fixture.socket(`?token=${token}`, gateway)))
    const other = await fixture.socket(`?accesskey=${who.accesskey}`)
    await Promise.all(sockets.map(socket => socket.frame(frame => frame.request === 'auth')))
    await fixture.request('POST', '/auth/logout', { headers: bearer(token) })
    for (const socket of sockets) expect(await socket.close()).toEqual({ code: 4401, reason: 'session_ended' })
    expect(await other.ask({ type: 'ping', id: 'p' })).toMatchObject({ type: 'pong' })
  })

  test('a deleted access key closes its sockets and is refused at once', async () => {
    const who = fixture.tenant()
    const socket = await fixture.socket(`?accesskey=${who.accesskey}`, 1)
    await socket.frame(frame => frame.request === 'auth')
    const hash = tokenHash(who.accesskey)
    const accesskey = fixture.state.accesskeys.get(hash)
    fixture.state.accesskeys.delete(hash)
    const caller = {
      customer_id: who.customer_id,
      agent_id: null,
      actor: { type: 'system', id: 'test' },
      permissions: [],
      request_id: 'r',
      locale: 'en',
      deadline: Date.now() + 60_000,
    } as const
    await fixture.running.rpc.call(caller, 'emitEvent', {
      type: 'accesskey.deleted',
      data: { id: accesskey?.id, customer_id: who.customer_id },
    })
    expect(await socket.close()).toEqual({ code: 4401, reason: 'accesskey_deleted' })
    expect((await fixture.request('GET', '/v1.0/whoami', { headers: key(who), gateway: 1 })).status).toBe(401)
  })
})

describe('sequence', () => {
  test('two gateways give every event the same number, in order, each once', async () => {
    const who = fixture.tenant()
    const sockets = await Promise.all([subscribed(who, 0), subscribed(who, 1)])
    const ids = await Promise.all(Array.from({ length: 60 }, (_, i) => create(who, i % 2)))
    for (const socket of sockets) await until(() => socket.frames.filter(frame => frame.type === 'event').length >= ids.length)
    const [first, second] = sockets.map(socket =>
      socket.frames.filter(frame => frame.type === 'event').map(frame => [frame.seq, frame.event_id]),
    )
    expect(first).toEqual(second)
    const numbers = first?.map(([seq]) => Number(seq)) ?? []
    expect(numbers).toEqual(numbers.map((_, i) => Number(numbers[0]) + i))
    expect(new Set(first?.map(([, id]) => id)).size).toBe(ids.length)
  })

  test('what only another gateway has seen comes from the history, before what follows it', async () => {
    const who = fixture.tenant()
    const socket = await subscribed(who)
    const first = await socket.frame(event(await create(who)))
    const id = uuid7()
    const body = JSON.stringify({
      event_id: uuid7(),
      event_type: 'widget.created',
      customer_id: who.customer_id,
      resource_type: 'widget',
      resource_id: id,
      data: { id },
    })
    await openHistory(fixture.cache).number({ customer_id: who.customer_id, events: [{ event_id: id, body }], last: 0, highest: 0 })
    const last = await socket.frame(event(await create(who)))
    expect([(await socket.frame(event(id))).seq, last.seq]).toEqual([Number(first.seq) + 1, Number(first.seq) + 2])
    const order = socket.frames.filter(frame => frame.type === 'event').map(frame => frame.seq)
    expect(order).toEqual([...order].sort())
  })

  test('an ack says where the sequence stands', async () => {
    const who = fixture.tenant()
    const socket = await subscribed(who)
    const { seq } = await socket.frame(event(await create(who)))
    const late = await fixture.socket(`?accesskey=${who.accesskey}`, 1)
    expect(await late.ask({ type: 'subscribe', id: '1', topics: [topic(who)] })).toMatchObject({ seq })
    expect((await late.frame(event(await create(who)))).seq).toBe(Number(seq) + 1)
  })
})

test('a reader that takes nothing is dropped, the others go on', async () => {
  const small = await fixture.addGateway({ limits: { max_buffered: 20_000, write_timeout_ms: 5_000 } })
  const who = fixture.tenant()
  const at = fixture.gateways.indexOf(small)
  const healthy = await subscribed(who, at)
  const tcp = connect(small.port, '127.0.0.1')
  const frames = [{ type: 'subscribe', id: 's', topics: [topic(who)] }].map(frame => masked(JSON.stringify(frame)))
  tcp.write(
    `GET /ws?accesskey=${who.accesskey} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ${Buffer.alloc(16).toString('base64')}\r\nSec-WebSocket-Version: 13\r\n\r\n`,
  )
  await once(tcp, 'data')
  for (const frame of frames) tcp.write(frame)
  await once(tcp, 'data')
  tcp.pause()
  expect(small.sockets).toBe(2)
  const caller = {
    customer_id: who.customer_id,
    agent_id: null,
    actor: { type: 'system', id: 'test' },
    permissions: [],
    request_id: 'r',
    locale: 'en',
    deadline: Date.now() + 60_000,
  } as const
  const flood = async (): Promise<void> => {
    for (let i = 0; i < 400 && small.sockets === 2; i++) {
      const data = { id: uuid7(), customer_id: who.customer_id, name: 'x'.repeat(50_000) }
      await fixture.running.rpc.call(caller, 'emitWidget', { type: 'widget.created', data })
    }
  }
  await flood()
  await until(() => small.sockets === 1)
  const id = await create(who, at)
  expect(await healthy.frame(event(id))).toBeDefined()
  tcp.destroy()
})

test('a reader that falls behind is told why before it is dropped', async () => {
  const at = fixture.gateways.indexOf(await fixture.addGateway({ limits: { max_buffered: 20_000, write_timeout_ms: 60_000 } }))
  const who = fixture.tenant()
  const [healthy, slow] = [await subscribed(who, at), await subscribed(who, at)]
  slow.socket.pause()
  const actor = { type: 'system', id: 'test' } as const
  const caller = { customer_id: who.customer_id, agent_id: null, actor, permissions: [], request_id: 'r', locale: 'en' }
  let last = ''
  for (let i = 0; i < 40; i++) {
    last = uuid7()
    const data = { id: last, customer_id: who.customer_id, name: 'x'.repeat(400_000) }
    await fixture.running.rpc.call({ ...caller, deadline: Date.now() + 60_000 }, 'emitWidget', { type: 'widget.created', data })
  }
  await healthy.frame(event(last))
  slow.socket.resume()
  expect(await slow.close()).toEqual({ code: 4408, reason: 'too_slow' })
  expect(slow.frames.at(-1)).toMatchObject({ type: 'error', error: { reason: 'SOCKET_TOO_SLOW' } })
  expect(slow.frames.some(event(last))).toBe(false)
})

test('a client that asks faster than it is answered is told and dropped', async () => {
  const who = fixture.tenant()
  const socket = await fixture.socket(`?accesskey=${who.accesskey}`)
  for (let i = 0; i < 500; i++) socket.send({ type: 'subscribe', id: String(i), topics: [topic(who)] })
  expect((await socket.close()).code).toBe(4408)
  expect(socket.frames.some(frame => (frame.error as { reason?: string } | undefined)?.reason === 'SOCKET_TOO_SLOW')).toBe(true)
})

/** A masked text frame as a client sends it (RFC 6455, 5.2), shorter than 64 KiB. */
function masked(text: string): Buffer {
  const body = Buffer.from(text)
  const head = body.length < 126 ? [0x81, 0x80 | body.length] : [0x81, 0xfe, body.length >> 8, body.length & 0xff]
  return Buffer.concat([Buffer.from(head), Buffer.alloc(4), body])
}
