import { describe, expect, test, vi } from 'vitest'
import { pauseBefore } from './transport.ts'
import { within } from './within.ts'

const request = (method: string, headers: Record<string, string> = {}) => new Request('http://localhost/', { method, headers })
const answer = (status: number, retryAfter?: string) =>
  new Response(null, { status, headers: retryAfter === undefined ? {} : { 'retry-after': retryAfter } })
const get = request('GET')
const post = request('POST')
const create = request('POST', { 'idempotency-key': 'k' })

describe('another attempt', () => {
  test.each([
    { when: 'a GET got no answer', ask: get, got: undefined, again: true },
    { when: 'a PUT got no answer', ask: request('PUT'), got: undefined, again: true },
    { when: 'a POST got no answer', ask: post, got: undefined, again: false },
    { when: 'a create got no answer', ask: create, got: undefined, again: true },
    { when: 'a GET got 408', ask: get, got: answer(408), again: true },
    { when: 'a POST got 408', ask: post, got: answer(408), again: false },
    { when: 'a GET got 500', ask: get, got: answer(500), again: true },
    { when: 'a POST got 500', ask: post, got: answer(500), again: false },
    { when: 'a create got 504', ask: create, got: answer(504), again: true },
    { when: 'a POST got 503', ask: post, got: answer(503), again: true },
    { when: 'a POST got 429', ask: post, got: answer(429), again: true },
    { when: 'a create got a 409 that says when', ask: create, got: answer(409, '1'), again: true },
    { when: 'a create got a 409', ask: create, got: answer(409), again: false },
    { when: 'a GET got 404', ask: get, got: answer(404), again: false },
    { when: 'the pause would be longer than a minute', ask: get, got: answer(429, '61'), again: false },
  ])('$when: $again', ({ ask, got, again }) => expect(pauseBefore(1, ask, got) !== undefined).toBe(again))

  test('waits as long as Retry-After says, in seconds or until a date', () => {
    expect(pauseBefore(1, get, answer(429, '7'))).toBe(7000)
    vi.useFakeTimers({ now: new Date('2026-01-20T12:00:00Z') })
    try {
      expect(pauseBefore(1, get, answer(503, 'Tue, 20 Jan 2026 12:00:09 GMT'))).toBe(9000)
    } finally {
      vi.useRealTimers()
    }
  })

  test.each(['soon', 'Tue, 20 Jan 2015 12:00:09 GMT'])('takes the usual pause after Retry-After: %s', text =>
    expect(pauseBefore(1, get, answer(503, text))).toBeLessThan(500),
  )

  test('waits a random time up to a limit that doubles and ends at 8 s', () => {
    const random = vi.spyOn(Math, 'random')
    try {
      random.mockReturnValue(0.999_999)
      expect([1, 2, 3, 4, 5, 6, 12].map(attempt => Math.round(pauseBefore(attempt, get, undefined) ?? -1))).toEqual([
        500, 1000, 2000, 4000, 8000, 8000, 8000,
      ])
      random.mockReturnValue(0)
      expect(pauseBefore(5, get, undefined)).toBe(0)
    } finally {
      random.mockRestore()
    }
  })
})

test('a time without end is none that is over at once', async () => {
  const slow = () => new Promise<string>(resolve => setTimeout(() => resolve('done'), 50))
  await expect(within(slow, { timeoutMs: Number.POSITIVE_INFINITY, late: () => new Error('late') })).resolves.toBe('done')
})

test('work that never ends ends with its time', async () => {
  const stops: AbortSignal[] = []
  const hang = (stop: AbortSignal): Promise<never> => {
    stops.push(stop)
    return new Promise(() => undefined)
  }
  await expect(within(hang, { timeoutMs: 1, late: () => new Error('late') })).rejects.toThrow('late')
  await expect(within(hang, { timeoutMs: 60_000, late: () => new Error('late'), signal: AbortSignal.abort('gone') })).rejects.toBe('gone')
  expect(stops.map(({ aborted }) => aborted)).toEqual([true])
})
