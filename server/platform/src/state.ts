import { z } from 'zod'
import { readIfExists, writeAtomically } from './files.ts'
import type { Flags } from './flags.ts'
import type { Paths } from './paths.ts'
import { CARRIER_IP, type Ports, portNames } from './ports.ts'

const demoSchema = z.strictObject({
  customer_id: z.uuid(),
  username: z.string(),
  password: z.string(),
  accesskey: z.string(),
  webhook_secret: z.string(),
  extensions: z.array(z.strictObject({ extension: z.string(), username: z.string(), password: z.string(), domain: z.string() })).min(2),
  number: z.string(),
})
export type Demo = z.infer<typeof demoSchema>

const processSchema = z.strictObject({
  pid: z.int().positive(),
  /** Clock ticks since boot, as a string: with the pid it names one process for ever. */
  started: z.string(),
  log: z.string(),
  health_url: z.url().nullable(),
  metrics_url: z.url().nullable(),
})
export type ProcessState = z.infer<typeof processSchema>

/** `.voipbin/state.json`: where a running platform is. Documented in docs/state-json.md; fields are added, never renamed. */
export const stateSchema = z.strictObject({
  version: z.literal(1),
  /** `stopped` stays in the file after `npm stop`, with no processes. */
  status: z.enum(['starting', 'ready', 'failed', 'stopping', 'stopped']),
  supervisor: z.strictObject({ pid: z.int().positive(), started: z.string() }).nullable(),
  tm_start: z.iso.datetime(),
  api_url: z.url(),
  auth_url: z.url(),
  ws_url: z.url(),
  softphone_url: z.url(),
  sip: z.strictObject({
    udp: z.string(),
    tcp: z.string(),
    tls: z.string(),
    ws_url: z.url(),
    wss_url: z.url(),
    domain: z.string(),
    /** Where calls to the demo carrier go; it may call in from any port of that address. */
    carrier: z.string(),
  }),
  ports: z.record(z.string(), z.int().min(1).max(65_535)),
  processes: z.record(z.string(), processSchema),
  demo: demoSchema.optional(),
  demo_other: demoSchema.optional(),
})
export type State = z.infer<typeof stateSchema>

/** The state of a platform that is about to start. */
export function newState(flags: Flags, ports: Ports, supervisor: State['supervisor']): State {
  const ip = flags.publicIp ?? '127.0.0.1'
  const edge = ports.kamailio[0]
  if (edge === undefined) throw new Error('a platform has at least one Kamailio')
  const http = `127.0.0.1:${ports.http}`
  return {
    version: 1,
    status: 'starting',
    supervisor,
    tm_start: new Date().toISOString(),
    api_url: `http://${http}/v1.0`,
    auth_url: `http://${http}/auth`,
    ws_url: `ws://${http}/ws`,
    softphone_url: `http://${http}/softphone/`,
    sip: {
      udp: `${ip}:${edge.sip}`,
      tcp: `${ip}:${edge.sip}`,
      tls: `${ip}:${edge.tls}`,
      ws_url: `ws://${ip}:${edge.ws}`,
      wss_url: `wss://${ip}:${edge.wss}`,
      domain: flags.domain,
      carrier: `${CARRIER_IP}:${ports.carrier}`,
    },
    ports: { ...portNames(ports), ...gatewayPorts(flags, ports) },
    processes: {},
  }
}

/** Gateways after the first. */
const gatewayPorts = ({ instances }: Flags, { gateways }: Ports): Record<string, number> =>
  Object.fromEntries(Array.from({ length: (instances.gateway ?? 1) - 1 }, (_, n) => [`http_${n + 2}`, gateways + n + 1]))

export function writeState(paths: Paths, state: State): void {
  writeAtomically(paths.stateFile, `${JSON.stringify(stateSchema.parse(state), null, 2)}\n`, 0o600)
}

/** The last written state; undefined when there is none, or it is damaged or of another version. */
export function readState(paths: Paths): State | undefined {
  const parsed = stateSchema.safeParse(json(readIfExists(paths.stateFile)))
  return parsed.success ? parsed.data : undefined
}

function json(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}
