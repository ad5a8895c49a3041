import type { ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { renderFile, renderFolder } from '../render.ts'
import { end, inroot, run } from './inroot.ts'
import { portBlock } from './ports.ts'
import { until } from './wait.ts'

const voip = join(import.meta.dirname, '..')

export interface AsteriskInstance {
  id: string
  sip: string
  ari: { url: string; user: string; password: string }
  process: ChildProcess
  start(): Promise<void>
}
export interface EdgeInstance {
  name: string
  outside: { ip: string; sip: number; tls: number; ws: number; wss: number }
  inside: { ip: string; port: number }
  /** `http://ip:port`: /rpc, /metrics, /health */
  control: string
  /** What /rpc asks for. */
  token: string
  process: ChildProcess
  start(): Promise<void>
}
export interface Stack {
  /** Folder of this run; inside the rootfs it is /srv. */
  dir: string
  domain: string
  asterisks: AsteriskInstance[]
  edges: EdgeInstance[]
  rtpengine: { http: string }
  /** Runs SQL in the edge's database and gives the rows' text. */
  sql(text: string): Promise<string>
  stop(): Promise<void>
}

export interface StackOptions {
  asterisks?: number
  edges?: number
  /** Requests one address may send in ten seconds. Default 5,000: all tests share an address. */
  flood_limit?: number
  /** Calls one extension may begin in a minute. Default 100. */
  call_limit?: number
  /** Calls by SIP URI to private addresses. Default allowed: here everything is on loopback. */
  private_callees?: 'allowed' | 'refused'
}

/**
 * Starts RTPEngine, Asterisk(s) and Kamailio(s) from the templates, on loopback, with a database of its own.
 * Needs VOIPBIN_INROOT and MYSQL_URL; rejects with the server's log path when one does not come up.
 */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const dir = mkdtempSync(join(tmpdir(), 'voipbin-voip-'))
  const tag = randomBytes(4).toString('hex')
  const db = database(dir, `kamailio_${tag}`)
  const domain = 'voipbin.test'
  const processes: ChildProcess[] = []
  const ports = await portBlock(40)
  const port = () => ports.next()
  const ng = port()
  const http = port()
  const ari = { user: 'voipbin', password: randomBytes(8).toString('hex') }
  mkdirSync(join(dir, 'certs'))
  await certificate(dir, domain)

  const rtp = await portBlock(2000, { even: true })
  renderFolder(join(voip, 'rtpengine'), join(dir, 'rtpengine/etc'), {
    INSIDE_RTP_IP: '127.0.0.1', OUTSIDE_RTP_IP: '127.0.0.1', NG_IP: '127.0.0.1', NG_PORT: ng, HTTP_IP: '127.0.0.1', HTTP_PORT: http,
    RTP_PORT_MIN: rtp.first, RTP_PORT_MAX: rtp.first + 999, THREADS: 2, LOG_LEVEL: 6,
  }) // biome-ignore format: one block of names
  const edges = Array.from({ length: options.edges ?? 1 }, (_, i) => ({
    name: `edge${i + 1}`,
    inside: { ip: `127.0.1.${i + 1}`, port: port() },
    outside: { ip: '127.0.0.1', sip: port(), tls: port(), ws: port(), wss: port() },
    controlPort: port(),
  }))
  const asterisks = Array.from({ length: options.asterisks ?? 1 }, (_, i) => ({
    id: `asterisk-call-${i + 1}`,
    sip: port(),
    ari: port(),
    rtp: rtp.first + 1000 + i * 500,
  }))

  const spawned = (name: string, command: string[]) => {
    const child = inroot(command, { inst: dir, log: join(dir, `${name}.log`), group: true })
    processes.push(child)
    return child
  }
  const ready = async (name: string, child: ChildProcess, probe: () => Promise<boolean>) => {
    await until(`${name} (${join(dir, `${name}.log`)})`, async () => {
      if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}`)
      return probe()
    })
  }

  const stop = async () => {
    await Promise.all(processes.map(child => end(child)))
    await db.drop()
    if (process.env.VOIPBIN_KEEP === undefined) rmSync(dir, { recursive: true, force: true })
  }
  try {
    await db.create()
    const rtpengine = spawned('rtpengine', ['rtpengine', '--config-file=/srv/rtpengine/etc/rtpengine.conf'])
    const asteriskList = asterisks.map(spec => {
      const folder = join(dir, spec.id)
      for (const sub of ['run', 'log', 'lib', 'spool/monitor', 'spool/recording', 'spool/tmp', 'spool/outgoing'])
        mkdirSync(join(folder, sub), { recursive: true })
      renderFolder(
        join(voip, 'asterisk'),
        join(folder, 'etc'),
        { DIR: `/srv/${spec.id}`, SOUNDS_DIR: '/tmp', MODULES_DIR: modulesDir(), ASTERISK_ID: spec.id, SIP_DOMAIN: domain, SIP_IP: '127.0.0.1', SIP_PORT: spec.sip, ARI_IP: '127.0.0.1', ARI_PORT: spec.ari, ARI_USER: ari.user, ARI_PASSWORD: ari.password, RTP_PORT_MIN: spec.rtp, RTP_PORT_MAX: spec.rtp + 499 },
        ['edge.conf'],
      ) // biome-ignore format: one block of names
      for (const edge of edges)
        renderFile(join(voip, 'asterisk/edge.conf'), join(folder, `etc/edges/${edge.name}.conf`), {
          EDGE_NAME: edge.name,
          EDGE_INSIDE_IP: edge.inside.ip,
          EDGE_INSIDE_PORT: edge.inside.port,
        })
      const instance: AsteriskInstance = {
        id: spec.id,
        sip: `127.0.0.1:${spec.sip}`,
        ari: { url: `http://127.0.0.1:${spec.ari}`, ...ari },
        process: rtpengine,
        async start() {
          instance.process = spawned(spec.id, ['asterisk', '-C', `/srv/${spec.id}/etc/asterisk.conf`, '-f', '-n'])
          const authorization = `Basic ${Buffer.from(`${ari.user}:${ari.password}`).toString('base64')}`
          await ready(
            spec.id,
            instance.process,
            async () => (await fetch(`${instance.ari.url}/ari/asterisk/info`, { headers: { authorization } })).ok,
          )
        },
      }
      return instance
    })
    await Promise.all([
      ready('rtpengine', rtpengine, async () => (await fetch(`http://127.0.0.1:${http}/metrics`)).ok),
      ...asteriskList.map(asterisk => asterisk.start()),
    ])
    await db.query(
      [
        ...asteriskList.map(a => `INSERT INTO dispatcher (setid, destination, attrs) VALUES (1, 'sip:${a.sip}', 'duid=${a.id}');`),
        ...(edges.length > 1
          ? edges.map(
              e => `INSERT INTO address (grp, ip_addr, mask, port, tag) VALUES (2, '${e.inside.ip}', 32, ${e.inside.port}, '${e.name}');`,
            )
          : []),
      ].join('\n'),
    )
    const secret = randomBytes(12).toString('hex')
    const edgeList = edges.map((spec, i) => {
      const folder = join(dir, spec.name)
      mkdirSync(join(folder, 'run'), { recursive: true })
      renderFolder(
        join(voip, 'kamailio'),
        join(folder, 'etc'),
        {
          DIR: `/srv/${spec.name}`, EDGE_NAME: spec.name, SERVER_ID: i + 1, SIP_DOMAIN: domain, OUTSIDE_IP: spec.outside.ip, PUBLIC_IP: spec.outside.ip,
          SIP_PORT: spec.outside.sip, SIP_TLS_PORT: spec.outside.tls, WS_PORT: spec.outside.ws, WSS_PORT: spec.outside.wss, INSIDE_IP: spec.inside.ip,
          INSIDE_PORT: spec.inside.port, CONTROL_IP: '127.0.0.1', CONTROL_PORT: spec.controlPort, CONTROL_TOKEN: secret, RTPENGINE_NG: `udp:127.0.0.1:${ng}`, NONCE_SECRET: secret,
          FLOOD_LIMIT: options.flood_limit ?? 5000, CALL_LIMIT: options.call_limit ?? 100, PRIVATE_CALLEES: options.private_callees ?? 'allowed', TLS_KEY: '/srv/certs/key.pem', TLS_CERT: '/srv/certs/cert.pem', ...db.values,
        },
        ['schema.sql', 'views.sql'],
      ) // biome-ignore format: one block of names
      const control = `http://127.0.0.1:${spec.controlPort}`
      const instance: EdgeInstance = {
        name: spec.name,
        outside: spec.outside,
        inside: spec.inside,
        control,
        token: secret,
        process: rtpengine,
        async start() {
          const runDir = `/srv/${spec.name}/run`
          instance.process = spawned(spec.name, [
            'kamailio',
            '-f',
            `/srv/${spec.name}/etc/kamailio.cfg`,
            '-DD',
            '-E',
            '-m',
            '64',
            '-M',
            '8',
            '-Y',
            runDir,
            '-w',
            runDir,
          ])
          await ready(spec.name, instance.process, async () => {
            const answer = await fetch(`${control}/rpc`, {
              method: 'POST',
              headers: { authorization: `Bearer ${secret}` },
              body: JSON.stringify({ jsonrpc: '2.0', method: 'dispatcher.list', id: 1 }),
            })
            const text = await answer.text()
            return (text.match(/"AP"/g) ?? []).length >= asteriskList.length
          })
        },
      }
      return instance
    })
    await Promise.all(edgeList.map(edge => edge.start()))
    return { dir, domain, asterisks: asteriskList, edges: edgeList, rtpengine: { http: `http://127.0.0.1:${http}` }, sql: db.query, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Debian's multi-arch folder of this machine. */
function modulesDir(): string {
  return `/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu/asterisk/modules`
}

async function certificate(dir: string, domain: string): Promise<void> {
  const command =
    'openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -keyout /srv/certs/key.pem -out /srv/certs/cert.pem'
  const names = ['-subj', `/CN=${domain}`, '-addext', `subjectAltName=DNS:${domain},DNS:localhost,IP:127.0.0.1`]
  const done = await run([...command.split(' '), ...names], { inst: dir })
  if (done.code !== 0) throw new Error(`openssl: ${done.stderr}`)
}

function database(dir: string, name: string) {
  const url = new URL(process.env.MYSQL_URL ?? '')
  const admin = [
    'mariadb',
    '-h',
    url.hostname,
    '-P',
    url.port,
    '-u',
    decodeURIComponent(url.username),
    ...(url.password === '' ? [] : [`-p${decodeURIComponent(url.password)}`]),
    '--skip-ssl',
    '-N',
    '-B',
  ]
  const exec = async (input: string, database?: string) => {
    const done = await run([...admin, ...(database === undefined ? [] : [database])], { inst: dir, input })
    if (done.code !== 0) throw new Error(`sql: ${done.stderr}`)
    return done.stdout
  }
  const values = { DB_HOST: url.hostname, DB_PORT: url.port, DB_NAME: name, DB_USER: name, DB_PASSWORD: randomBytes(8).toString('hex') }
  return {
    values,
    query: (text: string) => exec(text, name),
    async create() {
      await exec(`CREATE DATABASE ${name}`)
      const files = ['standard', 'usrloc', 'dispatcher', 'permissions'].map(part => `/usr/share/kamailio/mysql/${part}-create.sql`)
      const own = await run(['cat', ...files], { inst: dir })
      await exec(own.stdout, name)
      renderFile(join(voip, 'kamailio/schema.sql'), join(dir, 'schema.sql'), values)
      await exec((await run(['cat', '/srv/schema.sql'], { inst: dir })).stdout, name)
    },
    drop: () => exec(`DROP DATABASE IF EXISTS ${name}; DROP USER IF EXISTS '${name}'@'%';`),
  }
}
