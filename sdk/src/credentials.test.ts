import { describe, expect, test } from 'vitest'
import { TimeoutError, type TokenRequest, UnauthenticatedError, VoIPBIN } from './index.ts'
import { type Answer, type Seen, serve } from './server-fixture.ts'

const refusal: Answer = {
  status: 401,
  body: { error: { status: 'UNAUTHENTICATED', reason: 'TOKEN_EXPIRED', message: 'No.', request_id: 'r1', details: [] } },
}
/** A platform that takes the tokens that `good` names. */
const takes = (good: () => string) =>
  serve(({ headers }: Seen) => (headers.authorization === `Bearer ${good()}` ? { status: 200 } : refusal))
const tokensOf = (seen: Seen[]) => seen.map(({ headers }) => headers.authorization?.replace('Bearer ', ''))

/** A source that signs in: `t1`, `t2` … */
function source() {
  const asked: TokenRequest[] = []
  return {
    asked,
    token: (request: TokenRequest) => {
      asked.push(request)
      return Promise.resolve(`t${asked.length}`)
    },
  }
}

describe('a token source', () => {
  test('that gives promises is asked once', async () => {
    const { url, seen } = await takes(() => 't1')
    const { token, asked } = source()
    const client = new VoIPBIN({ token, baseUrl: url })
    await Promise.all([client.calls.get('a'), client.calls.get('b')])
    await client.withOptions({ maxRetries: 0 }).calls.get('c')
    expect(asked).toEqual([{ refresh: false }])
    expect(tokensOf(seen)).toEqual(['t1', 't1', 't1'])
  })

  test('that answers at once is asked every time', async () => {
    const { url, seen } = await serve({ status: 200 })
    let now = 'a'
    const client = new VoIPBIN({ token: () => now, baseUrl: url })
    await client.calls.get('1')
    now = 'b'
    await client.calls.get('2')
    expect(tokensOf(seen)).toEqual(['a', 'b'])
  })

  test('is asked for another token once by requests that are refused together', async () => {
    let good = 't1'
    const { url, seen } = await takes(() => good)
    const { token, asked } = source()
    const client = new VoIPBIN({ token, baseUrl: url })
    await client.calls.get('first')
    good = 't2'
    await Promise.all(['a', 'b', 'c'].map(id => client.calls.get(id)))
    expect(asked).toEqual([{ refresh: false }, { refresh: true }])
    expect(tokensOf(seen).filter(one => one === 't2')).toHaveLength(3)
    await client.calls.get('later')
    expect(tokensOf(seen).at(-1)).toBe('t2')
  })

  test('is not asked again by a refusal that comes after the new token', async () => {
    let good = 't1'
    let late: (() => void) | undefined
    const { url } = await takes(() => good)
    const { token, asked } = source()
    const slow = new VoIPBIN({
      token,
      baseUrl: url,
      fetch: async (url, init) => {
        const answer = await fetch(url, init)
        if (url.endsWith('slow') && answer.status === 401) await new Promise<void>(resolve => (late = resolve))
        return answer
      },
    })
    await slow.calls.get('first')
    good = 't2'
    const waiting = slow.calls.get('slow')
    await slow.calls.get('quick')
    await expect.poll(() => late).toBeDefined()
    late?.()
    await waiting
    expect(asked).toEqual([{ refresh: false }, { refresh: true }])
  })

  test('without another token leaves the refusal as it is', async () => {
    const { url, seen } = await takes(() => 'none')
    for (const token of ['fixed', () => 'fixed', () => Promise.resolve('fixed')]) {
      const before = seen.length
      await expect(new VoIPBIN({ token, baseUrl: url }).calls.get('a')).rejects.toBeInstanceOf(UnauthenticatedError)
      expect(seen.length - before).toBe(1)
    }
  })

  test('is asked again for one request only when the new token is refused, too', async () => {
    const { url, seen } = await takes(() => 'none')
    const { token, asked } = source()
    await expect(new VoIPBIN({ token, baseUrl: url }).calls.get('a')).rejects.toBeInstanceOf(UnauthenticatedError)
    expect([seen.length, asked.length]).toEqual([2, 2])
  })

  test('that fails is asked again by the next request', async () => {
    const { url } = await takes(() => 'good')
    let count = 0
    const client = new VoIPBIN({
      baseUrl: url,
      token: async () => {
        if (++count === 1) throw new Error('no connection')
        return 'good'
      },
    })
    await expect(client.calls.get('a')).rejects.toThrow('no connection')
    await client.calls.get('a')
    expect(count).toBe(2)
  })

  test('that hangs makes no request hang', async () => {
    const { url, seen } = await serve({ status: 200 })
    const client = new VoIPBIN({ token: () => new Promise<string>(() => undefined), baseUrl: url, timeoutMs: 20 })
    await expect(client.calls.get('a')).rejects.toBeInstanceOf(TimeoutError)
    await expect(client.calls.get('a', { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough')
    expect(seen).toEqual([])
  })

  test('is not needed for what is public', async () => {
    const { url, seen } = await serve(refusal)
    const { token, asked } = source()
    await expect(new VoIPBIN({ token, baseUrl: url }).auth.login({ username: 'u', password: 'p' })).rejects.toBeInstanceOf(
      UnauthenticatedError,
    )
    expect(seen.map(({ headers }) => headers.authorization)).toEqual([undefined])
    expect(asked).toEqual([])
  })
})

test('withOptions exchanges one kind of credentials for the other', async () => {
  const { url, seen } = await serve({ status: 200 })
  const client = new VoIPBIN({ accessKey: 'ak_1', baseUrl: url })
  await client.withOptions({ token: 't' }).calls.get('a')
  await client.withOptions({ token: 't' }).withOptions({ accessKey: 'ak_2' }).calls.get('a')
  await client.withOptions({ maxRetries: 0 }).calls.get('a')
  expect(seen.map(({ headers }) => headers.authorization)).toEqual(['Bearer t', 'AccessKey ak_2', 'AccessKey ak_1'])
})
