import { existsSync, renameSync, rmSync } from 'node:fs'
import path from 'node:path'
import { inRoot, PRIVILEGED, run, runOrThrow } from './chroot.ts'
import { edgeSchema, edgeViews, ownFolder } from './configure.ts'
import { INSIDE } from './paths.ts'
import { LISTEN_IP } from './ports.ts'
import { kamailioRpc } from './probes.ts'
import { asteriskName, EDGE_DATABASE, edgeInside, kamailioName, type Setup } from './setup.ts'

/** Kamailio's own tables that the edge uses; the files come with its packages. */
const KAMAILIO_TABLES = ['standard', 'usrloc', 'dispatcher', 'permissions']

/** Creates MariaDB's data folder, once. It gets its name when it is complete: a broken attempt leaves nothing that MariaDB would stumble over. */
export async function createDataFolder(setup: Setup): Promise<void> {
  const folder = path.join(setup.paths.server('mariadb'), 'data')
  if (existsSync(path.join(folder, 'mysql'))) return
  for (const old of [folder, `${folder}.new`]) rmSync(old, { recursive: true, force: true })
  ownFolder(setup, 'mariadb', ['data.new'])
  const where = [`--datadir=${INSIDE}/servers/mariadb/data.new`, '--auth-root-authentication-method=normal']
  const quick = ['--no-defaults', '--skip-test-db', '--skip-name-resolve', '--force']
  await runOrThrow('creating the database', inRoot(setup.paths, setup.user, ['mariadb-install-db', ...quick, ...where]))
  renameSync(`${folder}.new`, folder)
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
  await sql(setup, `${edgeTables(setup)}\n${instanceRows(setup)}`, EDGE_DATABASE)
}

/** The edge's schema, and what the registrar service may do there: see where phones are registered, and forget those of an extension that is gone. */
const edgeTables = (setup: Setup): string =>
  `${edgeSchema(setup)}\nGRANT SELECT, DELETE ON ${EDGE_DATABASE}.location TO 'voipbin'@'${LISTEN_IP}';`

function instanceRows({ ports }: Setup): string {
  const asterisks = ports.asteriskCall.map((a, n) => `(1, 'sip:${LISTEN_IP}:${a.sip}', 'duid=${asteriskName(n)}')`)
  const edges = ports.kamailio.map((_, n) => ({ name: kamailioName(n), ...edgeInside(ports, n) }))
  return [
    'DELETE FROM dispatcher;',
    `INSERT INTO dispatcher (setid, destination, attrs) VALUES ${asterisks.join(', ')};`,
    'DELETE FROM address WHERE grp = 2;',
    ...(edges.length > 1
      ? edges.map(e => `INSERT INTO address (grp, ip_addr, mask, port, tag) VALUES (2, '${e.ip}', 32, ${e.port}, '${e.name}');`)
      : []),
  ].join('\n')
}

/** Lets the edge see the platform's extensions and carriers. Their tables come with the migrations, what else the views need with the schema. */
export async function linkEdgeViews(setup: Setup): Promise<void> {
  await sql(setup, `${edgeTables(setup)}\n${edgeViews()}`, EDGE_DATABASE)
}

/** Makes the running edges read the carriers' addresses again. */
export async function reloadEdges(controlPorts: readonly number[], token: string): Promise<void> {
  for (const port of controlPorts) await kamailioRpc({ port, token }, 'permissions.addressReload')
}
