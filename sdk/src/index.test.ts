import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { ConnectionError, NotFoundError, RateLimitError, TimeoutError, VoIPBIN, VoIPBINError, type VoIPBINOptions } from './index.ts'

interface Seen {
  method: string
  url: string
  headers: IncomingMessage['headers']
  body: string
}
type Answer = { status: number; body?: unknown; headers?: Record<string, string> } | 'hang' | 'reset'

const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
})

/** A server that gives the answers in turn, the last one for ever, and remembers what it was asked. */
async function serve(...answers: Answer[]): Promise<{ url: string; seen: Seen[] }> {
  const seen: Seen[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += String(chunk)
    seen.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers, body })
    const answer = answers[Math.min(seen.length, answers.length) - 1]
    if (answer === 'reset') request.socket.destroy()
    else if (answer && answer !== 'hang')
      response.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers }).end(JSON.stringify(answer.body ?? {}))
  })
  servers.push(server)
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen }
}

const problem = (status: string, reason: string) => ({
  error: { status, reason, message: 'No.', request_id: 'r1', details: [{ field: '/a', rule: 'required' }] },
})
const client = (baseUrl: string, options: Partial<VoIPBINOptions> = {}) => new VoIPBIN({ accessKey: 'ak_1', baseUrl, ...options })
const now = { 'retry-after': '0' }

describe('requests', () => {
  test('put path, query, body and credentials where they belong', async () => {
    const { url, seen } = await serve({ status: 201, body: { id: 'c1' } })
    const body = { source: { target: '+15551234567' }, destinations: [{ target: '+15557654321' }] }
    await expect(client(`${url}/v1.0`).calls.create(body)).resolves.toEqual({ id: 'c1' })
    await client(url, { accessKey: '', token: () => 'jwt' }).calls.get('a/b')
    await client(url).calls.list({ page_size: 2 })
    expect(seen.map(({ method, url: path }) => `${method} ${path}`)).toEqual([
      'POST /v1.0/calls',
      'GET /v1.0/calls/a%2Fb',
      'GET /v1.0/calls?page_size=2',
    ])
    expect(seen.map(({ headers }) => headers.authorization)).toEqual(['AccessKey ak_1', 'Bearer jwt', 'AccessKey ak_1'])
    expect(JSON.parse(seen[0]?.body ?? '')).toEqual(body)
  })

  test('carry one Idempotency-Key through all attempts of a create', async () => {
    const { url, seen } = await serve({ status: 503, headers: now }, 'reset', { status: 201 })
    await client(url).calls.create({ destinations: [{ target: '1001' }] } as never)
    const keys = seen.map(({ headers }) => headers['idempotency-key'])
    expect(keys).toHaveLength(3)
    expect(new Set(keys).size).toBe(1)
    await client(url).calls.create({ destinations: [{ target: '1001' }] } as never, { idempotency_key: 'mine' })
    expect(seen.at(-1)?.headers['idempotency-key']).toBe('mine')
  })

  test('refuse to start without credentials', () => expect(() => new VoIPBIN({})).toThrow('VoIPBIN needs an accessKey or a token'))
})

describe('retries', () => {
  const cases: { when: string; answers: Answer[]; attempts: number }[] = [
    { when: 'the limit is hit', answers: [{ status: 429, headers: now }, { status: 200 }], attempts: 2 },
    { when: 'the platform is away', answers: [{ status: 503, headers: now }, { status: 503, headers: now }, { status: 200 }], attempts: 3 },
    { when: 'the request was too slow', answers: [{ status: 408, headers: now }, { status: 200 }], attempts: 2 },
    { when: 'a conflict says when to come back', answers: [{ status: 409, headers: now }, { status: 200 }], attempts: 2 },
    { when: 'the connection breaks', answers: ['reset', { status: 200 }], attempts: 2 },
  ]
  test.each(cases)('happen when $when', async ({ answers, attempts }) => {
    const { url, seen } = await serve(...answers)
    const told: number[] = []
    await client(url, { onRetry: ({ attempt }) => told.push(attempt) }).calls.get('c1')
    expect(seen).toHaveLength(attempts)
    expect(told).toHaveLength(attempts - 1)
  })

  const finals: { when: string; answer: Answer; want: new (...args: never[]) => Error; attempts: number }[] = [
    { when: 'there is nothing', answer: { status: 404, body: problem('NOT_FOUND', 'CALL_NOT_FOUND') }, want: NotFoundError, attempts: 1 },
    {
      when: 'the limit stays hit',
      answer: { status: 429, headers: now, body: problem('RESOURCE_EXHAUSTED', 'RATE_LIMITED') },
      want: RateLimitError,
      attempts: 3,
    },
    { when: 'the connection stays broken', answer: 'reset', want: ConnectionError, attempts: 3 },
    { when: 'no answer comes', answer: 'hang', want: TimeoutError, attempts: 3 },
  ]
  test.each(finals)('end when $when', async ({ answer, want, attempts }) => {
    const { url, seen } = await serve(answer)
    await expect(client(url, { timeout_ms: 200 }).calls.get('c1')).rejects.toBeInstanceOf(want)
    expect(seen).toHaveLength(attempts)
  })

  test('never repeat an action that may have taken effect', async () => {
    const { url, seen } = await serve({ status: 500, body: problem('INTERNAL', 'INTERNAL') })
    await expect(client(url).calls.hangup('c1')).rejects.toBeInstanceOf(VoIPBINError)
    expect(seen).toHaveLength(1)
  })

  test('stop when the caller gives up', async () => {
    const { url, seen } = await serve({ status: 503, headers: { 'retry-after': '60' } })
    const stop = new AbortController()
    const result = client(url, { onRetry: () => stop.abort(new Error('enough')) }).calls.get('c1', { signal: stop.signal })
    await expect(result).rejects.toThrow('enough')
    expect(seen).toHaveLength(1)
  })
})

test('an error says everything the platform said', async () => {
  const { url } = await serve({ status: 404, body: problem('NOT_FOUND', 'CALL_NOT_FOUND') })
  const error = await client(url)
    .calls.get('c1')
    .catch((e: unknown) => e)
  expect(error).toMatchObject({
    name: 'NotFoundError',
    status: 'NOT_FOUND',
    reason: 'CALL_NOT_FOUND',
    http_status: 404,
    request_id: 'r1',
    details: [{ field: '/a', rule: 'required' }],
  })
})

describe('lists', () => {
  const pages: Answer[] = [
    { status: 200, body: { result: [{ id: 'a' }, { id: 'b' }], next_page_token: 't1' } },
    { status: 200, body: { result: [{ id: 'c' }], next_page_token: '' } },
  ]

  test('iterate over all pages', async () => {
    const { url, seen } = await serve(...pages)
    const ids: string[] = []
    for await (const call of client(url).calls.list({ page_size: 2 })) ids.push(call.id)
    expect(ids).toEqual(['a', 'b', 'c'])
    expect(seen.map(request => request.url)).toEqual(['/v1.0/calls?page_size=2', '/v1.0/calls?page_size=2&page_token=t1'])
  })

  test('awaited are one page that leads to the next', async () => {
    const { url } = await serve(...pages)
    const page = await client(url).calls.list()
    expect(page.result.map(call => call.id)).toEqual(['a', 'b'])
    const second = await page.next()
    expect(second?.result.map(call => call.id)).toEqual(['c'])
    await expect(second?.next()).resolves.toBeUndefined()
  })

  test('ask for nothing before somebody looks', async () => {
    const { url, seen } = await serve(...pages)
    client(url).calls.list()
    await client(url).calls.list()
    expect(seen).toHaveLength(1)
  })
})

test('withOptions keeps the rest', async () => {
  const { url, seen } = await serve({ status: 200 })
  await client(url).withOptions({ accessKey: 'ak_2' }).calls.get('c1')
  expect(seen[0]?.headers.authorization).toBe('AccessKey ak_2')
})
