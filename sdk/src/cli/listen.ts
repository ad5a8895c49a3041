import { eventTypes } from '../../../generated/sdk/realtime.ts'
import { type EventFrame, type EventTopic, Realtime, RealtimeError } from '../realtime.ts'
import type { Arguments } from './arguments.ts'
import { type Forwarded, forward, Lanes } from './forward.ts'
import { notArgued } from './input.ts'
import { type Io, styled } from './io.ts'
import { formatOf } from './output.ts'
import { forwardSecret } from './profiles.ts'
import { listOf } from './replay.ts'
import { openSession, type Session } from './session.ts'
import { clean } from './table.ts'
import { didYouMean, UsageError } from './usage.ts'

interface Wanted {
  patterns: string[]
  topics: string[]
  /** Topics were named: all of them have to be granted. */
  isStrict: boolean
  url: string | undefined
}

const kinds: readonly string[] = [...new Set(eventTypes.map(type => type.replace(/\..*/, '')))]

/** `voipbin listen`: events until Ctrl-C, which is the way to end it. */
export async function listen(io: Io, given: Arguments): Promise<number> {
  if (given.positionals.length > 0) throw new UsageError(`'${given.positionals[0]}' is one word too many.`)
  const wanted = read(given)
  const isText = formatOf(io, given.values) !== 'jsonl' && (io.outIsTty || given.values.has('output') || wanted.url !== undefined)
  const session = openSession(io, given.values)
  const secret = wanted.url === undefined ? '' : await secretOf(io, given)
  const realtime = await open(io, session)
  const stop = (): void => realtime.close()
  io.signal.addEventListener('abort', stop)
  const lanes = new Lanes()
  const counts = { events: 0, delivered: 0, failed: 0 }
  try {
    await subscribe(io, realtime, wanted)
    io.err(`Listening on ${session.base_url}${wanted.url ? `, forwarding to ${wanted.url}` : ''}. Ctrl-C ends it.\n`)
    for await (const frame of realtime) {
      if (frame.type === 'gap') io.err(`Events may be missing here (${frame.reason}).\n`)
      else if (isWanted(frame.event_type, wanted.patterns)) {
        counts.events++
        if (!isText) io.out(`${JSON.stringify(frame)}\n`)
        else if (!wanted.url) io.out(eventLine(frame))
        const { url } = wanted
        if (url) {
          lanes.add(frame.resource_id, async () => {
            const done = await forward(frame, url, secret)
            const isGood = done.status_code !== null && done.status_code >= 200 && done.status_code < 300
            counts[isGood ? 'delivered' : 'failed']++
            io.out(isText ? deliveryLine(io, frame, done, isGood) : `${JSON.stringify(done)}\n`)
          })
        }
      }
    }
  } catch (error) {
    // The end of the connection is what Ctrl-C asked for.
    if (!io.signal.aborted) throw error
  } finally {
    realtime.close()
    io.signal.removeEventListener('abort', stop)
    // What is on its way gets its answer, unless that takes long.
    await Promise.race([lanes.idle(), patience()])
  }
  const sent = wanted.url ? `, ${counts.delivered} delivered, ${counts.failed} failed` : ''
  io.err(`\n${counts.events} events${sent}.\n`)
  return 0
}

const patience = (): Promise<void> =>
  new Promise(resolve => {
    setTimeout(resolve, 3000).unref()
  })

function read({ values }: Arguments): Wanted {
  const patterns = listOf(values.get('events'))
  for (const pattern of patterns) {
    const known = [...eventTypes, ...kinds.map(kind => `${kind}.*`), '*']
    if (!known.includes(pattern)) throw new UsageError(`There is no event ${pattern}.${didYouMean(pattern, known)}`)
  }
  const url = values.get('forward')?.at(-1)
  if (url !== undefined && !/^https?:\/\/[^/]/.test(url)) throw new UsageError('--forward is an http or https URL.')
  const named = listOf(values.get('topics'))
  const needed =
    patterns.length === 0 || patterns.includes('*') ? kinds : [...new Set(patterns.map(pattern => pattern.replace(/\..*/, '')))]
  return { patterns, topics: named.length > 0 ? named : [...needed], isStrict: named.length > 0 || patterns.length > 0, url }
}

export const isWanted = (type: string, patterns: readonly string[]): boolean =>
  patterns.length === 0 || patterns.some(pattern => pattern === '*' || pattern === type || pattern === type.replace(/\..*/, '.*'))

async function secretOf(io: Io, { values }: Arguments): Promise<string> {
  const given = values.get('secret')?.at(-1)
  const asked = given === undefined ? undefined : await io.ask(`Webhook ${notArgued('--secret', given)}: `, true)
  const secret = asked?.trim() || io.env.VOIPBIN_WEBHOOK_SECRET
  if (secret) {
    if (!/^whsec_[A-Za-z0-9+/]+=*$/.test(secret)) throw new UsageError('A webhook secret is `whsec_` and base64.')
    return secret
  }
  const kept = forwardSecret(io.env)
  io.err(`Signed with the secret ${kept}, the same every time.\n`)
  return kept
}

async function open(io: Io, { base_url, credentials }: Session): Promise<Realtime> {
  // Node 20 has no WebSocket of its own.
  const Own = globalThis.WebSocket ?? ((await import('ws')).WebSocket as unknown as typeof WebSocket)
  let wasOpen = false
  return new Realtime({
    baseUrl: base_url,
    ...credentials,
    WebSocket: Own,
    onState: state => {
      if (state === 'reconnecting') io.err('The connection was lost; connecting again …\n')
      if (state === 'open' && wasOpen) io.err('Connected again.\n')
      wasOpen ||= state === 'open'
    },
  })
}

/** Without named topics what these credentials may not hear of is left out. */
async function subscribe(io: Io, realtime: Realtime, { topics, isStrict }: Wanted): Promise<void> {
  if (isStrict) return realtime.subscribe(...(topics as EventTopic[]))
  const refused: string[] = []
  for (const topic of topics) {
    await realtime.subscribe(topic as EventTopic).catch((error: unknown) => {
      if (!(error instanceof RealtimeError) || error.status !== 'PERMISSION_DENIED') throw error
      refused.push(topic)
    })
  }
  if (refused.length > 0) io.err(`Not allowed with these credentials: ${refused.join(', ')}.\n`)
}

const clock = (time: string): string => time.replace(/^.*T/, '').replace(/\..*$|Z$/, '')

const eventLine = ({ timestamp, event_type, resource_id, data }: EventFrame): string => {
  const { status } = data as { status?: unknown }
  return `${clock(timestamp)}  ${event_type.padEnd(22)}  ${resource_id}${typeof status === 'string' ? `  ${clean(status)}` : ''}\n`
}

function deliveryLine(io: Io, { timestamp, resource_id }: EventFrame, done: Forwarded, isGood: boolean): string {
  const said = styled(io, io.outIsTty, isGood ? 'green' : 'red', done.status_code === null ? (done.error ?? '') : String(done.status_code))
  return `${clock(timestamp)}  ${done.event_type.padEnd(22)}  ${resource_id}  → ${said} in ${done.duration_ms} ms\n`
}
