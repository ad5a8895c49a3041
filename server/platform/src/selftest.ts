// One real call through every Asterisk: SIPp as a carrier → Kamailio → RTPEngine → Asterisk's echo, with a tone that must come back.
import { copyFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { at, decode, encode } from './bencode.ts'
import { inRoot, run } from './chroot.ts'
import { asteriskName, kamailioName, outsideIp, type Setup } from './configure.ts'
import { readIfExists, tail } from './files.ts'
import { INSIDE } from './paths.ts'
import { dispatcherProbe, kamailioProbe, type Probe, rtpengineCommand } from './probes.ts'
import { serverProcesses } from './processes.ts'
import { toneEndpoint } from './tone.ts'

const TONE_HZ = 440
const PACKETS = 50
/** Shares below are noise, silence or another tone. */
const MIN_SHARE = 0.8
const MIN_RECEIVED = 0.8 * PACKETS

/** What one call showed, measured at the carrier's end. */
export interface CallEvidence {
  asterisk: string
  answer_ms: number
  codec: string
  sent: number
  received: number
  tone_share: number
  /** Packets RTPEngine took from the carrier's side and from Asterisk's side. */
  rtpengine: { from_carrier: number; from_asterisk: number }
}

/** The self-test failed; `broken` names the servers that do not answer, when that is the cause. */
export class SelfTestError extends Error {
  readonly broken: readonly string[]
  constructor(message: string, broken: readonly string[]) {
    super(message)
    this.broken = broken
  }
}

/** Calls once through each Asterisk. Rejects with {@link SelfTestError}. Takes about 1.5 s. */
export async function selfTest(setup: Setup): Promise<CallEvidence[]> {
  const count = setup.ports.asteriskCall.length
  const edge = setup.ports.kamailio[0]
  if (edge === undefined) throw new Error('a platform has at least one Kamailio')
  const broken = await brokenServers(setup)
  if (broken.length > 0) throw failure('the servers of a call do not all answer', broken)
  try {
    await eventually(dispatcherProbe(edge.rpc, count))
    // at once: round robin gives each Asterisk one
    const calls = await Promise.all(Array.from({ length: count }, (_, n) => oneCall(setup, n)))
    const missed = setup.ports.asteriskCall.map((_, n) => asteriskName(n)).filter(name => !calls.some(c => c.asterisk === name))
    if (missed.length > 0) throw new Error(`no call reached ${missed.join(', ')}: ${calls.map(c => c.asterisk).join(', ')} answered`)
    return calls
  } catch (error) {
    throw failure(error instanceof Error ? error.message : String(error), await brokenServers(setup))
  }
}

function failure(reason: string, broken: readonly { name: string; problem: string }[]): SelfTestError {
  const named = broken.map(b => `    ${b.name}: ${b.problem}`)
  const hint = broken.length > 0 ? `  See: npm run logs ${broken[0]?.name}` : '  See: npm run doctor, npm run logs kamailio'
  return new SelfTestError(
    [`Self-test call failed: ${reason}`, ...named, hint].join('\n'),
    broken.map(b => b.name),
  )
}

/** Which of the servers that a call passes do not answer right now. */
async function brokenServers(setup: Setup): Promise<{ name: string; problem: string }[]> {
  const parts: [name: string, probe: Probe][] = serverProcesses(setup)
    .filter(s => /^(rtpengine|asterisk)/.test(s.name))
    .map(s => [s.name, s.ready])
  for (const [n, k] of setup.ports.kamailio.entries()) parts.push([kamailioName(n), kamailioProbe(k.rpc)])
  const results = await Promise.all(
    parts.map(async ([name, probe]) =>
      probe().then(
        () => [],
        (error: unknown) => [{ name, problem: error instanceof Error ? error.message : String(error) }],
      ),
    ),
  )
  return results.flat()
}

/** Retries a probe for up to ten seconds: the edge pings its media servers every two. */
async function eventually(probe: Probe): Promise<void> {
  const end = Date.now() + 10_000
  for (;;) {
    try {
      return await probe()
    } catch (error) {
      if (Date.now() > end) throw error
      await delay(100)
    }
  }
}

async function oneCall(setup: Setup, index: number): Promise<CallEvidence> {
  const { paths, ports, user } = setup
  const folder = paths.server('selftest')
  const inside = `${INSIDE}/servers/selftest`
  const ip = outsideIp(setup.flags)
  const callId = `selftest-${index}-${process.pid}-${Date.now()}`
  for (const file of ['messages', 'errors', 'stat']) rmSync(path.join(folder, `${file}-${index}`), { force: true })
  copyFileSync(path.resolve(import.meta.dirname, '../selftest/carrier.xml'), path.join(folder, 'carrier.xml'))
  const tone = await toneEndpoint(ip, TONE_HZ)
  try {
    const options = ['-sf', `${inside}/carrier.xml`, '-s', 'selftest', '-i', ip, '-p', String(ports.selfTest + index * 2), '-m', '1']
    const limits = [
      '-timeout',
      '12s',
      '-timeout_error',
      '-recv_timeout',
      '6000',
      '-nostdin',
      '-cid_str',
      callId,
      '-key',
      'tone_port',
      String(tone.port),
    ]
    const traces = ['-trace_msg', '-message_file', `${inside}/messages-${index}`, '-trace_err', '-error_file', `${inside}/errors-${index}`]
    const stat = ['-trace_stat', '-stf', `${inside}/stat-${index}`, '-fd', '1']
    const sipp = run(inRoot(paths, user, ['sipp', `${ip}:${ports.kamailio[0]?.sip}`, ...options, ...limits, ...traces, ...stat]))
    const messages = path.join(folder, `messages-${index}`)
    const answer = await answered(messages, sipp)
    if (answer === undefined) throw new Error(`no answer to the carrier's INVITE: ${lastWords(folder, index, (await sipp).code)}`)
    const heard = await tone.talk(answer.media, PACKETS)
    const rtpengine = await rtpengineCounts(ports.rtpengineNg, callId)
    const done = await sipp
    if (done.code !== 0) throw new Error(`the call did not end as it should: ${lastWords(folder, index, done.code)}`)
    if (heard.received < MIN_RECEIVED) throw new Error(`${heard.received} of ${heard.sent} RTP packets came back to the carrier`)
    if (heard.share < MIN_SHARE)
      throw new Error(`what came back is not the tone sent (${Math.round(heard.share * 100)} % of its power at ${TONE_HZ} Hz)`)
    const asterisk = ports.asteriskCall.findIndex(a => a.sip === answer.contactPort)
    return {
      asterisk: asterisk < 0 ? `port ${answer.contactPort}` : asteriskName(asterisk),
      answer_ms: responseTime(readIfExists(path.join(folder, `stat-${index}`)) ?? ''),
      codec: heard.codec,
      sent: heard.sent,
      received: heard.received,
      tone_share: heard.share,
      rtpengine,
    }
  } finally {
    tone.close()
  }
}

interface Answered {
  media: { ip: string; port: number }
  contactPort: number
}

/** Waits until SIPp's message trace shows the 200 to the INVITE; undefined when SIPp ends without one. */
async function answered(messages: string, sipp: Promise<unknown>): Promise<Answered | undefined> {
  let ended = false
  void sipp.then(() => {
    ended = true
  })
  for (;;) {
    const found = parseAnswer(readIfExists(messages) ?? '')
    if (found || ended) return found
    await delay(10)
  }
}

/** Media address and Asterisk's port from a message trace. */
export function parseAnswer(trace: string): Answered | undefined {
  const ok = trace.split(/^-{20,}.*$/m).find(message => /SIP\/2\.0 200 /.test(message) && /^CSeq: 1 INVITE/m.test(message)) ?? ''
  const ip = /^c=IN IP4 (\S+)/m.exec(ok)?.[1]
  const port = /^m=audio (\d+)/m.exec(ok)?.[1]
  const contact = /^Contact:.*?:(\d+)[;>]/m.exec(ok)?.[1]
  return ip && port ? { media: { ip, port: Number(port) }, contactPort: Number(contact ?? 0) } : undefined
}

function lastWords(folder: string, index: number, code: number | null): string {
  const words = tail(path.join(folder, `errors-${index}`), 12).join(' ')
  const status = /SIP\/2\.0 ([3-6]\d\d [^\r\n]*)/.exec(readIfExists(path.join(folder, `messages-${index}`)) ?? '')?.[1]
  return [status ? `the edge answers ${status.trim()}` : `SIPp ends with code ${code}`, words.slice(0, 300)].filter(Boolean).join('; ')
}

/** Milliseconds from INVITE to 200, from SIPp's statistics. */
export function responseTime(stat: string): number {
  const [head = '', ...rows] = stat.trim().split('\n')
  const column = head.split(';').indexOf('ResponseTime1(C)')
  const value = rows.at(-1)?.split(';')[column] ?? ''
  const [h = 0, m = 0, s = 0, us = 0] = value.split(':').map(Number)
  return Math.round(((h * 60 + m) * 60 + s) * 1000 + us / 1000)
}

/** Packets RTPEngine received on each side of a call that is up. */
async function rtpengineCounts(port: number, callId: string): Promise<CallEvidence['rtpengine']> {
  const answer = decode(await rtpengineCommand(port, encode({ command: 'query', 'call-id': callId })))
  const tags = at(answer, 'tags')
  if (typeof tags !== 'object' || Array.isArray(tags)) throw new Error(`rtpengine does not know the call: ${JSON.stringify(answer)}`)
  // the offerer's side comes first: its tag holds what the carrier sent
  const packets = Object.values(tags)
    .sort((a, b) => Number(at(a, 'created') ?? 0) - Number(at(b, 'created') ?? 0))
    .map(tag => Number(at(tag, 'medias', 0, 'streams', 0, 'stats', 'packets') ?? 0))
  return { from_carrier: packets[0] ?? 0, from_asterisk: packets[1] ?? 0 }
}

/** The evidence as lines for people. */
export function evidenceLines(calls: readonly CallEvidence[]): string[] {
  return calls.map(
    c =>
      `    carrier → kamailio → rtpengine → ${c.asterisk}: answered in ${c.answer_ms} ms, ${c.codec}, RTP sent ${c.sent}, back ${c.received}` +
      ` (rtpengine ${c.rtpengine.from_carrier} in, ${c.rtpengine.from_asterisk} back), ${TONE_HZ} Hz heard (${Math.round(c.tone_share * 100)} %)`,
  )
}
