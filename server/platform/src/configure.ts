// Turns flags, ports and secrets into the servers' folders and configuration files under the state folder.
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { render, renderFile, renderFolder, type Values } from '../../../voip/render.ts'
import { SERVER_UID } from '../packages.mjs'
import { inRoot, PRIVILEGED, run, runOrThrow, UNPRIVILEGED } from './chroot.ts'
import { readIfExists } from './files.ts'
import { INSIDE, type Paths, ROOT } from './paths.ts'
import { LISTEN_IP, type Ports } from './ports.ts'
import type { Secrets } from './secrets.ts'
import { ARI_USER, asteriskName, DATABASE, EDGE_DATABASE, edgeInside, kamailioName, outsideIp, type Setup } from './setup.ts'
import { writeSpeechRunner } from './speech.ts'

const VOIP = path.join(ROOT, 'voip')
const FLOOD_LIMIT = 500
const CALL_LIMIT = 100

/** Whom the servers run as: their own user where the machine allows it, else root. */
export async function serverUser(paths: Paths): Promise<string> {
  mkdirSync(paths.home, { recursive: true })
  const tried = await run(inRoot(paths, UNPRIVILEGED, ['true']))
  return tried.code === 0 ? UNPRIVILEGED : PRIVILEGED
}

/** Writes all folders and files. Nothing of a server's own data is touched. */
export async function configure(setup: Setup): Promise<void> {
  const { paths, ports } = setup
  // others may pass through (the servers' user must) but not look around
  mkdirSync(paths.home, { recursive: true })
  chmodSync(paths.home, 0o711)
  await certificate(setup)
  dataServers(setup)
  const folders = (name: string, subs: readonly string[]) => ownFolder(setup, name, subs)
  folders('rtpengine', ['etc'])
  renderFolder(path.join(VOIP, 'rtpengine'), path.join(paths.server('rtpengine'), 'etc'), rtpengineValues(setup))
  for (const [n, asterisk] of ports.asteriskCall.entries()) {
    const name = asteriskName(n)
    folders(name, ['etc', 'etc/edges', 'run', 'log', 'lib', ...['monitor', 'recording', 'tmp', 'outgoing'].map(sub => `spool/${sub}`)])
    closedFolder(setup, paths.sounds(n))
    const etc = path.join(paths.server(name), 'etc')
    const values = { ...asteriskValues(setup, name, asterisk), SOUNDS_DIR: `${INSIDE}/${path.basename(paths.sounds(n))}` }
    renderFolder(path.join(VOIP, 'asterisk'), etc, values, ['edge.conf'])
    for (const edge of ports.kamailio.keys()) {
      const inside = edgeInside(ports, edge)
      const values = { EDGE_NAME: kamailioName(edge), EDGE_INSIDE_IP: inside.ip, EDGE_INSIDE_PORT: inside.port }
      renderFile(path.join(VOIP, 'asterisk/edge.conf'), path.join(etc, `edges/${kamailioName(edge)}.conf`), values)
    }
  }
  for (const n of ports.kamailio.keys()) {
    const name = kamailioName(n)
    folders(name, ['etc', 'run'])
    renderFolder(path.join(VOIP, 'kamailio'), path.join(paths.server(name), 'etc'), kamailioValues(setup, n), ['schema.sql', 'views.sql'])
  }
}

const ownerOf = ({ user }: Pick<Setup, 'user'>): number => (user === UNPRIVILEGED ? SERVER_UID : 0)

/** A server's folder, closed to others: its configuration holds passwords. */
export function ownFolder(setup: Setup, name: string, subs: readonly string[]): void {
  const top = setup.paths.server(name)
  for (const sub of subs) closedFolder(setup, path.join(top, sub))
  closedFolder(setup, top)
}

function closedFolder(setup: Setup, folder: string): void {
  const owner = ownerOf(setup)
  mkdirSync(folder, { recursive: true })
  chownSync(folder, owner, owner)
  chmodSync(folder, 0o700)
}

function rtpengineValues({ flags, ports }: Setup): Values {
  const [min, max] = ports.rtpengineRtp
  const outside = outsideIp(flags)
  return {
    INSIDE_RTP_IP: LISTEN_IP,
    OUTSIDE_RTP_IP: flags.publicIp === null || flags.publicIp === outside ? outside : `${outside}!${flags.publicIp}`,
    NG_IP: LISTEN_IP,
    NG_PORT: ports.rtpengineNg,
    HTTP_IP: LISTEN_IP,
    HTTP_PORT: ports.rtpengineHttp,
    RTP_PORT_MIN: min,
    RTP_PORT_MAX: max,
    THREADS: 2,
    LOG_LEVEL: 5,
  }
}

function asteriskValues({ flags, secrets }: Setup, name: string, ports: Ports['asteriskCall'][number]): Values {
  return {
    DIR: `${INSIDE}/servers/${name}`,
    MODULES_DIR: `/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu/asterisk/modules`,
    ASTERISK_ID: name,
    SIP_DOMAIN: flags.domain,
    SIP_IP: LISTEN_IP,
    SIP_PORT: ports.sip,
    ARI_IP: LISTEN_IP,
    ARI_PORT: ports.http,
    ARI_USER,
    ARI_PASSWORD: secrets.ari_password,
    RTP_PORT_MIN: ports.rtp[0],
    RTP_PORT_MAX: ports.rtp[1],
  }
}

function kamailioValues(setup: Setup, index: number): Values {
  const { flags, ports, secrets } = setup
  const own = ports.kamailio[index]
  if (own === undefined) throw new Error(`there is no Kamailio ${index + 1}`)
  const outside = outsideIp(flags)
  const inside = edgeInside(ports, index)
  return {
    DIR: `${INSIDE}/servers/${kamailioName(index)}`,
    EDGE_NAME: kamailioName(index),
    SERVER_ID: index + 1,
    SIP_DOMAIN: flags.domain,
    OUTSIDE_IP: outside,
    PUBLIC_IP: flags.publicIp ?? outside,
    SIP_PORT: own.sip,
    SIP_TLS_PORT: own.tls,
    WS_PORT: own.ws,
    WSS_PORT: own.wss,
    INSIDE_IP: inside.ip,
    INSIDE_PORT: inside.port,
    CONTROL_IP: LISTEN_IP,
    CONTROL_PORT: own.rpc,
    CONTROL_TOKEN: secrets.kamailio_control_token,
    RTPENGINE_NG: `udp:${LISTEN_IP}:${ports.rtpengineNg}`,
    DB_HOST: LISTEN_IP,
    DB_PORT: ports.mariadb,
    ...edgeDatabaseValues(secrets),
    NONCE_SECRET: secrets.kamailio_nonce_secret,
    PRIVATE_CALLEES: flags.publicIp === null ? 'allowed' : 'refused',
    FLOOD_LIMIT,
    CALL_LIMIT,
    TLS_KEY: `${INSIDE}/certs/key.pem`,
    TLS_CERT: `${INSIDE}/certs/cert.pem`,
  }
}

const edgeDatabaseValues = (secrets: Secrets) => ({
  DB_NAME: EDGE_DATABASE,
  DB_USER: 'kamailio',
  DB_PASSWORD: secrets.mysql_kamailio_password,
})

/** The edge's schema with this installation's values. */
export const edgeSchema = ({ secrets }: Setup): string =>
  render(readFileSync(path.join(VOIP, 'kamailio/schema.sql'), 'utf8'), edgeDatabaseValues(secrets), 'kamailio/schema.sql')

/** The edge's views over the platform's tables. */
export const edgeViews = (): string =>
  render(readFileSync(path.join(VOIP, 'kamailio/views.sql'), 'utf8'), { PLATFORM_DB: DATABASE }, 'kamailio/views.sql')

function dataServers(setup: Setup): void {
  const { paths, ports, secrets } = setup
  ownFolder(setup, 'mariadb', ['etc', 'run', 'data'])
  ownFolder(setup, 'redis', ['etc', 'data'])
  ownFolder(setup, 'rabbitmq', ['etc', 'data', 'log'])
  ownFolder(setup, 'epmd', [])
  ownFolder(setup, 'selftest', [])
  ownFolder(setup, 'speech', [])
  mkdirSync(paths.storage, { recursive: true, mode: 0o700 })
  writeSpeechRunner(setup)
  const write = (name: string, file: string, lines: readonly string[]) =>
    writeFileSync(path.join(paths.server(name), 'etc', file), `${lines.join('\n')}\n`)

  write('mariadb', 'init.sql', accounts(setup))
  write('redis', 'redis.conf', [
    `bind ${LISTEN_IP}`,
    `port ${ports.redis}`,
    `requirepass ${secrets.redis_password}`,
    `dir ${INSIDE}/servers/redis/data`,
    // a cache: what matters is in the database
    'save ""',
    'appendonly no',
    'maxmemory 256mb',
    'maxmemory-policy allkeys-lru',
  ])
  const cookie = path.join(paths.server('rabbitmq'), 'data/.erlang.cookie')
  if (!existsSync(cookie)) {
    writeFileSync(cookie, secrets.rabbitmq_cookie, { mode: 0o400 })
    chownSync(cookie, ownerOf(setup), ownerOf(setup))
  }
  write('rabbitmq', 'enabled_plugins', ['[rabbitmq_prometheus].'])
  write('rabbitmq', 'rabbitmq.conf', [
    `listeners.tcp.1 = ${LISTEN_IP}:${ports.rabbitmq}`,
    `prometheus.tcp.ip = ${LISTEN_IP}`,
    `prometheus.tcp.port = ${ports.rabbitmqMetrics}`,
    // made at the first start, in place of guest
    'default_user = voipbin',
    `default_pass = ${secrets.rabbitmq_password}`,
    'log.console = true',
    'log.console.level = warning',
    'log.file = false',
    'disk_free_limit.absolute = 200MB',
  ])
}

/** Runs at every start of MariaDB, before it listens: accounts follow the secrets file. One statement per line. */
function accounts({ secrets, tcpRoot }: Setup): string[] {
  const account = (user: string, host: string, password: string) => [
    `CREATE USER IF NOT EXISTS '${user}'@'${host}' IDENTIFIED BY '${password}';`,
    `ALTER USER '${user}'@'${host}' IDENTIFIED BY '${password}';`,
  ]
  const rows = 'SELECT, INSERT, UPDATE, DELETE'
  return [
    `ALTER USER 'root'@'localhost' IDENTIFIED BY '${secrets.mysql_root_password}';`,
    `CREATE DATABASE IF NOT EXISTS ${DATABASE} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;`,
    `CREATE DATABASE IF NOT EXISTS ${EDGE_DATABASE};`,
    ...account('voipbin', LISTEN_IP, secrets.mysql_app_password),
    `GRANT ${rows} ON ${DATABASE}.* TO 'voipbin'@'${LISTEN_IP}';`,
    ...account('voipbin_migrate', LISTEN_IP, secrets.mysql_migrate_password),
    `GRANT ALL ON ${DATABASE}.* TO 'voipbin_migrate'@'${LISTEN_IP}';`,
    ...(tcpRoot
      ? [...account('root', LISTEN_IP, secrets.mysql_root_password), `GRANT ALL ON *.* TO 'root'@'${LISTEN_IP}' WITH GRANT OPTION;`]
      : [`DROP USER IF EXISTS 'root'@'${LISTEN_IP}';`]),
  ]
}

/** A self-signed certificate for this installation's names; made again when the names change. */
async function certificate({ flags, paths, user }: Setup): Promise<void> {
  const names = [
    `DNS:${flags.domain}`,
    `DNS:*.${flags.domain}`,
    'DNS:localhost',
    'IP:127.0.0.1',
    ...(flags.publicIp === null ? [] : [`IP:${flags.publicIp}`]),
  ]
  const wanted = names.join(',')
  const namesFile = path.join(paths.certs, 'names')
  const own = ['cert.pem', 'key.pem'].map(file => path.join(paths.certs, file))
  if (own.every(existsSync) && readIfExists(namesFile) === wanted) return
  mkdirSync(paths.certs, { recursive: true })
  const subject = ['-subj', `/CN=${flags.domain}`, '-addext', `subjectAltName=${wanted}`]
  const files = ['-keyout', `${INSIDE}/certs/key.pem`, '-out', `${INSIDE}/certs/cert.pem`]
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '3650']
  await runOrThrow('making the certificate', inRoot(paths, PRIVILEGED, ['openssl', 'req', '-x509', ...key, ...files, ...subject]))
  for (const file of own) {
    chownSync(file, 0, ownerOf({ user }))
    chmodSync(file, file.endsWith('key.pem') ? 0o640 : 0o644)
  }
  writeFileSync(namesFile, wanted)
}
