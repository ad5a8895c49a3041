import { type IncomingMessage, request } from 'node:http'
import { gunzipSync } from 'node:zlib'
import { metricsText, silentLogger } from '@voipbin/kernel'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bearer, Fixture, key, type Tenant } from './fixture.ts'

let fixture: Fixture
let tenant: Tenant
beforeAll(async () => {
  fixture = await Fixture.open()
  tenant = fixture.tenant()
})
afterAll(() => fixture.close())

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
      what: 'half a surrogate pair',
      method: 'POST',
      path: '/v1.0/widgets',
      body: '{"name":"\\ud800"}',
      status: 400,
      reason: 'INVALID_ARGUMENT',
      field: '/name',
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

describe('a reason the contract does not declare', () => {
  test('is answered INTERNAL, counted as an alert and logged; the declared ones come through', async () => {
    const errors: unknown[] = []
    const log = { ...silentLogger, error: (msg: string, fields?: object) => void errors.push({ msg, ...fields }) }
    const { port } = await fixture.addGateway({ log })
    const gateway = fixture.gateways.findIndex(one => one.port === port)
    const made = await fixture.request('POST', '/v1.0/widgets', { body: { name: 'a' }, headers: key(tenant), gateway })
    const declared = await fixture.request('POST', '/v1.0/widgets', { body: { name: 'refuse' }, headers: key(tenant), gateway })
    expect([declared.status, declared.body.error.reason]).toEqual([409, 'WIDGET_LIMIT_REACHED'])
    const counted = async (): Promise<number> =>
      Number(/voipbin_undeclared_errors_total\{operation="updateWidget"\} (\d+)/.exec(await metricsText())?.[1] ?? 0)
    const before = await counted()
    const answer = await fixture.request('PUT', `/v1.0/widgets/${made.body.id}`, {
      body: { name: 'undeclared' },
      headers: key(tenant),
      gateway,
    })
    expect([answer.status, answer.body.error.reason]).toEqual([500, 'INTERNAL'])
    expect(answer.text).not.toContain('WIDGET_LIMIT_REACHED')
    expect(await counted()).toBe(before + 1)
    expect(errors).toContainEqual(
      expect.objectContaining({ operation: 'updateWidget', reason: 'WIDGET_LIMIT_REACHED', request_id: answer.body.error.request_id }),
    )
  })
})

describe('long answers', () => {
  const get = (headers: Record<string, string>): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => request(fixture.url('/openapi.json'), { headers }, resolve).on('error', reject).end())
  const bytes = async (answer: IncomingMessage): Promise<Buffer> => Buffer.concat(await answer.toArray())
  test.each(['gzip', 'br, gzip;q=0.5', '*'])('a page is compressed for Accept-Encoding: %s', async accept => {
    const answer = await get({ 'accept-encoding': accept })
    expect([answer.headers['content-encoding'], answer.headers.vary]).toEqual(['gzip', 'Accept-Encoding'])
    expect(JSON.parse(gunzipSync(await bytes(answer)).toString()).openapi).toMatch(/^3\.1/)
  })
  test.each(['identity', 'br', 'gzip;q=0'])('and left as it is for %s', async accept => {
    const answer = await get({ 'accept-encoding': accept })
    expect([answer.headers['content-encoding'], answer.headers.vary]).toEqual([undefined, 'Accept-Encoding'])
    expect(JSON.parse((await bytes(answer)).toString()).openapi).toMatch(/^3\.1/)
  })
  test('so is a long list, and a short answer is not', async () => {
    const owner = fixture.tenant()
    for (let n = 0; n < 25; n++) await fixture.request('POST', '/v1.0/widgets', { body: { name: `w${n}` }, headers: key(owner) })
    const list = await fixture.request('GET', '/v1.0/widgets', { headers: { ...key(owner), 'accept-encoding': 'gzip' } })
    expect([list.headers.get('content-encoding'), list.body.result.length]).toEqual(['gzip', 25])
    const one = await fixture.request('GET', '/v1.0/whoami', { headers: { ...key(owner), 'accept-encoding': 'gzip' } })
    expect(one.headers.get('content-encoding')).toBeNull()
  })
})

test('with a list of origins only those may ask, and caches keep the answers apart', async () => {
  const { port } = await fixture.addGateway({ env: { CORS_ORIGINS: 'https://app.example,https://desk.example' } })
  const gateway = fixture.gateways.findIndex(one => one.port === port)
  const asked = async (origin?: string) => {
    const headers = { 'access-control-request-method': 'POST', ...(origin === undefined ? {} : { origin }) }
    const answer = await fixture.request('OPTIONS', '/v1.0/widgets', { headers, gateway })
    return ['access-control-allow-origin', 'access-control-allow-methods', 'vary'].map(name => answer.headers.get(name))
  }
  expect(await asked('https://desk.example')).toEqual(['https://desk.example', 'GET, HEAD, OPTIONS, POST', 'Origin'])
  expect(await asked('https://evil.example')).toEqual([null, null, 'Origin'])
  expect(await asked('null')).toEqual([null, null, 'Origin'])
  expect(await asked()).toEqual([null, null, 'Origin'])
})

describe('pages', () => {
  test('run only their own scripts and cannot be framed', async () => {
    const { headers } = await fixture.request('GET', '/')
    expect(headers.get('content-security-policy')).toMatch(/default-src 'self'.*frame-ancestors 'none'/)
    expect([headers.get('x-frame-options'), headers.get('x-content-type-options'), headers.get('referrer-policy')]).toEqual([
      'DENY',
      'nosniff',
      'no-referrer',
    ])
  })

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
