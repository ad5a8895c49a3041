import { networkInterfaces } from 'node:os'
import type { Flags } from './flags.ts'
import type { Paths } from './paths.ts'
import { LISTEN_IP, type Ports } from './ports.ts'
import type { Secrets } from './secrets.ts'

/** Everything that decides how the platform looks. */
export interface Setup {
  flags: Flags
  paths: Paths
  ports: Ports
  secrets: Secrets
  /** UID:GID the servers run as. */
  user: string
  /** Tests create databases of their own: root may then log in over TCP. */
  tcpRoot: boolean
}

export const ARI_USER = 'voipbin'
export const DATABASE = 'voipbin'
export const EDGE_DATABASE = 'kamailio'

export const asteriskName = (index: number): string => `asterisk-call-${index + 1}`
export const kamailioName = (index: number): string => (index === 0 ? 'kamailio' : `kamailio-${index + 1}`)

/** Where Asterisk and the other edges reach an edge. Of its own address, where no edge listens outside: edges tell their Paths by the address alone. */
export const edgeInside = (ports: Ports, index: number) => ({ ip: `127.0.1.${index + 1}`, port: ports.base + 32 + index })

/** The address of this machine that phones and carriers reach; behind NAT it is not the public one. */
export function outsideIp(flags: Flags): string {
  if (flags.publicIp === null) return LISTEN_IP
  const own = Object.values(networkInterfaces())
    .flatMap(list => list ?? [])
    .filter(a => a.family === 'IPv4' && !a.internal)
  const local = own.find(a => a.address === flags.publicIp) ?? own[0]
  if (!local) throw new Error(`--public-ip ${flags.publicIp}: this machine has no address but loopback`)
  return local.address
}
