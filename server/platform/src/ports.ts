import { readFileSync } from 'node:fs'
import type { Flags } from './flags.ts'
import { describeProcess, ownerOfSocket } from './proc.ts'

export const BLOCK_SIZE = 4000
const LOOPBACK = '127.0.0.1'

export interface KamailioPorts {
  /** SIP over UDP and TCP. */
  sip: number
  ws: number
  wss: number
  rpc: number
  tls: number
}
export interface AsteriskPorts {
  sip: number
  http: number
  rtp: readonly [min: number, max: number]
}

/** Every port the platform may use. All but `http` lie in one block from `base`. */
export interface Ports {
  base: number
  http: number
  mariadb: number
  redis: number
  rabbitmq: number
  rabbitmqDist: number
  epmd: number
  rabbitmqMetrics: number
  kamailio: KamailioPorts[]
  asteriskCall: AsteriskPorts[]
  rtpengineNg: number
  rtpengineHttp: number
  rtpengineRtp: readonly [min: number, max: number]
  /** Where service processes publish states (ZeroMQ): this plus their index. */
  states: number
  /** Gateways after the first: this plus their index. */
  gateways: number
  /** Carriers of the self-test, at {@link CARRIER_IP}: this and the next ones. */
  selfTest: number
  /** Where calls to the demo carrier go, at {@link CARRIER_IP}. */
  carrier: number
}

/** Two Asterisks of the call role: a default, so that failover and sharding are always real. */
export const ASTERISK_CALL_INSTANCES = 2

export function portsOf(flags: Pick<Flags, 'portBase' | 'httpPort' | 'instances'>): Ports {
  const at = (offset: number) => flags.portBase + offset
  return {
    base: flags.portBase,
    http: flags.httpPort,
    mariadb: at(1),
    redis: at(2),
    rabbitmq: at(3),
    rabbitmqDist: at(4),
    epmd: at(5),
    rabbitmqMetrics: at(6),
    kamailio: each(flags.instances.kamailio ?? 1, n => {
      const first = at(10 + n * 5)
      return { sip: first, ws: first + 1, wss: first + 2, rpc: first + 3, tls: first + 4 }
    }),
    asteriskCall: each(ASTERISK_CALL_INSTANCES, n => ({
      sip: at(20 + n * 2),
      http: at(21 + n * 2),
      rtp: [at(3000 + n * 500), at(3499 + n * 500)],
    })),
    rtpengineNg: at(30),
    rtpengineHttp: at(31),
    rtpengineRtp: [at(1000), at(2999)],
    states: at(400),
    gateways: at(90),
    selfTest: at(100),
    carrier: at(120),
  }
}

/** Health port of the n-th of our own processes; metrics are on the next one. 25 pairs below the self-test's ports, the rest above. */
export const healthPort = (ports: Ports, index: number): number => ports.base + (index < 25 ? 40 + index * 2 : 200 + (index - 25) * 2)

const each = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, n) => make(n))

/** Flat names for `state.json`. */
export function portNames(ports: Ports): Record<string, number> {
  const named: Record<string, number> = {
    http: ports.http,
    mariadb: ports.mariadb,
    redis: ports.redis,
    rabbitmq: ports.rabbitmq,
    rabbitmq_metrics: ports.rabbitmqMetrics,
    rtpengine_ng: ports.rtpengineNg,
    rtpengine_http: ports.rtpengineHttp,
  }
  for (const [n, k] of ports.kamailio.entries()) {
    const name = `kamailio${n === 0 ? '' : `_${n + 1}`}`
    Object.assign(named, {
      [`${name}_sip`]: k.sip,
      [`${name}_ws`]: k.ws,
      [`${name}_wss`]: k.wss,
      [`${name}_rpc`]: k.rpc,
      [`${name}_tls`]: k.tls,
    })
  }
  for (const [n, a] of ports.asteriskCall.entries()) {
    Object.assign(named, { [`asterisk_call_${n + 1}_sip`]: a.sip, [`asterisk_call_${n + 1}_http`]: a.http })
  }
  return named
}

/** A port somebody else holds. */
export interface TakenPort {
  port: number
  protocol: 'tcp' | 'udp'
  holder: string
}

/** Which ports of the block (and the gateway's) are in use in this network namespace, by whom. Reads /proc only; needs root to name the holder. */
export function takenPorts(ports: Ports): TakenPort[] {
  const wanted = (port: number) => port === ports.http || (port >= ports.base && port < ports.base + BLOCK_SIZE)
  const taken = new Map<string, TakenPort>()
  for (const protocol of ['tcp', 'udp'] as const) {
    for (const socket of [...sockets(protocol), ...sockets(`${protocol}6`)]) {
      if (!wanted(socket.port) || taken.has(`${protocol}${socket.port}`)) continue
      const pid = ownerOfSocket(socket.inode)
      taken.set(`${protocol}${socket.port}`, {
        port: socket.port,
        protocol,
        holder: pid === undefined ? 'unknown process' : describeProcess(pid),
      })
    }
  }
  return [...taken.values()].sort((a, b) => a.port - b.port)
}

const LISTEN = '0A'
const UNCONNECTED = '07'

function sockets(table: string): { port: number; inode: string }[] {
  const state = table.startsWith('tcp') ? LISTEN : UNCONNECTED
  return readFileSync(`/proc/net/${table}`, 'utf8')
    .split('\n')
    .slice(1)
    .flatMap(line => {
      const field = line.trim().split(/\s+/)
      if (field[3] !== state) return []
      return [{ port: Number.parseInt(field[1]?.split(':')[1] ?? '', 16), inode: field[9] ?? '' }]
    })
}

/** What to tell a person about ports in use: which, by whom, what to do. */
export function takenPortsMessage(taken: readonly TakenPort[], ports: Ports): string {
  const rows = taken.slice(0, 8).map(t => `    ${t.protocol} ${t.port}  ${t.holder}`)
  const more = taken.length > rows.length ? [`    and ${taken.length - rows.length} more`] : []
  const blockTaken = taken.some(t => t.port !== ports.http)
  const httpTaken = taken.some(t => t.port === ports.http)
  const flags = [blockTaken ? `--port-base ${nextBase(ports.base)}` : '', httpTaken ? `--http-port ${ports.http + 1}` : '']
    .filter(Boolean)
    .join(' ')
  return [
    'These ports are in use by somebody else:',
    ...rows,
    ...more,
    `  End that process, or start with other ports: npm start -- ${flags}`,
  ].join('\n')
}

const nextBase = (base: number) => (base + BLOCK_SIZE <= 30_000 ? base + BLOCK_SIZE : 10_000)

/** Where servers listen. */
export const LISTEN_IP = LOOPBACK

/** The demo carrier's address. One of its own, because whatever calls from a carrier's address is that carrier. */
export const CARRIER_IP = '127.0.0.31'
