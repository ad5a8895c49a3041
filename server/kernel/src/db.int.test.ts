import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { eq, sql } from 'drizzle-orm'
import { int, mysqlTable, varchar } from 'drizzle-orm/mysql-core'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Database, openDb } from './db.ts'
import { isDuplicate, rootCause, UnavailableError } from './db-errors.ts'
import { systemTables } from './system-tables.ts'
import { type TestDatabase, testDatabase } from './testing.ts'

const jars = mysqlTable('kernel_jars', { id: varchar({ length: 8 }).primaryKey(), amount: int().notNull() })
let database: TestDatabase

beforeAll(async () => {
  database = await testDatabase({ tables: [jars, ...Object.values(systemTables('kernel'))] })
})
afterAll(() => database.drop())
beforeEach(async () => {
  await database.db.delete(jars)
  await database.db.insert(jars).values([
    { id: 'a', amount: 0 },
    { id: 'b', amount: 0 },
  ])
})

const add = (db: Database['db'], id: string, amount = 1) =>
  db
    .update(jars)
    .set({ amount: sql`${jars.amount} + ${amount}` })
    .where(eq(jars.id, id))
const amounts = async (db = database.db) => Object.fromEntries((await db.select().from(jars)).map(({ id, amount }) => [id, amount]))

test('sessions run as decided', async () => {
  const [rows] = await database.db.execute(
    sql`SELECT @@session.transaction_isolation i, @@session.innodb_lock_wait_timeout l, @@session.time_zone z, @@session.max_statement_time m`,
  )
  expect(rows).toEqual([{ i: 'READ-COMMITTED', l: 30, z: '+00:00', m: 35 }])
})

test('a transaction commits or leaves nothing', async () => {
  expect(
    await database.transaction(async db => {
      await add(db, 'a')
      return 'done'
    }),
  ).toBe('done')
  await expect(
    database.transaction(async db => {
      await add(db, 'a')
      throw new Error('no')
    }),
  ).rejects.toThrow('no')
  expect(await amounts()).toEqual({ a: 1, b: 0 })
})

test('deadlocks run again until all are done', async () => {
  let tries = 0
  const cross = (first: string, second: string) =>
    database.transaction(async db => {
      tries++
      await add(db, first)
      await add(db, second)
    })
  await Promise.all(Array.from({ length: 10 }, (_, n) => (n % 2 ? cross('a', 'b') : cross('b', 'a'))))
  expect(await amounts()).toEqual({ a: 10, b: 10 })
  expect(tries).toBeGreaterThanOrEqual(10)
})

test('a real deadlock is retried once', async () => {
  const held = { a: Promise.withResolvers<void>(), b: Promise.withResolvers<void>() }
  let tries = 0
  const cross = (first: 'a' | 'b', second: 'a' | 'b') =>
    database.transaction(async db => {
      tries++
      await add(db, first)
      held[first].resolve()
      await held[second].promise
      await add(db, second)
    })
  await Promise.all([cross('a', 'b'), cross('b', 'a')])
  expect(await amounts()).toEqual({ a: 2, b: 2 })
  expect(tries).toBe(3)
})

test('a duplicate key is told apart, and no value of it gets into the error', async () => {
  const failed = await database.transaction(db => db.insert(jars).values({ id: 'a', amount: 424242 })).catch((error: unknown) => error)
  expect(isDuplicate(failed)).toBe(true)
  expect(isDuplicate(failed, 'PRIMARY')).toBe(true)
  expect(isDuplicate(failed, 'other_key')).toBe(false)
  expect(JSON.stringify(failed)).not.toContain('424242')
  expect(
    isDuplicate(
      await database.db
        .insert(jars)
        .values({ id: 'a', amount: 1 })
        .catch((error: unknown) => error),
    ),
  ).toBe(true)
})

test('a connection killed in a transaction: it runs again on another one', async () => {
  let tries = 0
  await database.transaction(async db => {
    tries++
    await add(db, 'a')
    if (tries > 1) return
    const [[row]] = (await db.execute(sql`SELECT CONNECTION_ID() id`)) as unknown as [[{ id: number }]]
    await database.pool.promise().query('KILL ?', [row.id])
    await add(db, 'b')
  })
  expect(tries).toBe(2)
  expect(await amounts()).toEqual({ a: 1, b: 0 })
})

test('a statement over its limit is ended by the server', async () => {
  await using quick = openDb({ url: database.url, statement_ms: 200 })
  const failed = await quick.db
    .execute(sql`SELECT COUNT(*) FROM information_schema.columns a, information_schema.columns b, information_schema.columns c`)
    .catch(rootCause)
  expect(failed).toMatchObject({ errno: 1969 })
})

describe('a server that is away', () => {
  const open: (Server | Socket)[] = []
  afterAll(() => {
    for (const one of open) 'close' in one ? one.close() : one.destroy()
  })
  const listen = async (onConnection: (socket: Socket) => void) => {
    const server = createServer(onConnection)
    open.push(server)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return (server.address() as AddressInfo).port
  }
  const at = (port: number) => {
    const url = new URL(database.url)
    url.host = `127.0.0.1:${port}`
    return url.href
  }

  test('nobody listens: UNAVAILABLE, soon', async () => {
    const port = await listen(() => undefined)
    const server = open.pop() as Server
    server.close()
    await once(server, 'close')
    await using db = openDb({ url: at(port) })
    await expect(db.transaction(async tx => add(tx, 'a'))).rejects.toBeInstanceOf(UnavailableError)
    expect(
      rootCause(
        await db.db
          .select()
          .from(jars)
          .catch((error: unknown) => error),
      ),
    ).toBeInstanceOf(UnavailableError)
    await expect(db.ping()).rejects.toThrow('the database is away')
  })

  test('it accepts and says nothing: UNAVAILABLE within the limit', async () => {
    const sockets: Socket[] = []
    const port = await listen(socket => void sockets.push(socket))
    const db = openDb({ url: at(port), acquire_ms: 100 })
    await expect(db.ping()).rejects.toBeInstanceOf(UnavailableError)
    for (const socket of sockets) socket.destroy()
    await db.close()
  })

  test('all connections are taken: UNAVAILABLE within the limit, and fine afterwards', async () => {
    await using db = openDb({ url: database.url, pool_max: 1, acquire_ms: 100 })
    await db.transaction(async tx => {
      await add(tx, 'a')
      await expect(db.ping()).rejects.toThrow('no database connection within 100 ms')
    })
    await db.ping()
    expect(await amounts()).toEqual({ a: 1, b: 0 })
  })

  /** Passes everything on until the commit arrives; drops both sides after passing that, so that nobody hears how it went. */
  const cutAtCommit = async () => {
    const real = new URL(database.url)
    let cuts = 0
    const port = await listen(client => {
      const server = connect(Number(real.port), real.hostname)
      client.on('data', data => {
        const cut = cuts === 0 && data.includes('commit')
        if (cut) {
          cuts++
          server.prependOnceListener('data', () => {
            client.destroy()
            server.destroy()
          })
        }
        server.write(data)
      })
      server.on('data', data => void (client.destroyed || client.write(data)))
      client.on('close', () => server.destroy())
      server.on('close', () => client.destroy())
      for (const side of [client, server]) side.on('error', () => side.destroy())
    })
    return at(port)
  }

  test('it goes while committing: the caller is told that the outcome is unknown', async () => {
    await using db = openDb({ url: await cutAtCommit() })
    await expect(db.transaction(async tx => add(tx, 'a'))).rejects.toThrow('while committing')
  })

  test('work that knows its own commit runs again and does nothing twice', async () => {
    await using db = openDb({ url: await cutAtCommit() })
    let tries = 0
    await db.transaction(
      async tx => {
        tries++
        const { a } = await amounts(tx)
        if (a === 0) await add(tx, 'a')
      },
      { repeatable: true },
    )
    expect(tries).toBe(2)
    expect(await amounts()).toEqual({ a: 1, b: 0 })
  })
})
