import { eq } from 'drizzle-orm'
import { json, mysqlTable, varchar } from 'drizzle-orm/mysql-core'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { listAudits } from './audit.ts'
import { openCache, type RedisCache } from './cache.ts'
import { owned, ownedIndexes, secretText, utc } from './columns.ts'
import { setInstallationKey } from './crypto.ts'
import { uuid7 } from './id.ts'
import { repo } from './repo.ts'
import { type TestContext, type TestDatabase, testContext, testDatabase, testPrefix, testUrl } from './testing.ts'

const lamps = mysqlTable(
  'kernel_lamps',
  {
    ...owned,
    name: varchar({ length: 64 }).notNull(),
    color: varchar({ length: 16 }).notNull().default('white'),
    tags: json().$type<string[]>(),
    note: varchar({ length: 64 }),
    pin: secretText(),
    tm_lit: utc(),
  },
  t => [...ownedIndexes('kernel_lamps', t)],
)
const lampRepo = repo(lamps, { resource: 'lamp', ttl_s: 60 })
const priceRepo = repo(lamps, { resource: 'price', public: true, audit: false, ttl_s: 0 })

let database: TestDatabase
let cache: RedisCache
let ctx: TestContext
let stranger: TestContext

beforeAll(async () => {
  setInstallationKey(Buffer.alloc(32, 5).toString('base64'))
  database = await testDatabase({ tables: [lamps] })
  cache = openCache({ url: testUrl('REDIS_URL'), prefix: `${testPrefix()}:`, command_ms: 30_000 })
  await cache.ready()
})
afterAll(async () => {
  await database.drop()
  await cache.close()
})
beforeEach(() => {
  ctx = testContext({ database, cache, actor: { type: 'agent', id: 'a1' }, address: '192.0.2.7', user_agent: 'test' })
  stranger = testContext({ database, cache })
})

const addLamp = (name = 'desk') => ctx.tx(tx => lampRepo.insert(tx, { name }))

describe('insert', () => {
  test('fills in what every row has, and answers as a read does', async () => {
    const row = await ctx.tx(tx => lampRepo.insert(tx, { name: 'desk', tags: ['a'], pin: '1234', tm_lit: '2026-01-20T12:00:00.5Z' }))
    expect(row).toMatchObject({
      customer_id: ctx.customer_id,
      version: 1,
      tm_delete: null,
      color: 'white',
      note: null,
      tm_lit: '2026-01-20T12:00:00.500000Z',
    })
    expect(row.tm_create).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/)
    expect(await lampRepo.get(ctx, row.id)).toEqual(row)
    expect(await lampRepo.get({ db: ctx.db, customer_id: ctx.customer_id }, row.id)).toEqual(row)
  })
  test('without a customer there is nothing to insert for', async () => {
    await expect(ctx.as('').tx(tx => lampRepo.insert(tx, { name: 'x' }))).rejects.toThrow('no customer')
  })
})

describe('secrets', () => {
  test('are encrypted in the table and in the cache, and absent from the audit', async () => {
    const { id } = await ctx.tx(tx => lampRepo.insert(tx, { name: 'safe', pin: 'planted-pin' }))
    await ctx.tx(tx => lampRepo.update(tx, id, { pin: 'planted-two' }))
    await cache.del(`lamp:${id}`)
    expect((await lampRepo.get(ctx, id))?.pin).toBe('planted-two')
    expect((await lampRepo.get(ctx, id))?.pin).toBe('planted-two')
    const cached = await cache.redis.get(`lamp:${id}`)
    const [rows] = await database.pool.promise().query('SELECT * FROM kernel_lamps')
    const trail = await listAudits(ctx)
    expect(cached).toContain('"safe"')
    expect(`${cached}${JSON.stringify(rows)}${JSON.stringify(trail)}`).not.toContain('planted')
    expect(trail.result[0]?.new).toEqual({ pin: '[redacted]' })
  })
})

describe('scope', () => {
  test('a foreign row is like a missing one, for every door', async () => {
    const row = await addLamp()
    expect(await lampRepo.get(ctx, row.id)).toEqual(row)
    expect(await lampRepo.get(stranger, row.id)).toBeNull()
    await expect(lampRepo.require(stranger, row.id)).rejects.toMatchObject({ reason: 'LAMP_NOT_FOUND', status: 'NOT_FOUND' })
    expect((await lampRepo.list(stranger)).result).toEqual([])
    for (const target of [row, row.id]) {
      await expect(stranger.tx(tx => lampRepo.update(tx, target, { name: 'stolen' }))).rejects.toMatchObject({ reason: 'LAMP_NOT_FOUND' })
      await expect(stranger.tx(tx => lampRepo.remove(tx, target))).rejects.toMatchObject({ reason: 'LAMP_NOT_FOUND' })
    }
    // Claiming to own the row does not help: the condition is in the statement.
    const forged = { ...row, customer_id: stranger.customer_id }
    await expect(stranger.tx(tx => lampRepo.update(tx, forged, { name: 'stolen' }))).rejects.toMatchObject({ reason: 'CONFLICT' })
    expect(await lampRepo.get(ctx, row.id)).toEqual(row)
  })
  test('no customer sees nothing', async () => {
    const row = await addLamp()
    const nobody = ctx.as('')
    expect(await lampRepo.get(nobody, row.id)).toBeNull()
    expect((await lampRepo.list(nobody)).result).toEqual([])
    await expect(nobody.tx(tx => lampRepo.update(tx, row, { name: 'x' }))).rejects.toMatchObject({ reason: 'LAMP_NOT_FOUND' })
    expect((await listAudits(nobody)).result).toEqual([])
  })
  test('a filter widens nothing', async () => {
    const row = await addLamp()
    const where = eq(lamps.customer_id, row.customer_id)
    expect((await lampRepo.list(stranger, { where })).result).toEqual([])
    await expect(lampRepo.list(ctx, { where: { nmae: 'x' } as never })).rejects.toThrow('no column nmae')
  })
  test('an id in another spelling names nothing', async () => {
    const row = await addLamp()
    expect(await lampRepo.get(ctx, row.id.toUpperCase())).toBeNull()
    expect(await lampRepo.get(ctx, `${row.id} `)).toBeNull()
  })
  test('public rows are read by all and written by their owner', async () => {
    const row = await addLamp()
    expect((await priceRepo.get(stranger, row.id))?.id).toBe(row.id)
    await expect(stranger.tx(tx => priceRepo.update(tx, row, { name: 'x' }))).rejects.toMatchObject({ reason: 'PRICE_NOT_FOUND' })
  })
  test('ownerOf and the system door', async () => {
    const row = await addLamp()
    expect(await lampRepo.ownerOf(stranger, row.id)).toBe(ctx.customer_id)
    expect(await lampRepo.ownerOf(stranger, uuid7())).toBeNull()
    const nobody = ctx.as('')
    expect(await lampRepo.system.get(nobody, row.id)).toEqual(row)
    expect(await lampRepo.system.find(nobody, { id: row.id, name: ['desk', 'x'] })).toEqual([row])
    const changed = await nobody.tx(tx => lampRepo.system.update(tx, row.id, { name: 'system' }))
    expect(changed).toMatchObject({ name: 'system', version: 2 })
    expect((await lampRepo.system.list(nobody, { where: { id: row.id } })).result).toEqual([changed])
    await nobody.tx(tx => lampRepo.system.remove(tx, row.id))
    expect(await lampRepo.ownerOf(nobody, row.id)).toBeNull()
  })
})

describe('update', () => {
  test('a lost race is a conflict and changes nothing', async () => {
    const row = await addLamp()
    await ctx.tx(tx => lampRepo.update(tx, row, { name: 'first' }))
    await expect(ctx.tx(tx => lampRepo.update(tx, row, { name: 'second' }))).rejects.toMatchObject({
      reason: 'CONFLICT',
      status: 'FAILED_PRECONDITION',
    })
    expect(await lampRepo.get(ctx, row.id)).toMatchObject({ name: 'first', version: 2 })
  })
  test('by id twenty writers follow one another', async () => {
    const { id } = await ctx.tx(tx => lampRepo.insert(tx, { name: 'busy', tags: [] }))
    const append = (tag: string) =>
      ctx.tx(async tx => {
        const [row] = await lampRepo.system.find(tx, { id }, { forUpdate: true })
        if (!row) throw new Error('gone')
        return lampRepo.update(tx, row, { tags: [...(row.tags ?? []), tag] })
      })
    await Promise.all(Array.from({ length: 20 }, (_, n) => append(`t${n}`)))
    const row = await lampRepo.require(ctx, id)
    expect(row.version).toBe(21)
    expect(new Set(row.tags).size).toBe(20)
  })
  test('undefined leaves a field alone, null clears it', async () => {
    const row = await ctx.tx(tx => lampRepo.insert(tx, { name: 'n', note: 'old' }))
    const kept = await ctx.tx(tx => lampRepo.update(tx, row, { note: undefined, color: 'red' }))
    expect(kept).toMatchObject({ note: 'old', color: 'red' })
    const cleared = await ctx.tx(tx => lampRepo.update(tx, kept, { note: null }))
    expect(cleared.note).toBeNull()
    expect(await lampRepo.get(ctx, row.id)).toEqual(cleared)
  })
})

test('a removed row is gone for every read and keeps its data', async () => {
  const row = await addLamp()
  const removed = await ctx.tx(tx => lampRepo.remove(tx, row))
  expect(removed.tm_delete).toMatch(/^20/)
  expect(await lampRepo.get(ctx, row.id)).toBeNull()
  expect((await lampRepo.list(ctx)).result).toEqual([])
  await expect(ctx.tx(tx => lampRepo.remove(tx, row.id))).rejects.toMatchObject({ reason: 'LAMP_NOT_FOUND' })
  await expect(ctx.tx(tx => lampRepo.update(tx, removed, { name: 'x' }))).rejects.toMatchObject({ reason: 'CONFLICT' })
})

describe('list', () => {
  test('pages newest first, and equal times lose nothing', async () => {
    const frozen = testContext({ database, cache, now: () => new Date('2026-01-20T12:00:00Z') })
    const ids = await frozen.tx(async tx => {
      const made: string[] = []
      for (let n = 0; n < 7; n++) made.push((await lampRepo.insert(tx, { name: `n${n % 2}` })).id)
      return made
    })
    await database.pool
      .promise()
      .query('UPDATE kernel_lamps SET tm_create = ? WHERE customer_id = ?', ['2026-01-20 12:00:00.000000', frozen.customer_id])
    const seen: string[] = []
    let page_token = ''
    do {
      const page = await lampRepo.list(frozen, { page_size: 3, page_token })
      seen.push(...page.result.map(row => row.id))
      page_token = page.next_page_token
    } while (page_token)
    expect(seen).toEqual(ids.toReversed())
    expect((await lampRepo.list(frozen, { where: { name: 'n1', color: undefined } })).result).toHaveLength(3)
  })
  test('a wrong token names the field', async () => {
    await expect(lampRepo.list(ctx, { page_token: 'wrong' })).rejects.toMatchObject({
      status: 'INVALID_ARGUMENT',
      details: [{ field: '/page_token' }],
    })
  })
})

describe('audit', () => {
  test('tells who did what, with the changed fields old and new', async () => {
    const row = await addLamp('first')
    const second = await ctx.tx(tx => lampRepo.update(tx, row, { name: 'second', color: 'white' }))
    await ctx.tx(tx => lampRepo.update(tx, second, { name: 'second' }))
    await ctx.tx(tx => lampRepo.remove(tx, row.id))
    const { result } = await listAudits(ctx)
    expect(result.map(({ action }) => action)).toEqual(['delete', 'update', 'create'])
    expect(result[1]).toMatchObject({ old: { name: 'first' }, new: { name: 'second' } })
    expect(result[0]).toMatchObject({
      old: { name: 'second' },
      new: null,
      customer_id: ctx.customer_id,
      actor_type: 'agent',
      actor_id: 'a1',
      resource_type: 'lamp',
      resource_id: row.id,
      address: '192.0.2.7',
      user_agent: 'test',
      request_id: ctx.request_id,
    })
    expect((await listAudits(ctx, { where: { action: 'create' } })).result).toHaveLength(1)
  })
  test('goes with the transaction', async () => {
    const failing = ctx.tx(async tx => {
      await lampRepo.insert(tx, { name: 'never' })
      throw new Error('no')
    })
    await expect(failing).rejects.toThrow('no')
    expect((await listAudits(ctx)).result).toEqual([])
    expect((await lampRepo.list(ctx)).result).toEqual([])
  })
})

describe('cache', () => {
  test('answers without the database, and forgets on a write', async () => {
    const row = await addLamp()
    // The insert's own invalidation keeps others from filling for two seconds; drop it to see the cache at work.
    await cache.del(`lamp:${row.id}`)
    await lampRepo.get(ctx, row.id)
    await database.pool.promise().query('UPDATE kernel_lamps SET name = ? WHERE id = ?', ['behind its back', row.id])
    expect((await lampRepo.get(ctx, row.id))?.name).toBe('desk')
    const updated = await ctx.tx(tx => lampRepo.update(tx, row, { color: 'blue' }))
    expect(updated.version).toBe(2)
    expect((await lampRepo.get(ctx, row.id))?.name).toBe('behind its back')
  })
  test('a reader that read before a write cannot fill in the old row', async () => {
    const row = await addLamp()
    await cache.del(`lamp:${row.id}`)
    await ctx.tx(tx => lampRepo.update(tx, row, { name: 'new' }))
    await cache.fill(`lamp:${row.id}`, row, 60)
    expect((await lampRepo.get(ctx, row.id))?.name).toBe('new')
  })
  test('a row without a new column is a miss', async () => {
    const row = await addLamp()
    const { color: _color, ...old } = row
    await cache.set(`lamp:${row.id}`, { ...old, name: 'stale' }, 60)
    expect(await lampRepo.get(ctx, row.id)).toEqual(row)
  })
  test('a transaction reads itself', async () => {
    const row = await addLamp()
    const name = await ctx.tx(async tx => {
      await lampRepo.update(tx, row, { name: 'inside' })
      return (await lampRepo.require(tx, row.id)).name
    })
    expect(name).toBe('inside')
  })
})
