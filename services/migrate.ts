import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { ForeignDatabaseError, kernelMigrations, loadConfig, type MigrationSet, migrate, sharedConfig } from '@voipbin/kernel'

const here = import.meta.dirname

/** Every service folder that has migrations, by name, and the gateway. */
export function serviceMigrations(): MigrationSet[] {
  const services = readdirSync(here).sort()
  return [
    ...services.map(name => ({ name, folder: join(here, name, 'migrations') })),
    { name: 'gateway', folder: join(here, '..', 'server', 'gateway', 'migrations') },
  ].filter(({ folder }) => existsSync(join(folder, 'meta', '_journal.json')))
}

/** Exit code that tells who started it: the data is another version's. */
const FOREIGN_DATABASE = 3

/** Brings the database of MYSQL_URL up to date, for all services or those named. */
export async function migrateServices(url: string, names: readonly string[] = []): Promise<void> {
  const all = serviceMigrations()
  const unknown = names.filter(name => !all.some(set => set.name === name))
  if (unknown.length > 0) throw new Error(`no migrations for ${unknown.join(', ')}; there are: ${all.map(set => set.name).join(', ')}`)
  const chosen = names.length === 0 ? all : all.filter(set => names.includes(set.name))
  for (const { name, applied } of await migrate({ url, sets: [kernelMigrations, ...chosen] })) {
    console.log(`${name}: ${applied.length === 0 ? 'up to date' : applied.join(', ')}`)
  }
}

if (import.meta.main) {
  try {
    const { MYSQL_URL } = loadConfig(sharedConfig.pick({ MYSQL_URL: true }))
    await migrateServices(MYSQL_URL, process.argv.slice(2))
  } catch (error) {
    for (let cause = error; cause instanceof Error; cause = cause.cause) console.error(cause.message)
    process.exitCode = error instanceof ForeignDatabaseError ? FOREIGN_DATABASE : 1
  }
}
