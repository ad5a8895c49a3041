import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { invalidate, openCache, type RedisCache } from './cache.ts'
import { type LimitClass, Limits } from './limits.ts'
import { testPrefix, testUrl, until } from './testing.ts'

let cache: RedisCache
beforeAll(async () => {
  cache = openCache({ url: testUrl('REDIS_URL'), prefix: `${testPrefix()}:`, command_ms: 30_000 })
  expect(await cache.ready()).toBe(true)
})
afterAll(() => cache.close())

describe('cache', () => {
  test('keeps JSON for its time', async () => {
    await cache.set('a', { n: 1, list: ['x'] }, 60)
    expect(await cache.get('a')).toEqual({ n: 1, list: ['x'] })
    expect(await cache.redis.ttl('a')).toBeGreaterThan(50)
    await cache.del('a')
    expect(await cache.get('a')).toBeUndefined()
  })
  test('an invalidated key cannot be filled for a moment, but set', async () => {
    await cache.set('k', 'old', 60)
    await invalidate('k')
    expect(await cache.get('k')).toBeUndefined()
    await cache.fill('k', 'old', 60)
    expect(await cache.get('k')).toBeUndefined()
    await cache.set('k', 'new', 60)
    expect(await cache.get('k')).toBe('new')
  })
  test('hints reach every subscriber of this prefix', async () => {
    const got: unknown[] = []
    const end = await cache.subscribe('hints', value => void got.push(value))
    await cache.publish('hints', { changed: 'x' })
    await until(() => got.length === 1, { what: 'the hint' })
    expect(got).toEqual([{ changed: 'x' }])
    await end()
  })
})

/** A door to Redis that can be shut, or left standing with nobody answering. */
async function doorToRedis() {
  const real = new URL(testUrl('REDIS_URL'))
  const sockets = new Set<Socket>()
  let mode: 'open' | 'mute' = 'open'
  const server = createServer(client => {
    const redis = connect(Number(real.port), real.hostname)
    for (const [from, to] of [
      [client, redis],
      [redis, client],
    ] as const) {
      sockets.add(from)
      from.on('data', data => void (mode === 'open' && to.write(data)))
      from.on('close', () => to.destroy())
      from.on('error', () => from.destroy())
    }
  })
  const open = async (port = 0) => {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    return (server.address() as AddressInfo).port
  }
  const shut = async () => {
    const closed = once(server, 'close')
    server.close()
    for (const socket of sockets) socket.destroy()
    sockets.clear()
    await closed
  }
  const url = (port: number) => Object.assign(new URL(real), { hostname: '127.0.0.1', port }).href
  return { open, shut, url, mute: () => (mode = 'mute'), unmute: () => (mode = 'open') }
}

describe('a Redis that is away', () => {
  test('costs nothing, throws nothing, and makes up for invalidations', async () => {
    const door = await doorToRedis()
    const port = await door.open()
    await using far = openCache({ url: door.url(port), prefix: cache.prefix })
    await far.ready()
    await far.set('owed', 'old', 60)
    await door.shut()
    await until(() => !far.available, { what: 'the loss to be noticed' })
    const started = performance.now()
    await far.set('x', 1, 60)
    await far.invalidate('owed')
    expect(await far.get('owed')).toBeUndefined()
    expect(performance.now() - started).toBeLessThan(2_000)
    expect(await cache.get('owed')).toBe('old')
    await door.open(port)
    await until(async () => (await cache.get('owed')) === undefined, { what: 'the owed invalidation' })
    await until(() => far.available, { what: 'the cache to be back' })
    await far.set('x', 2, 60)
    expect(await far.get('x')).toBe(2)
    await door.shut()
  })
  test('that hangs is asked once, not by every request', async () => {
    const door = await doorToRedis()
    const port = await door.open()
    await using far = openCache({ url: door.url(port), prefix: cache.prefix })
    await far.ready()
    door.mute()
    const started = performance.now()
    expect(await far.get('a')).toBeUndefined()
    for (let n = 0; n < 20; n++) expect(await far.get('a')).toBeUndefined()
    expect(performance.now() - started).toBeLessThan(5_000)
    await door.shut()
  })
  test('never there: everything still answers', async () => {
    await using far = openCache({ url: 'redis://127.0.0.1:1' })
    expect(await far.ready(50)).toBe(false)
    expect(await far.get('a')).toBeUndefined()
    await expect(far.ping()).rejects.toThrow()
  })
})

const within = (least: number, most: number) => (value: number) => value >= least && value <= most

describe('limits', () => {
  const api: LimitClass = { name: 'api', per_minute: 6 }
  let limits: Limits
  beforeAll(() => {
    limits = new Limits(cache)
  })
  const drain = async (query: Parameters<Limits['check']>[0], times: number) => {
    const answers = []
    for (let n = 0; n < times; n++) answers.push(await limits.check(query))
    return answers
  }

  test('twice the minute at once, then a sixtieth a second', async () => {
    const answers = await drain({ subject: testPrefix(), class: api }, 13)
    expect(answers.map(({ allowed }) => allowed)).toEqual([...Array(12).fill(true), false])
    expect(answers[0]).toMatchObject({
      class: 'api',
      limit: 6,
      remaining: 11,
      reset_s: 10,
      retry_after_s: 0,
      away: false,
      known: true,
    })
    // A token comes every ten seconds, and the first is on its way.
    expect(answers[12]).toMatchObject({
      remaining: 0,
      retry_after_s: expect.toSatisfy(within(1, 10)),
      reset_s: expect.toSatisfy(within(110, 120)),
    })
  })
  test('refills with time', async () => {
    const subject = testPrefix()
    const fast = { subject, class: { name: 'api', per_minute: 600 } }
    // Full in two minutes, so empty now.
    await cache.redis.set(`limit:api:${subject}`, String(Date.now() + 120_000))
    expect((await limits.check(fast)).allowed).toBe(false)
    await until(async () => (await limits.check(fast)).allowed, { what: 'a token after 100 ms' })
  })
  test('classes have buckets of their own', async () => {
    const subject = testPrefix()
    const create = { name: 'call_create', per_minute: 1 }
    const answers = await drain({ subject, class: create }, 3)
    expect(answers.map(({ allowed }) => allowed)).toEqual([true, true, false])
    expect(answers[2]).toMatchObject({ class: 'call_create', limit: 1 })
    expect((await limits.check({ subject, class: api })).remaining).toBe(11)
  })
  test('a class of rate 0 never opens', async () => {
    const answer = await limits.check({ subject: testPrefix(), class: { name: 'api', per_minute: 0 } })
    expect(answer).toMatchObject({ allowed: false, remaining: 0, retry_after_s: 60 })
  })
  test('a bucket that is full again leaves nothing behind', async () => {
    const subject = testPrefix()
    await limits.check({ subject, class: { name: 'api', per_minute: 60_000 } })
    await until(async () => (await cache.redis.exists(`limit:api:${subject}`)) === 0, { what: 'the bucket to go' })
  })
  test('a session is kept alive up to its end, and its activity is due once a minute', async () => {
    const subject = testPrefix()
    const exp = Math.floor(Date.now() / 1000) + 1_000
    await cache.set('session:h1', { exp }, 5)
    const query = { session: 'h1', subject, class: api }
    expect(await limits.check(query)).toMatchObject({ known: true, note: true, allowed: true, limit: 6, remaining: 11 })
    expect(await limits.check(query)).toMatchObject({ known: true, note: false, remaining: 10 })
    expect(await cache.redis.ttl('session:h1')).toBeGreaterThan(900)
    expect(await cache.redis.ttl('session:h1')).toBeLessThanOrEqual(1_000)
    await cache.redis.del('session:h1:noted')
    expect((await limits.check(query)).note).toBe(true)
  })
  test('an unknown or invalidated session takes nothing', async () => {
    const subject = testPrefix()
    await cache.set('session:h2', { customer_id: subject }, 60)
    await cache.invalidate('session:h2')
    for (const session of ['h2', 'never']) {
      expect(await limits.check({ session, subject, class: api })).toMatchObject({ known: false, away: false, allowed: true })
    }
    expect(await cache.redis.exists(`limit:api:${subject}`)).toBe(0)
  })
  test('a hundred at once take no more than there are', async () => {
    const subject = testPrefix()
    const answers = await Promise.all(Array.from({ length: 100 }, () => limits.check({ subject, class: { name: 'api', per_minute: 2 } })))
    expect(answers.filter(({ allowed }) => allowed)).toHaveLength(4)
  })
  test('without Redis a local bucket holds', async () => {
    await using far = openCache({ url: 'redis://127.0.0.1:1' })
    const local = new Limits(far)
    const subject = testPrefix()
    const answers = []
    for (let n = 0; n < 13; n++) answers.push(await local.check({ session: 'h', subject, class: api }))
    expect(answers.filter(({ allowed }) => allowed)).toHaveLength(12)
    expect(answers[12]).toMatchObject({ away: true, known: false, remaining: 0, retry_after_s: expect.toSatisfy(within(1, 10)) })
  })
})
