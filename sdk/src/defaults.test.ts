import { afterEach, describe, expect, test, vi } from 'vitest'
import { type Fetch, VoIPBIN, type VoIPBINOptions } from './index.ts'
import { Realtime } from './realtime.ts'

afterEach(() => {
  vi.unstubAllEnvs()
  vi.unstubAllGlobals()
})

/** Where a client sends a request of an operation, and with what credentials. */
async function asked(options?: VoIPBINOptions, act = (client: VoIPBIN): Promise<unknown> => client.calls.get('c1')): Promise<unknown[]> {
  const seen: unknown[] = []
  const fetch: Fetch = async (url, { headers }) => {
    seen.push(url, headers.authorization)
    return Response.json({})
  }
  await act(new VoIPBIN({ ...options, fetch }))
  return seen
}
const environment = (key: string, url: string): void => {
  vi.stubEnv('VOIPBIN_ACCESS_KEY', key)
  vi.stubEnv('VOIPBIN_BASE_URL', url)
}
const hosted = 'https://api.voipbin.net/v1.0/calls/c1'

describe('a client', () => {
  test('takes key and place from the environment', async () => {
    environment(' ak_env\n', 'http://127.0.0.1:8080/v1.0/')
    expect(await asked()).toEqual(['http://127.0.0.1:8080/v1.0/calls/c1', 'AccessKey ak_env'])
  })

  test.each<{ when: string; options: VoIPBINOptions; want: unknown[] }>([
    { when: 'a key', options: { accessKey: 'ak_own' }, want: ['http://env/v1.0/calls/c1', 'AccessKey ak_own'] },
    { when: 'a token', options: { token: 'jwt' }, want: ['http://env/v1.0/calls/c1', 'Bearer jwt'] },
    { when: 'no credentials', options: { token: null }, want: ['http://env/v1.0/calls/c1', undefined] },
    { when: 'a place', options: { baseUrl: 'http://own' }, want: ['http://own/v1.0/calls/c1', 'AccessKey ak_env'] },
    { when: 'undefined', options: { accessKey: undefined, baseUrl: undefined }, want: ['http://env/v1.0/calls/c1', 'AccessKey ak_env'] },
  ])('rather takes $when that is given', async ({ options, want }) => {
    environment('ak_env', 'http://env')
    expect(await asked(options)).toEqual(want)
  })

  test('keeps them, or takes those that are given, withOptions', async () => {
    environment('ak_env', 'http://env')
    const get = (options: VoIPBINOptions) => asked({}, client => client.withOptions(options).calls.get('c1'))
    expect(await get({ maxRetries: 0 })).toEqual(['http://env/v1.0/calls/c1', 'AccessKey ak_env'])
    expect(await get({ token: null })).toEqual(['http://env/v1.0/calls/c1', undefined])
  })

  test('is for the hosted platform where there is no environment', async () => {
    vi.stubGlobal('process', undefined)
    expect(await asked({ accessKey: 'ak_1' })).toEqual([hosted, 'AccessKey ak_1'])
    expect(() => new VoIPBIN()).toThrow('VoIPBIN needs an accessKey or a token, or VOIPBIN_ACCESS_KEY in the environment')
    vi.stubGlobal('process', {
      get env() {
        throw new Error('not allowed')
      },
    })
    expect(await asked({ accessKey: 'ak_1' })).toEqual([hosted, 'AccessKey ak_1'])
  })

  test.each(['http://h', 'http://h/', 'http://h/v1.0', 'http://h/v1.0/'])('finds the same place by %s', async baseUrl =>
    expect(await asked({ accessKey: 'ak_1', baseUrl })).toEqual(['http://h/v1.0/calls/c1', 'AccessKey ak_1']),
  )
})

describe('a socket', () => {
  /** The address it is opened at. */
  async function opened(baseUrl?: string): Promise<string> {
    let seen = ''
    class Socket extends EventTarget {
      constructor(url: string) {
        super()
        seen = url
      }
      close(): void {}
    }
    const realtime = new Realtime({ baseUrl, WebSocket: Socket as unknown as typeof WebSocket })
    const connecting = realtime.connect()
    await expect.poll(() => seen).not.toBe('')
    realtime.close()
    await expect(connecting).rejects.toThrow('The client was closed.')
    return seen
  }

  test.each([
    ['http://h', 'ws://h/ws'],
    ['https://h/v1.0/', 'wss://h/ws'],
    ['wss://h/ws', 'wss://h/ws'],
    ['ws://h/v1.0/ws', 'ws://h/v1.0/ws'],
    [undefined, 'ws://env/ws'],
  ])('of %s is %s', async (baseUrl, want) => {
    environment('ak_env', 'http://env')
    expect(await opened(baseUrl)).toBe(want)
  })
})

test('fetch is called with an address and plain parts, whoever provides it', async () => {
  const fetch = vi.fn<Fetch>(async () => Response.json({ id: 'c1' }, { status: 201 }))
  const body = { source: { target: '+15551234567' }, destinations: [{ target: '1001' }] }
  await new VoIPBIN({ accessKey: 'ak_1', baseUrl: 'http://h', fetch }).calls.create(body, { idempotencyKey: 'k', headers: { 'x-a': 'b' } })
  expect(fetch).toHaveBeenCalledExactlyOnceWith('http://h/v1.0/calls', {
    method: 'POST',
    headers: { authorization: 'AccessKey ak_1', 'content-type': 'application/json', 'idempotency-key': 'k', 'x-a': 'b' },
    body: JSON.stringify(body),
    signal: expect.any(AbortSignal),
  })
})
