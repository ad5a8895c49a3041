import path from 'node:path'
import { run } from './chroot.ts'
import { connections } from './connections.ts'
import { linkEdgeViews, prepareEdgeDatabase } from './database.ts'
import { PlatformError } from './errors.ts'
import { COMPILE_CACHE, NODE } from './node.ts'
import { type Paths, ROOT } from './paths.ts'
import { OWNER_VARIABLE } from './proc.ts'
import type { Setup } from './setup.ts'

const SCRIPT = path.join(ROOT, 'services/migrate.ts')
/** Its exit code when the tables were made by migrations that are not in this checkout. */
const FOREIGN_DATABASE = 3

/** Everything in the database that must be there before anybody else uses it. */
export async function prepareTables(setup: Setup): Promise<void> {
  await prepareEdgeDatabase(setup)
  await migrate(setup)
  await linkEdgeViews(setup)
}

/** Brings the platform's tables up to date. Rejects with {@link PlatformError}. */
export async function migrate(setup: Setup): Promise<void> {
  // marked as ours: a stop meanwhile ends it
  const settings = {
    [OWNER_VARIABLE]: setup.paths.home,
    NODE_COMPILE_CACHE: COMPILE_CACHE,
    MYSQL_URL: connections(setup).MYSQL_MIGRATE_URL,
  }
  const done = await run(['env', ...Object.entries(settings).map(([name, value]) => `${name}=${value}`), ...NODE, SCRIPT])
  if (done.code === 0) return
  const words = (done.stderr || done.stdout).trim().slice(-2000)
  if (done.code !== FOREIGN_DATABASE) throw new PlatformError(`The migrations failed:\n${words}`)
  throw new PlatformError(`The data in ${setup.paths.home} cannot be used: ${words}.\n${startOverHint(setup.paths)}`)
}

function startOverHint({ home }: Paths): string {
  const folder = home.startsWith(`${ROOT}/`) ? path.relative(ROOT, home) : home
  const data = ['servers', 'storage', 'secrets.json'].map(part => `'${folder}/${part}'`).join(' ')
  return `  Go on with the version that made it, or start over with empty data: rm -rf ${data}`
}
