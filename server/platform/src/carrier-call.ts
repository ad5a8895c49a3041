// One call of the demo carrier: SIPp does the signalling, a phone of ours sends a tone and a digit and hears what comes back.
import { copyFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { level, RATE, type Samples, sine, toneLevel } from '../../../voip/testing/audio.ts'
import { rtpPhone } from '../../../voip/testing/rtp.ts'
import { at, decode, encode } from './bencode.ts'
import { inRoot, run } from './chroot.ts'
import { readIfExists, tail } from './files.ts'
import { INSIDE } from './paths.ts'
import { CARRIER_IP } from './ports.ts'
import { rtpengineCommand } from './probes.ts'
import { OWNER_VARIABLE } from './proc.ts'
import { asteriskName, outsideIp, type Setup } from './setup.ts'

const TONE_HZ = 440
const DIGIT = '5'
/** Frames below are a quiet line. */
const SPEECH_DB = -45
const MIN_SPEECH_S = 0.5

export interface CallPlan {
  /** Which of the calls at once this is, and the edge it goes through. */
  index: number
  edge: number
  number: string
  /** Unlike that of every other call, so that this one can be found. */
  caller: string
}

/** What one call showed at the carrier's end. */
export interface CarrierEvidence {
  asterisk: string
  answer_ms: number
  codec: string
  sent: number
  received: number
  /** Packets RTPEngine took from the carrier's side and from Asterisk's side, a moment before the end. */
  rtpengine: { from_carrier: number; from_asterisk: number }
  speech: { seconds: number; level_db: number }
  digit: string
}

/** Calls and waits for the end; rejects with what was wrong. */
export async function carrierCall(setup: Setup, plan: CallPlan): Promise<CarrierEvidence> {
  const { paths, ports, user } = setup
  const folder = paths.server('selftest')
  const callId = `selftest-${plan.index}-${process.pid}-${Date.now()}`
  for (const file of ['messages', 'errors', 'stat']) rmSync(path.join(folder, `${file}-${plan.index}`), { force: true })
  copyFileSync(path.resolve(import.meta.dirname, '../selftest/carrier.xml'), path.join(folder, 'carrier.xml'))
  const phone = await rtpPhone(0, CARRIER_IP)
  try {
    const sipp = run(inRoot(paths, user, sippCommand(setup, plan, { callId, rtpPort: phone.port }), { [OWNER_VARIABLE]: paths.home }))
    const answer = await answered(path.join(folder, `messages-${plan.index}`), sipp)
    if (answer === undefined) throw new Error(`no answer to the carrier's INVITE: ${lastWords(folder, plan.index, (await sipp).code)}`)
    phone.play(sine(TONE_HZ, 1000), answer.media)
    const [rtpengine] = await Promise.all([countUntil(ports.rtpengineNg, callId, sipp), phone.dtmf(DIGIT)])
    const { code } = await sipp
    if (code !== 0) throw new Error(`the call did not end as it should: ${lastWords(folder, plan.index, code)}`)
    const asterisk = ports.asteriskCall.findIndex(a => a.sip === answer.contactPort)
    return {
      asterisk: asterisk < 0 ? `port ${answer.contactPort}` : asteriskName(asterisk),
      answer_ms: responseTime(readIfExists(path.join(folder, `stat-${plan.index}`)) ?? ''),
      // the phone hears nothing else
      codec: phone.received > 0 ? 'PCMU' : 'none',
      sent: phone.sent,
      received: phone.received,
      rtpengine,
      speech: speechIn(phone.heard()),
      digit: DIGIT,
    }
  } finally {
    phone.close()
  }
}

function sippCommand({ flags, ports }: Setup, plan: CallPlan, { callId, rtpPort }: { callId: string; rtpPort: number }): string[] {
  const inside = `${INSIDE}/servers/selftest`
  const trace = (option: string, fileOption: string, file: string) => [option, fileOption, `${inside}/${file}-${plan.index}`]
  return [
    'sipp',
    `${outsideIp(flags)}:${ports.kamailio[plan.edge]?.sip}`,
    ...['-sf', `${inside}/carrier.xml`, '-s', plan.number, '-cid_str', callId],
    ...['-i', CARRIER_IP, '-p', String(ports.selfTest + plan.index * 2), '-m', '1', '-nostdin'],
    ...['-timeout', '30s', '-timeout_error', '-recv_timeout', '12000'],
    ...['-key', 'rtp_port', String(rtpPort), '-key', 'caller', plan.caller],
    ...trace('-trace_msg', '-message_file', 'messages'),
    ...trace('-trace_err', '-error_file', 'errors'),
    ...trace('-trace_stat', '-stf', 'stat'),
    ...['-fd', '1'],
  ]
}

/** Seconds in which somebody speaks, and how loud. Rejects silence and the carrier's own tone. */
export function speechIn(heard: Samples): CarrierEvidence['speech'] {
  const frame = RATE / 50
  const frames = Array.from({ length: Math.floor(heard.length / frame) }, (_, n) => heard.subarray(n * frame, (n + 1) * frame))
  const loud = frames.filter(samples => level(samples) > SPEECH_DB)
  const speech = Float64Array.from(loud.flatMap(samples => [...samples]))
  const seconds = loud.length / 50
  const level_db = Math.round(level(speech))
  if (seconds < MIN_SPEECH_S)
    throw new Error(`no speech came back to the carrier: ${seconds.toFixed(1)} s in ${heard.length / RATE} s of sound`)
  // a sine of this level has an effective value 3 dB lower
  if (toneLevel(speech, TONE_HZ) - 3 > level_db - 6) throw new Error('what came back to the carrier is its own tone, not speech')
  return { seconds, level_db }
}

interface Answered {
  media: { ip: string; port: number }
  contactPort: number
}

/** Waits until SIPp's message trace shows the 200 to the INVITE; undefined when SIPp ends without one. */
async function answered(messages: string, sipp: Promise<unknown>): Promise<Answered | undefined> {
  const ended = endOf(sipp)
  for (;;) {
    const over = ended.yet
    const found = parseAnswer(readIfExists(messages) ?? '')
    if (found || over) return found
    await delay(10)
  }
}

function endOf(process: Promise<unknown>): { yet: boolean } {
  const ended = { yet: false }
  const mark = () => {
    ended.yet = true
  }
  process.then(mark, mark)
  return ended
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

/** The last packet counts RTPEngine gave while the call was up: it forgets a call with its BYE. */
async function countUntil(port: number, callId: string, sipp: Promise<unknown>): Promise<CarrierEvidence['rtpengine']> {
  const ended = endOf(sipp)
  let last = { from_carrier: 0, from_asterisk: 0 }
  while (!ended.yet) {
    // an RTPEngine that does not answer shows in what the phone hears
    last = (await rtpengineCounts(port, callId).catch(() => undefined)) ?? last
    await delay(100)
  }
  return last
}

async function rtpengineCounts(port: number, callId: string): Promise<CarrierEvidence['rtpengine'] | undefined> {
  const answer = decode(await rtpengineCommand(port, encode({ command: 'query', 'call-id': callId })))
  const tags = at(answer, 'tags')
  if (typeof tags !== 'object' || Array.isArray(tags)) return undefined
  // the offerer's side comes first: its tag holds what the carrier sent
  const packets = Object.values(tags)
    .sort((a, b) => Number(at(a, 'created') ?? 0) - Number(at(b, 'created') ?? 0))
    .map(tag => Number(at(tag, 'medias', 0, 'streams', 0, 'stats', 'packets') ?? 0))
  return { from_carrier: packets[0] ?? 0, from_asterisk: packets[1] ?? 0 }
}
