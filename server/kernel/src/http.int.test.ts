import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { serveHealth } from './health.ts'
import { type HttpClient, type HttpError, openHttp } from './http.ts'

const open: Server[] = []
afterAll(() => {
  for (const server of open) server.close().closeAllConnections()
})
async function serve(answer: RequestListener): Promise<string> {
  const server = createServer(answer)
  open.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

describe('ctx.http', () => {
  let inside: HttpClient
  let outside: HttpClient
  beforeAll(() => {
    inside = openHttp({ allow_private: true })
    outside = openHttp()
  })
  afterAll(() => Promise.all([inside.close(), outside.close()]))
  const failure = (request: Promise<unknown>) =>
    request.then(
      () => 'answered',
      (error: HttpError) => error.reason,
    )

  test('sends what it is given and brings back the answer', async () => {
    const url = await serve(async (request, response) => {
      const parts: Buffer[] = []
      for await (const part of request) parts.push(part)
      response.writeHead(418, { 'x-method': request.method ?? '', 'x-got': request.headers['x-sent'] ?? '' }).end(Buffer.concat(parts))
    })
    const answer = await inside.request(url, { method: 'POST', headers: { 'x-sent': 'yes' }, body: 'hello', timeout_ms: 30_000 })
    expect(answer).toMatchObject({ status: 418, headers: { 'x-method': 'POST', 'x-got': 'yes' } })
    expect(Buffer.from(answer.body).toString()).toBe('hello')
    expect(answer.duration_ms).toBeGreaterThanOrEqual(0)
    expect(answer.remote_ip).toBe('127.0.0.1')
  })

  test.each([
    'http://127.0.0.1:1/',
    'http://localhost:1/',
    'http://[::1]:1/',
    'http://[::ffff:127.0.0.1]:1/',
    'http://2130706433/',
    'http://0x7f.1/',
    'http://0177.0.0.1/',
    'http://169.254.169.254/latest/meta-data/',
    'http://10.0.0.1/',
    'https://192.168.1.1/',
  ])('%s is refused before a connection', async url => {
    expect(await failure(outside.request(url, { method: 'GET', timeout_ms: 30_000 }))).toBe('address_refused')
  })

  test('nothing reaches a private server, by name or by address', async () => {
    let asked = 0
    const url = await serve((_request, response) => {
      asked++
      response.end()
    })
    await failure(outside.request(url, { method: 'GET', timeout_ms: 30_000 }))
    await failure(outside.request(url.replace('127.0.0.1', 'localhost'), { method: 'GET', timeout_ms: 30_000 }))
    expect(asked).toBe(0)
  })

  test.each(['ftp://example.com/', 'file:///etc/passwd', 'not a url', 'http://user:pass@127.0.0.1/'])('%s is no URL to ask', async url => {
    expect(await failure(inside.request(url, { method: 'GET', timeout_ms: 30_000 }))).toBe('invalid_url')
  })

  test('the address of a name is the one the connection went to', async () => {
    const url = await serve((_request, response) => void response.end())
    const named = url.replace('127.0.0.1', 'localhost')
    expect(await inside.request(named, { method: 'GET', timeout_ms: 30_000 })).toMatchObject({ remote_ip: '127.0.0.1' })
    const closed = inside.request('http://127.0.0.1:1/', { method: 'GET', timeout_ms: 30_000 })
    await expect(closed).rejects.toMatchObject({ reason: 'connection_failed', remote_ip: '127.0.0.1' })
    const silent = await serve(() => undefined)
    const late = inside.request(silent, { method: 'GET', timeout_ms: 1_000 })
    await expect(late).rejects.toMatchObject({ reason: 'timeout', remote_ip: '127.0.0.1' })
  })

  test('networks on the list are reached, others are not', async () => {
    const url = await serve((_request, response) => void response.end())
    await using listed = openHttp({ allow: '127.0.0.0/8' })
    expect(await listed.request(url, { method: 'GET', timeout_ms: 30_000 })).toMatchObject({ status: 200 })
    expect(await failure(listed.request('http://10.0.0.1/', { method: 'GET', timeout_ms: 30_000 }))).toBe('address_refused')
  })

  test('connections are kept, and many silent requests to an origin hold up no other', async () => {
    const ports = new Set<number | undefined>()
    const url = await serve((request, response) => {
      if (request.url === '/silent') return
      ports.add(request.socket.remotePort)
      response.end()
    })
    const stop = new AbortController()
    const silent = Array.from({ length: 200 }, () =>
      failure(inside.request(`${url}/silent`, { method: 'GET', timeout_ms: 60_000, signal: stop.signal })),
    )
    for (let n = 0; n < 5; n++) await inside.request(url, { method: 'GET', timeout_ms: 30_000 })
    expect(ports.size).toBeLessThan(5)
    stop.abort()
    expect(new Set(await Promise.all(silent))).toEqual(new Set(['aborted']))
  })

  test('redirects are answers', async () => {
    const url = await serve((_request, response) => response.writeHead(302, { location: 'http://169.254.169.254/' }).end())
    expect(await inside.request(url, { method: 'GET', timeout_ms: 30_000 })).toMatchObject({
      status: 302,
      headers: { location: 'http://169.254.169.254/' },
    })
  })

  test('an endless body is cut off', async () => {
    const url = await serve((_request, response) => {
      const more = () => {
        while (!response.destroyed && response.write('x'.repeat(10_000)));
      }
      response.on('drain', more)
      more()
    })
    const answer = await inside.request(url, { method: 'GET', timeout_ms: 30_000, max_bytes: 25_000 })
    expect(answer.body.length).toBe(25_000)
  })

  test.each([
    { when: 'the server is silent', answer: (() => undefined) as RequestListener },
    { when: 'the body stops half-way', answer: ((_request, response) => void response.writeHead(200).write('half')) as RequestListener },
  ])('$when: timeout', async ({ answer }) => {
    const url = await serve(answer)
    expect(await failure(inside.request(url, { method: 'GET', timeout_ms: 150 }))).toBe('timeout')
  })

  test('other ends', async () => {
    const url = await serve((_request, response) => response.destroy())
    expect(await failure(inside.request(url, { method: 'GET', timeout_ms: 30_000 }))).toBe('connection_failed')
    expect(await failure(inside.request('http://127.0.0.1:1/', { method: 'GET', timeout_ms: 30_000 }))).toBe('connection_failed')
    expect(await failure(inside.request(url.replace('http:', 'https:'), { method: 'GET', timeout_ms: 30_000 }))).toBe('tls_failed')
    const silent = await serve(() => undefined)
    const stop = new AbortController()
    const given = failure(inside.request(silent, { method: 'GET', timeout_ms: 30_000, signal: stop.signal }))
    stop.abort()
    expect(await given).toBe('aborted')
  })
})

describe('health', () => {
  const get = async (port: number, path: string) => {
    await using client = openHttp({ allow_private: true })
    const { status, body } = await client.request(`http://127.0.0.1:${port}${path}`, {
      method: 'GET',
      timeout_ms: 30_000,
      max_bytes: 1_000_000,
    })
    return { status, text: Buffer.from(body).toString() }
  }

  test('alive whatever the dependencies do; ready only with them', async () => {
    let mysql = async () => {}
    await using health = await serveHealth({
      port: 0,
      metrics_port: 0,
      deadline_ms: 50,
      checks: { mysql: () => mysql(), amqp: async () => {} },
      optional: { redis: () => Promise.reject(new Error('redis://u:planted@h is away')) },
    })
    expect(await get(health.port, '/ready')).toMatchObject({ status: 200 })
    mysql = () => new Promise(() => undefined)
    const ready = await get(health.port, '/ready?x=1')
    expect(ready.status).toBe(503)
    expect(JSON.parse(ready.text)).toEqual({
      status: 'unready',
      failed: ['mysql'],
      checks: { mysql: 'no answer within 50 ms', amqp: 'ok', redis: 'redis://u:[redacted]@h is away' },
    })
    expect((await get(health.port, '/health')).status).toBe(200)
    expect((await get(health.port, '/other')).status).toBe(404)
    mysql = async () => {}
    health.drain()
    expect(await get(health.port, '/ready')).toMatchObject({ status: 503, text: expect.stringContaining('stopping') })
    const metrics = await get(health.metrics_port ?? 0, '/metrics')
    for (const name of [
      'voipbin_http_requests_total',
      'voipbin_rpc_request_duration_seconds',
      'voipbin_active_calls_gauge',
      'voipbin_process_cpu_ms',
    ]) {
      expect(metrics.text).toContain(name)
    }
  })
})
