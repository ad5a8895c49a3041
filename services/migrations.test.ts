import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemTables } from '@voipbin/kernel'
import { generateMySQLDrizzleJson } from 'drizzle-kit/api'
import { expect, test } from 'vitest'
import { serviceNames } from './registry.ts'

type Snapshot = Awaited<ReturnType<typeof generateMySQLDrizzleJson>>

/** What the last migration of a service left behind. */
function lastSnapshot(service: string): Snapshot {
  const folder = join(import.meta.dirname, service, 'migrations/meta')
  const name = existsSync(folder)
    ? readdirSync(folder)
        .filter(file => file.endsWith('_snapshot.json'))
        .sort()
        .at(-1)
    : undefined
  if (!name) throw new Error(`services/${service} has no migrations`)
  return JSON.parse(readFileSync(join(folder, name), 'utf8')) as Snapshot
}

test.each([...serviceNames])('the migrations of %s make the tables of its schema.ts', async service => {
  const schema = (await import(`./${service}/schema.ts`)) as Record<string, unknown>
  const made = lastSnapshot(service)
  const { tables, views } = await generateMySQLDrizzleJson({ ...schema, ...systemTables(service) })
  const command = `SERVICE=${service} npx drizzle-kit generate --config services/drizzle.config.ts --name <what_changes>`
  expect({ tables: made.tables, views: made.views }, `the migrations are behind; run ${command}`).toEqual({ tables, views })
})
