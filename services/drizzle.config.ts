import { existsSync } from 'node:fs'
import { defineConfig } from 'drizzle-kit'

/**
 * Writes the next migration of one service from its tables, from the repository's root:
 * `SERVICE=call npx drizzle-kit generate --config services/drizzle.config.ts --name <what changes>`.
 * `SERVICE=kernel` and `SERVICE=gateway` write theirs.
 */
const service = process.env.SERVICE ?? ''
if (!/^[a-z][a-z0-9_]*$/.test(service)) throw new Error('SERVICE must name a service folder, kernel or gateway')

const elsewhere: Record<string, { schema: string; out: string }> = {
  kernel: { schema: 'server/kernel/src/audit.ts', out: 'server/kernel/migrations' },
  gateway: { schema: 'server/gateway/src/schema.ts', out: 'server/gateway/migrations' },
}
const home = elsewhere[service] ?? { schema: `services/${service}/schema.ts`, out: `services/${service}/migrations` }
if (!existsSync(home.schema)) throw new Error(`there is no ${home.schema}`)

export default defineConfig({
  dialect: 'mysql',
  // A service's migrations also make the kernel's tables of that service (outbox, inbox …).
  schema: elsewhere[service] ? [home.schema] : [home.schema, 'services/system-tables.ts'],
  out: home.out,
})
