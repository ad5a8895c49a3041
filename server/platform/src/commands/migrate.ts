import process from 'node:process'
import { serverUser } from '../configure.ts'
import { control } from '../control.ts'
import { linkEdgeViews, reloadEdges } from '../database.ts'
import { parseFlags } from '../flags.ts'
import { migrate } from '../migrate.ts'
import { pathsOf } from '../paths.ts'
import { portsOf } from '../ports.ts'
import { loadSecrets } from '../secrets.ts'
import { readState } from '../state.ts'

/** Applies the services' migrations to the running platform's database. Rejects when it does not run. */
export async function migrateCommand(args: string[]): Promise<number> {
  const flags = parseFlags(args)
  const paths = pathsOf(flags.home)
  await control(paths, { command: 'status' })
  const running = readState(paths)?.ports ?? {}
  const ports = portsOf({ ...flags, portBase: running.mariadb === undefined ? flags.portBase : running.mariadb - 1 })
  const setup = { flags, paths, ports, secrets: loadSecrets(paths), user: await serverUser(paths), tcpRoot: false }
  await migrate(setup)
  await linkEdgeViews(setup)
  const controls = Object.entries(running).flatMap(([name, port]) => (/^kamailio.*_rpc$/.test(name) ? [port] : []))
  await reloadEdges(controls, setup.secrets.kamailio_control_token)
  process.stdout.write('The database is up to date.\n')
  return 0
}
