import { parseArgs } from 'node:util'
import { SERVICE_NAMES } from './services.ts'

/** What may run more than once, and how often at most: each one has its own ports in the block. */
const INSTANCE_LIMITS: Readonly<Record<string, number>> = {
  kamailio: 2,
  gateway: 4,
  ...Object.fromEntries(SERVICE_NAMES.map(name => [name, 4])),
}

/** What the command line says about the platform to run. */
export interface Flags {
  detach: boolean
  /** First port of the block of 4000. */
  portBase: number
  /** The gateway's port. */
  httpPort: number
  /** Address the SIP edge and RTP are reachable at from outside; loopback only when not given. */
  publicIp: string | null
  /** Base of all SIP domains (`sip.<domain>`, `<customer>.registrar.<domain>`, …). */
  domain: string
  /** One process per service instead of few. */
  processes: boolean
  /** How many of a service or server: `{ call: 2, kamailio: 2 }`. One when not named. */
  instances: Record<string, number>
  /** State folder, relative to the checkout. */
  home: string
}

/** A wrong flag or argument: names it, says the rule; printed without a stack. */
export class UsageError extends Error {}

const OPTIONS = {
  detach: { type: 'boolean', default: false },
  'port-base': { type: 'string', default: '18000' },
  'http-port': { type: 'string', default: '8080' },
  'public-ip': { type: 'string' },
  domain: { type: 'string', default: 'voipbin.test' },
  processes: { type: 'boolean', default: false },
  instances: { type: 'string', multiple: true },
  home: { type: 'string', default: '.voipbin' },
} as const

export const FLAGS_HELP = `  --detach             return when everything is ready and the self-test has passed
  --port-base <n>      first port of the block of 4000 (default 18000)
  --http-port <n>      the gateway's port (default 8080)
  --public-ip <ip>     listen for SIP and RTP on this address too (default: loopback only)
  --domain <name>      base of the SIP domains (default voipbin.test)
  --processes          one process per service
  --instances <list>   how many, e.g. call=2,gateway=2,kamailio=2
  --home <folder>      state folder (default .voipbin)`

/** Parses flags of `start` and everything that starts a platform. Throws {@link UsageError}. */
export function parseFlags(args: readonly string[]): Flags {
  const { values } = parse(args)
  return {
    detach: values.detach,
    portBase: integer('--port-base', values['port-base'], 1024, 61_000),
    httpPort: integer('--http-port', values['http-port'], 1, 65_535),
    publicIp: values['public-ip'] === undefined ? null : ipv4('--public-ip', values['public-ip']),
    domain: domainName(values.domain),
    processes: values.processes,
    instances: parseInstances(values.instances ?? []),
    home: values.home,
  }
}

/** The state folder, for commands that look at a running platform. */
export const homeFlag = (args: readonly string[]): string => parseFlags(args).home

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, strict: true, allowPositionals: false })
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : error}\n\n${FLAGS_HELP}`)
  }
}

function integer(flag: string, text: string, min: number, max: number): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < min || value > max)
    throw new UsageError(`${flag} ${text}: must be a whole number from ${min} to ${max}`)
  return value
}

function ipv4(flag: string, text: string): string {
  const parts = text.split('.')
  const ok = parts.length === 4 && parts.every(p => /^\d{1,3}$/.test(p) && Number(p) <= 255)
  if (!ok) throw new UsageError(`${flag} ${text}: must be an IPv4 address like 203.0.113.7`)
  return text
}

function domainName(text: string): string {
  if (text.length > 200 || !/^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$/.test(text)) {
    throw new UsageError(`--domain ${text}: must be a lower-case domain name like voipbin.example.com, at most 200 characters`)
  }
  return text
}

function parseInstances(lists: readonly string[]): Record<string, number> {
  const instances: Record<string, number> = {}
  for (const item of lists.flatMap(list => list.split(',')).filter(Boolean)) {
    const found = /^([a-z][a-z0-9-]*)=(\d+)$/.exec(item)
    if (!found) throw new UsageError(`--instances ${item}: must be name=number, e.g. call=2,gateway=2`)
    const [, name = '', count = ''] = found
    const limit = INSTANCE_LIMITS[name]
    if (limit === undefined) throw new UsageError(`--instances ${name}: there are ${Object.keys(INSTANCE_LIMITS).join(', ')}`)
    instances[name] = integer(`--instances ${name}=`, count, 1, limit)
  }
  return instances
}
