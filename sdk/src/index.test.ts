import { getEventListeners } from 'node:events'
import { describe, expect, expectTypeOf, test } from 'vitest'
import * as sdk from './index.ts'
import {
  type Call,
  ConnectionError,
  type GeneralReason,
  NotFoundError,
  type Reason,
  type ReasonMap,
  ResourceExhaustedError,
  type RetryInfo,
  TimeoutError,
  UnavailableError,
  VoIPBIN,
  VoIPBINError,
  type VoIPBINOptions,
} from './index.ts'
import { type Answer, serve } from './server-fixture.ts'

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
    expect(keys[0]).toMatch(/^[0-9a-f]{32}$/)
    await client(url).calls.create({ destinations: [{ target: '1001' }] } as never, { idempotencyKey: 'mine' })
    expect(seen.at(-1)?.headers['idempotency-key']).toBe('mine')
    await client(url).calls.create({ destinations: [{ target: '1001' }] } as never)
    expect(keys).not.toContain(seen.at(-1)?.headers['idempotency-key'])
  })

  test.each(['', '.', '..', undefined])('refuse %j where an id belongs', async id => {
    const { url, seen } = await serve({ status: 200 })
    expect(() => client(url).calls.delete(id as string)).toThrow(`'${id}' is no id`)
    expect(seen).toEqual([])
  })
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
    const told: RetryInfo[] = []
    await client(url, { onRetry: info => told.push(info) }).calls.get('c1')
    expect(seen).toHaveLength(attempts)
    expect(told.map(({ attempt }) => attempt)).toEqual(answers.slice(1).map((_, i) => i + 1))
    for (const [i, { status, error, method, url: where }] of told.entries()) {
      const answer = answers[i]
      expect([method, where]).toEqual(['GET', `${url}/v1.0/calls/c1`])
      expect(status).toBe(typeof answer === 'object' ? answer.status : undefined)
      expect(error === undefined).toBe(typeof answer === 'object')
    }
  })

  const finals: { when: string; answer: Answer; want: new (...args: never[]) => Error; attempts: number }[] = [
    { when: 'there is nothing', answer: { status: 404, body: problem('NOT_FOUND', 'CALL_NOT_FOUND') }, want: NotFoundError, attempts: 1 },
    {
      when: 'the limit stays hit',
      answer: { status: 429, headers: now, body: problem('RESOURCE_EXHAUSTED', 'RATE_LIMITED') },
      want: ResourceExhaustedError,
      attempts: 3,
    },
    { when: 'the connection stays broken', answer: 'reset', want: ConnectionError, attempts: 3 },
    { when: 'no answer comes', answer: 'hang', want: TimeoutError, attempts: 3 },
  ]
  test.each(finals)('end when $when', async ({ answer, want, attempts }) => {
    const { url } = await serve(answer)
    const failed: number[] = []
    // Only what never comes is waited for shortly: a busy machine may be slow to answer.
    const limit = answer === 'hang' ? { timeoutMs: 50 } : {}
    const own = client(url, { ...limit, onRetry: ({ attempt }) => failed.push(attempt) })
    await expect(own.calls.get('c1')).rejects.toBeInstanceOf(want)
    expect(failed).toHaveLength(attempts - 1)
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

describe('an error', () => {
  test('says everything the platform said', async () => {
    const { url } = await serve({ status: 404, headers: { 'ratelimit-remaining': '7' }, body: problem('NOT_FOUND', 'CALL_NOT_FOUND') })
    const error = await client(url)
      .calls.get('c1')
      .catch((e: unknown) => e)
    expect(error).toBeInstanceOf(NotFoundError)
    expect(error).toMatchObject({
      name: 'NotFoundError',
      status: 'NOT_FOUND',
      reason: 'CALL_NOT_FOUND',
      httpStatus: 404,
      request_id: 'r1',
      details: [{ field: '/a', rule: 'required' }],
    })
    expect((error as NotFoundError).message).toBe('CALL_NOT_FOUND: No. (request r1)\n  /a: required')
    expect(Object.keys(error as NotFoundError)).not.toContain('response')
    expect((error as NotFoundError).response.headers.get('ratelimit-remaining')).toBe('7')
    expectTypeOf<NotFoundError['reason']>().toEqualTypeOf<ReasonMap['NOT_FOUND']>()
    expectTypeOf<VoIPBINError['reason']>().toEqualTypeOf<Reason>()
  })

  test.each([
    { cause: new Error('connect ECONNREFUSED 127.0.0.1:8080'), want: 'connect ECONNREFUSED 127.0.0.1:8080' },
    { cause: Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' }), want: 'ECONNREFUSED' },
    { cause: undefined, want: 'fetch failed' },
  ])('of a connection says why: $want', async ({ cause, want }) => {
    const fetch = () => Promise.reject(new TypeError('fetch failed', { cause }))
    await expect(client('http://h', { fetch, maxRetries: 0 }).calls.get('c1')).rejects.toThrow(`The connection failed: ${want}.`)
  })

  const classes = Object.entries(sdk).filter(([, value]) => Object.getPrototypeOf(value) === VoIPBINError)
  test('has a class for every status', () => expect(classes).toHaveLength(14))
  test.each(classes)('%s has the name of its class', (name, type) => {
    const body = {
      status: name
        .replace(/Error$/, '')
        .replace(/\B([A-Z])/g, '_$1')
        .toUpperCase(),
      reason: 'INTERNAL',
      message: '',
      request_id: '',
    }
    const one = new (type as unknown as new (...args: unknown[]) => Error)(body, new Response())
    expect(one.name).toBe(name)
  })

  test.each([
    { http: 502, text: '<html>Bad gateway', want: UnavailableError, reason: 'UNAVAILABLE' },
    { http: 404, text: 'nothing here', want: NotFoundError, reason: 'PATH_NOT_FOUND' },
    { http: 429, text: '', want: ResourceExhaustedError, reason: 'RATE_LIMITED' },
  ])('of something in between goes by its HTTP status $http', async ({ http, text, want, reason }) => {
    const { url } = await serve({ status: http, text, headers: { 'x-request-id': 'r2' } })
    const error = await client(url, { maxRetries: 0 })
      .calls.get('c1')
      .catch((e: unknown) => e)
    expect(error).toBeInstanceOf(want)
    expect(error).toMatchObject({ reason, request_id: 'r2' })
  })

  test('of a kind that is not known yet is a VoIPBINError', async () => {
    const { url } = await serve({ status: 418, body: problem('TEAPOT', 'SHORT_AND_STOUT') })
    await expect(client(url).calls.get('c1')).rejects.toMatchObject({ name: 'TeapotError', reason: 'SHORT_AND_STOUT' })
    await expect(client(url).calls.get('c1')).rejects.toBeInstanceOf(VoIPBINError)
  })
})

describe('an answer', () => {
  test('is given with what it came in', async () => {
    const { url } = await serve({ status: 200, body: { id: 'c1' }, headers: { 'x-request-id': 'r1', 'ratelimit-remaining': '9' } })
    const { data, response, request_id } = await client(url).calls.get('c1').withResponse()
    expect(data).toEqual({ id: 'c1' })
    expect([response.status, response.headers.get('ratelimit-remaining'), request_id]).toEqual([200, '9', 'r1'])
    expectTypeOf(data).toEqualTypeOf<Call>()
  })

  test('is given unread, and is an error all the same when it is one', async () => {
    const { url } = await serve({ status: 200, body: { id: 'c1' } }, { status: 404, body: problem('NOT_FOUND', 'CALL_NOT_FOUND') })
    const response = await client(url).calls.get('c1').asResponse()
    expect(response.bodyUsed).toBe(false)
    expect(await response.text()).toBe('{"id":"c1"}')
    await expect(client(url).calls.get('c1').asResponse()).rejects.toBeInstanceOf(VoIPBINError)
  })

  test('is given as a result whose error has the reasons of the operation', async () => {
    const { url } = await serve({ status: 404, body: problem('NOT_FOUND', 'CALL_NOT_FOUND') }, { status: 200, body: { id: 'c1' } })
    const bad = await client(url).calls.get('c1').asResult()
    expect(bad.error).toBeInstanceOf(NotFoundError)
    if (bad.error) expectTypeOf(bad.error.reason).toEqualTypeOf<'CALL_NOT_FOUND' | GeneralReason>()
    const good = await client(url).calls.get('c1').asResult()
    expect(good).toEqual({ data: { id: 'c1' } })
    if (!good.error) expectTypeOf(good.data).toEqualTypeOf<Call>()
  })

  test('that never came is no result', async () => {
    const { url } = await serve('reset')
    await expect(client(url, { maxRetries: 0 }).calls.get('c1').asResult()).rejects.toBeInstanceOf(ConnectionError)
  })

  test('is not waited for unless somebody asks, but the request is made', async () => {
    const { url, seen } = await serve({ status: 200 })
    void client(url).calls.hangup('c1')
    await expect.poll(() => seen).toHaveLength(1)
  })

  test('of a file is its bytes', async () => {
    const { url, seen } = await serve({ status: 200, text: 'RIFF', headers: { 'content-type': 'audio/wav' } })
    const query = { expires: 1, signature: 's' }
    const file = await client(url).storageFiles.getContent('f1', query as never)
    expect([file.type, await file.text()]).toEqual(['audio/wav', 'RIFF'])
    expect(seen[0]?.headers.authorization).toBeUndefined()
  })

  test('of a file may take longer than the time limit, and is a failed connection when it breaks off', async () => {
    const gates: (() => void)[] = []
    const file = (end: (controller: ReadableStreamDefaultController) => void) => {
      const pull = async (controller: ReadableStreamDefaultController): Promise<void> => {
        await new Promise<void>(resolve => gates.push(resolve))
        end(controller)
      }
      const answer = () => Promise.resolve(new Response(new ReadableStream({ pull }, { highWaterMark: 0 })))
      return client('http://localhost', { timeoutMs: 30, fetch: answer }).storageFiles.getContent('f1', {} as never)
    }
    const slow = file(controller => controller.close())
    await expect.poll(() => gates).toHaveLength(1)
    // Until after the time limit, which would have ended it.
    await expect(client((await serve('hang')).url, { timeoutMs: 60, maxRetries: 0 }).calls.get('c1')).rejects.toBeInstanceOf(TimeoutError)
    gates[0]?.()
    expect((await slow).size).toBe(0)
    const broken = file(controller => controller.error(new TypeError('terminated')))
    await expect.poll(() => gates).toHaveLength(2)
    gates[1]?.()
    await expect(broken).rejects.toBeInstanceOf(ConnectionError)
  })

  test('that is no JSON is a failed connection', async () => {
    const { url } = await serve({ status: 200, text: '<html>Sign in to the hotel' })
    await expect(client(url).calls.get('c1')).rejects.toMatchObject({ name: 'ConnectionError', message: 'The answer is no JSON.' })
  })

  test('that breaks off is asked for again', async () => {
    const { url, seen } = await serve('cut', { status: 200, body: { id: 'c1' } })
    await expect(client(url).calls.get('c1')).resolves.toEqual({ id: 'c1' })
    expect(seen).toHaveLength(2)
  })
})

describe('a signal', () => {
  test.each<{ when: string; answer: Answer; settled: boolean }>([
    { when: 'there was an answer', answer: { status: 200 }, settled: true },
    { when: 'there was an error', answer: { status: 404, body: problem('NOT_FOUND', 'CALL_NOT_FOUND') }, settled: false },
    { when: 'the connection broke', answer: 'reset', settled: false },
    { when: 'no answer came', answer: 'hang', settled: false },
  ])('has no listener left when $when', async ({ answer, settled }) => {
    const { url } = await serve(answer)
    const { signal } = new AbortController()
    const result = client(url, { timeoutMs: answer === 'hang' ? 50 : 30_000, maxRetries: 1 }).calls.get('c1', { signal })
    await (settled ? result : expect(result).rejects.toThrow())
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })

  test('has no listener left when a streamed answer was read or given up', async () => {
    const { url } = await serve({ status: 200, text: 'x'.repeat(100_000) })
    const { signal } = new AbortController()
    const response = await client(url).calls.get('c1', { signal }).asResponse()
    expect(getEventListeners(signal, 'abort')).toHaveLength(1)
    expect(await response.text()).toHaveLength(100_000)
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
    const other = await client(url).calls.get('c1', { signal }).asResponse()
    await other.body?.cancel()
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })

  test('ends a body that stalls, read by us or by the caller', async () => {
    const { url } = await serve('stall')
    const stop = new AbortController()
    const whole = client(url).calls.get('c1', { signal: stop.signal })
    const response = await client(url).calls.get('c1', { signal: stop.signal }).asResponse()
    const text = response.text()
    stop.abort(new Error('enough'))
    await expect(whole).rejects.toThrow('enough')
    await expect(text).rejects.toThrow('enough')
    expect(getEventListeners(stop.signal, 'abort')).toHaveLength(0)
  })
})

describe('options of one request', () => {
  test('go before those of the client', async () => {
    const sent: (string | undefined)[] = []
    const fetch: sdk.Fetch = (_url, { headers }) => {
      sent.push(headers['x-a'])
      return new Promise(() => undefined)
    }
    const waiting = client('http://localhost', { fetch, timeoutMs: 60_000, maxRetries: 5 }).calls.get('c1', {
      timeoutMs: 30,
      maxRetries: 1,
      headers: { 'x-a': 'b' },
    })
    await expect(waiting).rejects.toThrow('No answer within 30 ms.')
    expect(sent).toEqual(['b', 'b'])
  })

  test('a body that stalls is over in time', async () => {
    const { url } = await serve('stall')
    await expect(client(url, { timeoutMs: 50, maxRetries: 0 }).calls.get('c1')).rejects.toBeInstanceOf(TimeoutError)
  })
})

test('the openapi-fetch client underneath has credentials and retries', async () => {
  const { url, seen } = await serve('reset', { status: 200, body: { id: 'c1' } })
  const { data } = await client(url).api.GET('/v1.0/calls/{id}', { params: { path: { id: 'c1' } } })
  expect(data?.id).toBe('c1')
  expect(seen.map(({ headers }) => headers.authorization)).toEqual(['AccessKey ak_1', 'AccessKey ak_1'])
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
    void client(url).calls.list()
    await client(url).calls.list()
    expect(seen).toHaveLength(1)
  })
})

test('withOptions keeps the rest', async () => {
  const { url, seen } = await serve({ status: 200 })
  await client(url).withOptions({ accessKey: 'ak_2' }).calls.get('c1')
  expect(seen[0]?.headers.authorization).toBe('AccessKey ak_2')
})
