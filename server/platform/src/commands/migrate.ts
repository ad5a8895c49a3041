import process from 'node:process'
import { createProgress } from '../../progress.mjs'
import { serverUser } from '../configure.ts'
import { control } from '../control.ts'
import { linkEdgeViews } from '../database.ts'
import { parseFlags } from '../flags.ts'
import { pathsOf } from '../paths.ts'
import { migrate } from '../platform.ts'
import { portsOf } from '../ports.ts'
import { loadSecrets } from '../secrets.ts'
import { readState } from '../state.ts'

/** Applies the services' migrations to the running platform's database. Rejects when it does not run. */
export async function migrateCommand(args: string[]): Promise<number> {
  const flags = parseFlags(args)
  const paths = pathsOf(flags.home)
  await control(paths, { command: 'status' })
  const mariadb = readState(paths)?.ports.mariadb
  const ports = portsOf({ ...flags, portBase: mariadb === undefined ? flags.portBase : mariadb - 1 })
  const setup = { flags, paths, ports, secrets: loadSecrets(paths), user: await serverUser(paths), tcpRoot: false }
  await migrate(setup, createProgress(process.stdout))
  await linkEdgeViews(setup)
  return 0
}
