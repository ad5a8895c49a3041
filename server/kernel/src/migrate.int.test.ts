import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createConnection } from 'mysql2/promise'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { recordAudit } from './audit.ts'
import { openDb } from './db.ts'
import { ForeignDatabaseError, kernelMigrations, type MigrationSet, migrate } from './migrate.ts'
import { testContext, testPrefix, testUrl } from './testing.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'migrate-'))
})
afterAll(() => rm(folder, { recursive: true }))

/** As drizzle-kit lays them out. */
async function writeSet(name: string, migrations: { tag: string; when: number; sql: string }[]): Promise<MigrationSet> {
  const home = join(folder, name)
  await mkdir(join(home, 'meta'), { recursive: true })
  const entries = migrations.map(({ tag, when }, idx) => ({ idx, version: '5', when, tag, breakpoints: true }))
  await writeFile(join(home, 'meta', '_journal.json'), JSON.stringify({ version: '7', dialect: 'mysql', entries }))
  for (const { tag, sql } of migrations) await writeFile(join(home, `${tag}.sql`), sql)
  return { name, folder: home }
}
const first = { tag: '0000_first', when: 1_000, sql: 'CREATE TABLE `x` (`id` int);\n--> statement-breakpoint\nINSERT INTO `x` VALUES (1);' }
const second = { tag: '0001_second', when: 2_000, sql: 'INSERT INTO `x` VALUES (2);' }
const third = { tag: '0002_third', when: 3_000, sql: 'INSERT INTO `x` VALUES (3);' }

async function emptyDatabase() {
  const url = new URL(testUrl('MYSQL_URL'))
  const name = testPrefix('voipbin_test')
  url.pathname = `/${name}`
  const rows = async (sql: string) => {
    const connection = await createConnection({ uri: url.href, rowsAsArray: true })
    const [result] = await connection.query(sql)
    await connection.end()
    return result
  }
  return { url: url.href, rows, [Symbol.asyncDispose]: async () => void (await rows(`DROP DATABASE IF EXISTS \`${name}\``)) }
}

describe('migrate', () => {
  test('makes the database, applies what is new, and says what it did', async () => {
    await using database = await emptyDatabase()
    const { url } = database
    expect(await migrate({ url, sets: [await writeSet('s1', [first])] })).toEqual([{ name: 's1', applied: ['0000_first'] }])
    const sets = [await writeSet('s1', [first, second])]
    expect(await migrate({ url, sets })).toEqual([{ name: 's1', applied: ['0001_second'] }])
    expect(await migrate({ url, sets })).toEqual([{ name: 's1', applied: [] }])
    expect(await database.rows('SELECT id FROM x ORDER BY id')).toEqual([[1], [2]])
  })

  test('three at once do it once', async () => {
    await using database = await emptyDatabase()
    const sets = [await writeSet('s2', [first, second])]
    const done = await Promise.all([1, 2, 3].map(() => migrate({ url: database.url, sets })))
    expect(done.filter(([set]) => set?.applied.length === 2)).toHaveLength(1)
    expect(await database.rows('SELECT id FROM x ORDER BY id')).toEqual([[1], [2]])
  })

  test('names the one that fails, and the one that came too late', async () => {
    await using database = await emptyDatabase()
    const { url } = database
    const broken = { tag: '0001_broken', when: 2_000, sql: 'CREATE NONSENSE;' }
    await expect(migrate({ url, sets: [await writeSet('s3', [broken])] })).rejects.toThrow('s3/0001_broken failed')
    await migrate({ url, sets: [await writeSet('s4', [first, third])] })
    await expect(migrate({ url, sets: [await writeSet('s4', [first, second, third])] })).rejects.toThrow('s4/0001_second is older')
  })

  test('a database of another version is refused before anything changes; one that is only newer is left alone', async () => {
    await using database = await emptyDatabase()
    const { url } = database
    const made = await writeSet('s5', [first])
    await migrate({ url, sets: [made] })
    const regenerated = await writeSet('s5', [{ ...first, when: 9_000 }])
    const refused = migrate({ url, sets: [await writeSet('s6', [second]), regenerated] })
    await expect(refused).rejects.toThrow(ForeignDatabaseError)
    await expect(refused).rejects.toThrow(/made by another version: the tables of s5 .* 1970-01-01T00:00:01\.000Z.* s5\/0000_first/)
    expect(await database.rows('SELECT id FROM x')).toEqual([[1]])
    await migrate({ url, sets: [await writeSet('s5', [first, second])] })
    expect(await migrate({ url, sets: [await writeSet('s5', [first])] })).toEqual([{ name: 's5', applied: [] }])
  })

  test('the kernel’s own match the code', async () => {
    await using database = await emptyDatabase()
    await migrate({ url: database.url, sets: [kernelMigrations] })
    await using db = openDb({ url: database.url })
    const ctx = testContext({ database: db })
    await recordAudit(ctx, { action: 'login', resource_type: 'agent', resource_id: 'a1' })
    expect(await database.rows('SELECT action, customer_id FROM kernel_audits')).toEqual([['login', ctx.customer_id]])
  })

  test('a server that is away is named', async () => {
    await expect(migrate({ url: 'mysql://root@127.0.0.1:1/x', sets: [] })).rejects.toThrow('no database server answers at 127.0.0.1:1')
  })

  test.each(['mysql://127.0.0.1:1', 'mysql://127.0.0.1:1/a`b'])('%s names no database', async url => {
    await expect(migrate({ url, sets: [] })).rejects.toThrow('must name a database')
  })
})
