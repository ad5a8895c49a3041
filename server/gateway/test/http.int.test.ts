import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bearer, Fixture, key, type Tenant } from './fixture.ts'

let fixture: Fixture
let tenant: Tenant
beforeAll(async () => {
  fixture = await Fixture.open({ timeouts: { headers_ms: 400, request_ms: 1_500 } })
  tenant = fixture.tenant()
})
afterAll(() => fixture.close())

/** Everything a raw connection answers until it closes or `enough` says so. */
async function raw(send: (socket: Socket) => void, enough = (_text: string) => false): Promise<{ text: string; closed: boolean }> {
  const socket = connect(Number(fixture.gateways[0]?.port), '127.0.0.1')
  await once(socket, 'connect')
  let text = ''
  let closed = false
  const done = Promise.withResolvers<void>()
  socket.on('data', chunk => {
    text += String(chunk)
    if (enough(text)) done.resolve()
  })
  socket.on('error', () => done.resolve())
  socket.on('close', () => {
    closed = true
    done.resolve()
  })
  send(socket)
  await done.promise
  socket.destroy()
  return { text, closed }
}
const statusOf = (text: string): number => Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1])
const bodyOf = (text: string) => JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4)) as { error: Record<string, unknown> }
const post = (length: string): string =>
  `POST /v1.0/widgets HTTP/1.1\r\nHost: x\r\nAuthorization: AccessKey ${tenant.accesskey}\r\nContent-Type: application/json\r\n${length}\r\n\r\n`

interface Case {
  what: string
  method: string
  path: string
  body?: unknown
  headers?: Record<string, string>
  status: number
  reason: string
  /** JSON pointer that must be among the details. */
  field?: string
}

describe('every refusal has the same body', () => {
  test.each<Case>([
    { what: 'an unknown path', method: 'GET', path: '/v1.0/nothing', status: 404, reason: 'PATH_NOT_FOUND' },
    { what: 'an unknown path outside of the API', method: 'GET', path: '/wp-login.php', status: 404, reason: 'PATH_NOT_FOUND' },
    { what: 'a wrong method', method: 'DELETE', path: '/v1.0/widgets', status: 405, reason: 'METHOD_NOT_ALLOWED' },
    { what: 'a wrong method on /auth', method: 'GET', path: '/auth/login', status: 405, reason: 'METHOD_NOT_ALLOWED' },
    { what: 'no credentials', method: 'GET', path: '/v1.0/widgets', status: 401, reason: 'UNAUTHENTICATED', headers: {} },
    {
      what: 'a token that is none',
      method: 'GET',
      path: '/v1.0/widgets',
      status: 401,
      reason: 'UNAUTHENTICATED',
      headers: bearer('nonsense'),
    },
    { what: 'a bad uuid', method: 'GET', path: '/v1.0/widgets/1', status: 400, reason: 'INVALID_ARGUMENT', field: '/id' },
    {
      what: 'an unknown id',
      method: 'GET',
      path: '/v1.0/widgets/01980000-0000-7000-8000-000000000001',
      status: 404,
      reason: 'WIDGET_NOT_FOUND',
    },
    {
      what: 'an unknown query parameter',
      method: 'GET',
      path: '/v1.0/widgets?color=red',
      status: 400,
      reason: 'INVALID_ARGUMENT',
      field: '/color',
    },
    {
      what: 'a query parameter out of range',
      method: 'GET',
      path: '/v1.0/widgets?page_size=101',
      status: 400,
      reason: 'INVALID_ARGUMENT',
      field: '/page_size',
    },
    {
      what: 'an unknown field',
      method: 'POST',
      path: '/v1.0/widgets',
      body: { name: 'a', color: 'red' },
      status: 400,
      reason: 'INVALID_ARGUMENT',
      field: '/color',
    },
    { what: 'a missing field', method: 'POST', path: '/v1.0/widgets', body: {}, status: 400, reason: 'INVALID_ARGUMENT', field: '/name' },
    {
      what: 'a wrong type',
      method: 'POST',
      path: '/v1.0/widgets',
      body: { name: 7 },
      status: 400,
      reason: 'INVALID_ARGUMENT',
      field: '/name',
    },
    {
      what: 'too long a text',
      method: 'POST',
      path: '/v1.0/widgets',
      body: { name: 'x'.repeat(21) },
      status: 400,
      reason: 'INVALID_ARGUMENT',
      field: '/name',
    },
    { what: 'an array', method: 'POST', path: '/v1.0/widgets', body: [], status: 400, reason: 'INVALID_ARGUMENT', field: '' },
    { what: 'null', method: 'POST', path: '/v1.0/widgets', body: 'null', status: 400, reason: 'INVALID_ARGUMENT', field: '' },
    { what: 'no body', method: 'POST', path: '/v1.0/widgets', status: 400, reason: 'INVALID_ARGUMENT', field: '/name' },
    { what: 'broken JSON', method: 'POST', path: '/v1.0/widgets', body: '{"name":', status: 400, reason: 'MALFORMED_JSON' },
    {
      what: 'JSON 65 deep',
      method: 'POST',
      path: '/v1.0/widgets',
      body: `{"name":${'['.repeat(64)}${']'.repeat(64)}}`,
      status: 413,
      reason: 'PAYLOAD_TOO_LARGE',
    },
    {
      what: 'JSON 100,000 deep',
      method: 'POST',
      path: '/v1.0/widgets',
      body: '['.repeat(100_000),
      status: 413,
      reason: 'PAYLOAD_TOO_LARGE',
    },
    {
      what: 'another content type',
      method: 'POST',
      path: '/v1.0/widgets',
      body: 'name=a',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      status: 415,
      reason: 'UNSUPPORTED_MEDIA_TYPE',
    },
    {
      what: 'another charset',
      method: 'POST',
      path: '/v1.0/widgets',
      body: '{}',
      headers: { 'content-type': 'application/json; charset=latin1' },
      status: 415,
      reason: 'UNSUPPORTED_MEDIA_TYPE',
    },
    {
      what: 'a compressed body',
      method: 'POST',
      path: '/v1.0/widgets',
      body: '{}',
      headers: { 'content-encoding': 'gzip' },
      status: 415,
      reason: 'UNSUPPORTED_MEDIA_TYPE',
    },
    {
      what: 'a body over 1 MB',
      method: 'POST',
      path: '/v1.0/widgets',
      body: `"${'x'.repeat(1_100_000)}"`,
      status: 413,
      reason: 'PAYLOAD_TOO_LARGE',
    },
    {
      what: 'a bad idempotency key',
      method: 'POST',
      path: '/v1.0/widgets',
      body: { name: 'a' },
      headers: { 'idempotency-key': 'a b' },
      status: 400,
      reason: 'INVALID_ARGUMENT',
      field: '/Idempotency-Key',
    },
    { what: 'a service that breaks', method: 'POST', path: '/v1.0/widgets/{own}/break', status: 500, reason: 'INTERNAL' },
  ])('$what: $status $reason', async ({ method, path, body, status, reason, headers, field }) => {
    const own = await fixture.request('POST', '/v1.0/widgets', { body: { name: 'own' }, headers: key(tenant) })
    expect(own.status, own.text).toBe(201)
    const credentials = headers?.authorization === undefined && reason === 'UNAUTHENTICATED' ? {} : key(tenant)
    const answer = await fixture.request(method, path.replace('{own}', own.body.id), { body, headers: { ...credentials, ...headers } })
    expect(answer.status, answer.text).toBe(status)
    expect(answer.headers.get('content-type')).toBe('application/json')
    expect(answer.headers.get('x-request-id')).toBe(answer.body.error.request_id)
    expect(Object.keys(answer.body)).toEqual(['error'])
    expect(Object.keys(answer.body.error)).toEqual(['status', 'reason', 'message', 'request_id', 'details'])
    expect(answer.body.error.reason).toBe(reason)
    if (field !== undefined) expect(answer.body.error.details.map((detail: { field: string }) => detail.field)).toContain(field)
    expect(answer.text).not.toContain('planted')
  })
})

describe('headers', () => {
  test('the caller’s request id is used when it is well-formed, all the way to the service', async () => {
    const answer = await fixture.request('GET', '/v1.0/whoami', {
      headers: { ...key(tenant), 'x-request-id': 'my-request-0001', 'accept-language': 'de-AT,de;q=0.9' },
    })
    expect(answer.body).toMatchObject({ request_id: 'my-request-0001', locale: 'de-AT', customer_id: tenant.customer_id })
    expect(answer.headers.get('x-request-id')).toBe('my-request-0001')
  })
  test.each(['short', 'x'.repeat(65), 'with space', 'new%0aline'])('the request id %j is replaced', async id => {
    const answer = await fixture.request('GET', '/v1.0/nothing', { headers: { 'x-request-id': id } })
    expect(answer.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
  })
  test('405 says what the path takes', async () => {
    expect((await fixture.request('PATCH', '/v1.0/widgets', {})).headers.get('allow')).toBe('GET, HEAD, OPTIONS, POST')
  })
  test('HEAD is GET without the body', async () => {
    const answer = await fixture.request('HEAD', '/v1.0/whoami', { headers: key(tenant) })
    expect([answer.status, answer.text, answer.headers.get('content-type')]).toEqual([200, '', 'application/json'])
  })
  test('OPTIONS needs no credentials and answers a browser’s question', async () => {
    const answer = await fixture.request('OPTIONS', '/v1.0/widgets/01980000-0000-7000-8000-000000000001', {
      headers: { origin: 'https://app.example', 'access-control-request-method': 'PUT' },
    })
    expect(answer.status).toBe(204)
    expect(answer.headers.get('access-control-allow-methods')).toBe('GET, HEAD, OPTIONS, PUT')
    expect(answer.headers.get('access-control-allow-origin')).toBe('*')
    expect(answer.headers.get('access-control-allow-headers')).toContain('idempotency-key')
  })
  test('answers carry the limit and may not be stored', async () => {
    const answer = await fixture.request('GET', '/v1.0/whoami', { headers: key(tenant) })
    expect(answer.headers.get('ratelimit-limit')).toBe('1000000')
    expect(Number(answer.headers.get('ratelimit-remaining'))).toBeGreaterThan(0)
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
  })
})

describe('slow, long and broken senders', () => {
  test('headers that do not end are cut off with 408', async () => {
    const { text, closed } = await raw(socket => socket.write('GET /v1.0/widgets HTTP/1.1\r\nHost: x\r\nX-A: 1'))
    expect([statusOf(text), closed, bodyOf(text).error.reason]).toEqual([408, true, 'REQUEST_TIMEOUT'])
  })
  test('a body that does not come is cut off with 408', async () => {
    const { text, closed } = await raw(socket => socket.write(`${post('Content-Length: 100')}{"name":`))
    expect([statusOf(text), closed, bodyOf(text).error.reason]).toEqual([408, true, 'REQUEST_TIMEOUT'])
  })
  test('a body announced as too long is refused before it comes', async () => {
    const { text, closed } = await raw(socket => socket.write(post('Content-Length: 1048577')))
    expect([statusOf(text), closed, bodyOf(text).error.reason]).toEqual([413, true, 'PAYLOAD_TOO_LARGE'])
  })
  test('a chunked body is refused when it passes 1 MB, while it is still being sent', async () => {
    const chunk = `${(65_536).toString(16)}\r\n${'x'.repeat(65_536)}\r\n`
    let sent = 0
    const { text, closed } = await raw(socket => {
      socket.write(post('Transfer-Encoding: chunked'))
      const more = (): void => {
        while (!socket.destroyed && sent < 1_000 && socket.write(chunk)) sent++
        if (!socket.destroyed && sent < 1_000) socket.once('drain', more)
      }
      more()
    })
    expect([statusOf(text), closed]).toEqual([413, true])
    expect(sent).toBeLessThan(1_000)
  })
  test.each([
    { what: 'no HTTP', send: 'hello\r\n\r\n' },
    { what: 'no host', send: 'GET / HTTP/1.1\r\n\r\n' },
    { what: 'a bad host', send: 'GET / HTTP/1.1\r\nHost: a b\r\n\r\n' },
    { what: 'two lengths', send: 'POST /v1.0/widgets HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n' },
    { what: 'headers of 20 kB', send: `GET / HTTP/1.1\r\nHost: x\r\nX-A: ${'x'.repeat(20_000)}\r\n\r\n` },
    { what: 'another expectation', send: 'POST /v1.0/widgets HTTP/1.1\r\nHost: x\r\nExpect: magic\r\nContent-Length: 1\r\n\r\n' },
  ])('$what is answered 400 in the same form', async ({ send }) => {
    const { text } = await raw(
      socket => socket.write(send),
      text => /"details":\[.*\]\}\}/.test(text),
    )
    expect(statusOf(text)).toBe(400)
    expect(bodyOf(text).error).toMatchObject({ status: 'INVALID_ARGUMENT', reason: 'INVALID_ARGUMENT' })
  })
  test('a connection goes on after a refusal whose body was read', async () => {
    const bad = 'POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}'
    const { text } = await raw(
      socket => socket.write(bad + bad),
      all => all.split('HTTP/1.1 400').length === 3,
    )
    expect(text.split('HTTP/1.1 400')).toHaveLength(3)
  })
})

describe('pages', () => {
  test.each([
    { path: '/', type: 'text/html; charset=utf-8' },
    { path: '/openapi.json', type: 'application/json' },
    { path: '/asyncapi.json', type: 'application/json' },
  ])('$path is served, and 304 to who has it', async ({ path, type }) => {
    const first = await fixture.request('GET', path)
    expect([first.status, first.headers.get('content-type')]).toEqual([200, type])
    const again = await fixture.request('GET', path, { headers: { 'if-none-match': String(first.headers.get('etag')) } })
    expect([again.status, again.text]).toEqual([304, ''])
  })
  test('/health and /ready answer', async () => {
    expect((await fixture.request('GET', '/health')).body.status).toBe('alive')
    expect((await fixture.request('GET', '/ready')).body).toEqual({ status: 'ready', checks: { rabbitmq: 'ok', mysql: 'ok', redis: 'ok' } })
  })
})
