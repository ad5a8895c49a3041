import type { components, VoIPBIN } from '@voipbin/sdk'
import { portBlock } from '../../voip/testing/ports.ts'
import { type RtpPhone, rtpPhone } from '../../voip/testing/rtp.ts'
import { type Scenario, type SippRun, sipp } from '../../voip/testing/sipp.ts'
import { until } from '../../voip/testing/wait.ts'
import { edgeOf, type State, secretsOf } from './platform.ts'

type Provider = components['schemas']['Provider']

/** A carrier of the platform, with an address of its own on this machine. */
export interface Carrier {
  provider: Provider
  ip: string
  port: number
  remove(): Promise<void>
}

export interface CarrierOptions {
  name: string
  /** Its own address, 127.0.0.x; nothing else may use it. */
  ip: string
  /** Routes these numbers of this customer to it; without one it only calls in. */
  route?: { customer_id: string; target: string; priority: number }
}

/** Makes a carrier by REST and waits until the edge knows its address. */
export async function addCarrier(state: State, operator: VoIPBIN, options: CarrierOptions): Promise<Carrier> {
  const { name, ip, route } = options
  const port = (await portBlock(1)).next()
  const provider = await operator.providers.create({ name, hostname: ip, port, allowed_ips: [ip] })
  const made = route && (await operator.routes.create({ provider_id: provider.id, ...route }))
  await until(`the edge knows ${ip}`, () => edgeKnows(state, ip))
  const remove = async () => {
    if (made) await operator.routes.delete(made.id)
    await operator.providers.delete(provider.id)
  }
  return { provider, ip, port, remove }
}

/** Asks every edge for the addresses it lets in. */
async function edgeKnows(state: State, ip: string): Promise<boolean> {
  const controls = Object.entries(state.ports).filter(([name]) => /^kamailio(_\d+)?_rpc$/.test(name))
  const dumps = await Promise.all(
    controls.map(async ([, port]) => {
      const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'permissions.addressDump', params: [] })
      const headers = { authorization: `Bearer ${secretsOf(state).kamailio_control_token}` }
      const answer = await fetch(`http://127.0.0.1:${port}/rpc`, { method: 'POST', headers, body })
      return answer.text()
    }),
  )
  return dumps.every(dump => dump.includes(`"${ip}"`))
}

/** One end of a call at a carrier: SIPp for the signalling, a phone for the sound. */
export interface CarrierLeg {
  sipp: SippRun
  phone: RtpPhone
  close(): Promise<void>
}

/** SIPp ends with its call, and must not end before it, in milliseconds. */
const lifeOf = ({ WAIT_MS = 0 }: Record<string, string | number>): number => Math.max(90_000, Number(WAIT_MS) + 30_000)

/** Waits for one call at the carrier. */
export async function carrierAnswers(
  carrier: Pick<Carrier, 'ip' | 'port'>,
  scenario: Scenario,
  values: Record<string, string | number> = {},
): Promise<CarrierLeg> {
  const phone = await rtpPhone(0, carrier.ip)
  const run = await sipp(scenario, {
    ip: carrier.ip,
    port: carrier.port,
    timeout_ms: lifeOf(values),
    values: { MEDIA_PORT: phone.port, ...values },
  })
  return leg(run, phone)
}

/** Calls a number over the carrier. */
export async function carrierCalls(
  state: State,
  carrier: Carrier,
  number: string,
  scenario: Scenario,
  values: Record<string, string | number> = {},
): Promise<CarrierLeg> {
  const phone = await rtpPhone(0, carrier.ip)
  const edge = edgeOf(state)
  const run = await sipp(scenario, {
    target: edge,
    ip: carrier.ip,
    timeout_ms: lifeOf(values),
    values: { URI: `sip:${number}@${edge}`, FROM: `<sip:+15551239999@${carrier.ip}>`, MEDIA_PORT: phone.port, ...values },
  })
  return leg(run, phone)
}

function leg(run: SippRun, phone: RtpPhone): CarrierLeg {
  const close = async () => {
    await run.stop()
    phone.close()
  }
  return { sipp: run, phone, close }
}
