import { existsSync } from 'node:fs'
import path from 'node:path'
import { inRoot, PRIVILEGED, run, runOrThrow } from './chroot.ts'
import {
  asteriskName,
  DATABASE,
  EDGE_DATABASE,
  edgeInside,
  edgeSchema,
  edgeViews,
  kamailioName,
  outsideIp,
  type Setup,
} from './configure.ts'
import { INSIDE } from './paths.ts'
import { LISTEN_IP } from './ports.ts'
import { kamailioRpc } from './probes.ts'

/** Kamailio's own tables that the edge uses; the files come with its packages. */
const KAMAILIO_TABLES = ['standard', 'usrloc', 'dispatcher', 'permissions']

/** Lines of the self-test's carriers in the edge's `address` table. */
export const SELF_TEST_TAG = 'selftest'

/** Creates MariaDB's data folder, once. */
export async function createDataFolder(setup: Setup): Promise<void> {
  if (existsSync(path.join(setup.paths.server('mariadb'), 'data/mysql'))) return
  const where = [`--datadir=${INSIDE}/servers/mariadb/data`, '--auth-root-authentication-method=normal']
  const quick = ['--no-defaults', '--skip-test-db', '--skip-name-resolve', '--force']
  await runOrThrow('creating the database', inRoot(setup.paths, setup.user, ['mariadb-install-db', ...quick, ...where]))
}

/** Runs SQL as root over MariaDB's socket; gives rows as tab-separated lines. */
export function sql({ paths, secrets }: Setup, text: string, database = ''): Promise<string> {
  const client = [
    'mariadb',
    '--no-defaults',
    `--socket=${INSIDE}/servers/mariadb/run/mariadb.sock`,
    '-N',
    '-B',
    ...(database ? [database] : []),
  ]
  return runOrThrow('SQL', inRoot(paths, PRIVILEGED, client, { MYSQL_PWD: secrets.mysql_root_password }), text)
}

/** The edge's database: Kamailio's tables once, our own part and this run's instances at every start. */
export async function prepareEdgeDatabase(setup: Setup): Promise<void> {
  const present = await sql(
    setup,
    `SELECT COUNT(*) FROM information_schema.tables WHERE table_schema='${EDGE_DATABASE}' AND table_name='version'`,
  )
  if (present.trim() === '0') {
    const files = KAMAILIO_TABLES.map(name => `/usr/share/kamailio/mysql/${name}-create.sql`)
    const read = await run(inRoot(setup.paths, PRIVILEGED, ['cat', ...files]))
    if (read.code !== 0) throw new Error(`Kamailio's tables: ${read.stderr.trim()}`)
    await sql(setup, read.stdout, EDGE_DATABASE)
  }
  await sql(setup, `${edgeSchema(setup)}\n${instanceRows(setup)}`, EDGE_DATABASE)
}

function instanceRows({ flags, ports }: Setup): string {
  const asterisks = ports.asteriskCall.map((a, n) => `(1, 'sip:${LISTEN_IP}:${a.sip}', 'duid=${asteriskName(n)}')`)
  const edges = ports.kamailio.map((_, n) => ({ name: kamailioName(n), ...edgeInside(ports, n) }))
  const carriers = ports.asteriskCall.map((_, n) => `(1, '${outsideIp(flags)}', 32, ${ports.selfTest + n * 2}, '${SELF_TEST_TAG}')`)
  return [
    'DELETE FROM dispatcher;',
    `INSERT INTO dispatcher (setid, destination, attrs) VALUES ${asterisks.join(', ')};`,
    `DELETE FROM address WHERE grp = 2 OR tag = '${SELF_TEST_TAG}';`,
    `INSERT INTO address (grp, ip_addr, mask, port, tag) VALUES ${carriers.join(', ')};`,
    ...(edges.length > 1
      ? edges.map(e => `INSERT INTO address (grp, ip_addr, mask, port, tag) VALUES (2, '${e.ip}', 32, ${e.port}, '${e.name}');`)
      : []),
  ].join('\n')
}

/** What the edge's views read; they exist after the migrations of registrar and route. */
const VIEWED_TABLES = ['registrar_extensions', 'route_providers']

/** Lets the edge see the platform's extensions and providers, once their tables exist. */
export async function linkEdgeViews(setup: Setup): Promise<void> {
  const names = VIEWED_TABLES.map(name => `'${name}'`).join(',')
  const present = await sql(
    setup,
    `SELECT COUNT(*) FROM information_schema.tables WHERE table_schema='${DATABASE}' AND table_name IN (${names})`,
  )
  if (Number(present) < VIEWED_TABLES.length) return
  await sql(setup, edgeViews(), EDGE_DATABASE)
  for (const { rpc } of setup.ports.kamailio) await kamailioRpc(rpc, 'permissions.addressReload')
}
