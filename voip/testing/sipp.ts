import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { renderFile } from '../render.ts'
import { end, inroot } from './inroot.ts'
import { portBlock } from './ports.ts'
import { until } from './wait.ts'

export type Scenario =
  | 'uac-call'
  | 'uac-wait-bye'
  | 'uac-refused'
  | 'uac-cancel'
  | 'phone-call'
  | 'phone-refused'
  | 'register'
  | 'uas-answer'
  | 'uas-hangup'
  | 'uas-reject'
  | 'uas-ring'
  | 'uas-reinvite'

export interface SippOptions {
  /** `ip:port` requests go to. A callee needs none. */
  target?: string
  /** Address and UDP port SIPp uses itself; a free port when missing. */
  ip?: string
  port?: number
  /** Default udp. */
  transport?: 'udp' | 'tcp' | 'tls'
  /** Number of calls, one after another. Default 1. */
  calls?: number
  /** Fills the scenario's `{{NAME}}`s: USER, PASSWORD, DOMAIN, URI, FROM, MEDIA_PORT, TALK_MS, RING_MS, WAIT_MS, EXPECT, CODE, REASON, EXPIRES, HEADERS. */
  values?: Readonly<Record<string, string | number>>
  /** The run is ended after this time and counts as failed. Default 30,000. */
  timeout_ms?: number
}

export interface SippResult {
  exit_code: number | null
  successful: number
  failed: number
  /** SIPp's own account of unexpected messages, empty when all went as written. */
  errors: string
  /** Every message sent and received, as SIPp logged it. */
  messages: string
}

export interface SippRun {
  port: number
  process_id: number
  /** Where the other side wants its audio: from the first SDP that SIPp received. */
  remoteMedia(): Promise<{ ip: string; port: number }>
  /** Every message so far, as SIPp logged it. */
  log(): string
  /** Settles when SIPp has ended by itself or was stopped. */
  result: Promise<SippResult>
  /** Ends SIPp before its scenario is over. */
  stop(): Promise<SippResult>
}

const transports = { udp: 'u1', tcp: 't1', tls: 'l1' }

const defaults = {
  USER: 'sipp', PASSWORD: '', DOMAIN: '', URI: 'sip:none@invalid', FROM: '<sip:+15550001111@carrier.test>', MEDIA_PORT: 9, TALK_MS: 1000, RING_MS: 100,
  WAIT_MS: 60_000, EXPECT: 200, CODE: 486, REASON: 'Busy Here', EXPIRES: 300, HEADERS: '',
} // biome-ignore format: one block of names

/** Starts SIPp from the rootfs with a scenario of `sipp/`. A callee is ready to receive when this returns. */
export async function sipp(scenario: Scenario, options: SippOptions = {}): Promise<SippRun> {
  const inst = mkdtempSync(join(tmpdir(), 'voipbin-sipp-'))
  renderFile(join(import.meta.dirname, `sipp/${scenario}.xml`), join(inst, 'scenario.xml'), { ...defaults, ...options.values })
  const port = options.port ?? (await portBlock(1)).next()
  const calls = options.calls ?? 1
  const command = [
    'sipp', ...(options.target === undefined ? [] : [options.target]), '-sf', '/srv/scenario.xml', '-i', options.ip ?? '127.0.0.1', '-p', String(port), '-m', String(calls), '-l', '1',
    '-t', transports[options.transport ?? 'udp'], '-nostdin', '-trace_err', '-error_file', '/srv/errors.log', '-trace_msg', '-message_file', '/srv/messages.log', '-trace_stat', '-stf', '/srv/stat.csv', '-fd', '1',
    '-timeout', String(Math.ceil((options.timeout_ms ?? 30_000) / 1000)), '-timeout_error',
  ] // biome-ignore format: one block of options
  const child = inroot(command, { inst, log: join(inst, 'out.log') })
  if (child.pid === undefined) throw new Error('sipp did not start')
  const exited = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', code => resolve(code))
  })
  const result = exited.then(exit_code => {
    const collected = {
      exit_code,
      ...counters(text(join(inst, 'stat.csv'))),
      errors: text(join(inst, 'errors.log')),
      messages: text(join(inst, 'messages.log')),
    }
    if (exit_code !== 0 && process.env.VOIPBIN_KEEP !== undefined) keep(inst)
    rmSync(inst, { recursive: true, force: true })
    return collected
  })
  if (options.target === undefined)
    await bound(port, options.transport === undefined || options.transport === 'udp' ? 'udp' : 'tcp', exited)
  return {
    port,
    process_id: child.pid,
    result,
    log: () => text(join(inst, 'messages.log')),
    remoteMedia: () => until('an SDP from the other side', () => remoteSdp(text(join(inst, 'messages.log')))),
    async stop() {
      await end(child)
      return result
    },
  }
}

/** Starts SIPp, waits for its end, throws with SIPp's account when a call did not go as written. */
export async function sippCall(scenario: Scenario, options: SippOptions = {}): Promise<SippResult> {
  const result = await (await sipp(scenario, options)).result
  if (result.exit_code !== 0 || result.failed > 0)
    throw new Error(
      `sipp ${scenario}: exit ${result.exit_code}, ${result.failed} failed\n${result.errors}\n${result.messages.slice(-6000)}`,
    )
  return result
}

/** The cumulative columns of SIPp's statistics file. */
export function counters(csv: string): { successful: number; failed: number } {
  const lines = csv.trim().split('\n')
  const names = (lines[0] ?? '').split(';')
  const last = (lines.at(-1) ?? '').split(';')
  const value = (name: string) => Number(last[names.indexOf(name)] ?? 0) || 0
  return { successful: value('SuccessfulCall(C)'), failed: value('FailedCall(C)') }
}

function remoteSdp(messages: string): { ip: string; port: number } | undefined {
  for (const part of messages.split(/^-{20,}.*$/m)) {
    if (!/message received/.test(part)) continue
    const ip = /^c=IN IP4 (\S+)/m.exec(part)?.[1]
    const port = /^m=audio (\d+)/m.exec(part)?.[1]
    if (ip !== undefined && port !== undefined) return { ip, port: Number(port) }
  }
  return undefined
}

const text = (path: string) => (existsSync(path) ? readFileSync(path, 'utf8') : '')

function keep(inst: string): void {
  const to = join(tmpdir(), 'voipbin-sipp-failed')
  mkdirSync(to, { recursive: true })
  for (const name of ['errors.log', 'messages.log', 'out.log'])
    if (existsSync(join(inst, name))) copyFileSync(join(inst, name), join(to, name))
}

/** Waits until the kernel's table shows the port taken: before that a request would be refused. */
async function bound(port: number, table: 'udp' | 'tcp', exited: Promise<unknown>): Promise<void> {
  const hex = port.toString(16).toUpperCase().padStart(4, '0')
  let over = false
  void exited.then(() => {
    over = true
  })
  await until(`sipp on port ${port}`, () => {
    if (over) throw new Error('sipp ended')
    return readFileSync(`/proc/net/${table}`, 'utf8').includes(`:${hex} `)
  })
}
