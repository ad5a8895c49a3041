import type { WebhookReplayCreate } from '../index.ts'
import { sleep } from '../transport.ts'
import type { Arguments } from './arguments.ts'
import { type Io, Progress } from './io.ts'
import { printOne } from './output.ts'
import { openSession, type Session } from './session.ts'
import { didYouMean, UsageError } from './usage.ts'

const lookMs = 500

/** `voipbin events replay`: one delivery, or those of a time range. 1 when some did not get through. */
export async function events(io: Io, given: Arguments): Promise<number> {
  const [verb, id, extra] = given.positionals
  if (verb !== 'replay') throw new UsageError(`\`voipbin events\` is followed by replay.${verb ? didYouMean(verb, ['replay']) : ''}`)
  if (extra !== undefined) throw new UsageError(`'${extra}' is one word too many.`)
  const range = ['from', 'to', 'endpoint', 'events', 'status'].filter(name => given.values.has(name))
  if (id !== undefined && range.length > 0) throw new UsageError(`One delivery has no --${range[0]}.`)
  const body = id === undefined ? bodyOf(given) : undefined
  const session = openSession(io, given.values)
  return body ? replayRange(io, session, given, body) : replayOne(io, session, given, id ?? '')
}

const waits = ({ values }: Arguments): boolean => values.get('wait')?.at(-1) !== 'false'

async function replayOne(io: Io, { client }: Session, given: Arguments, id: string): Promise<number> {
  const { signal } = io
  let delivery = await client.webhookDeliveries.replay(id, { signal })
  const progress = new Progress(io)
  // After a failed first attempt the next one is minutes away: that is worth knowing at once.
  while (waits(given) && delivery.status === 'pending' && delivery.attempt_count === 0) {
    progress.show(`${delivery.event_type} is on its way to ${delivery.uri} …`)
    await sleep(lookMs, signal)
    delivery = await client.webhookDeliveries.get(delivery.id, { signal })
  }
  progress.clear()
  printOne(io, delivery, given.values)
  return waits(given) && delivery.status !== 'succeeded' ? 1 : 0
}

async function replayRange(io: Io, { client }: Session, given: Arguments, body: WebhookReplayCreate): Promise<number> {
  const { signal } = io
  let replay = await client.webhookReplays.create(body, { signal })
  const progress = new Progress(io)
  while (waits(given) && replay.status === 'running') {
    const { queued_count, pending_count, succeeded_count, failed_count } = replay
    progress.show(`${queued_count} queued, ${pending_count} under way, ${succeeded_count} delivered, ${failed_count} failed …`)
    try {
      await sleep(lookMs, signal)
      replay = await client.webhookReplays.get(replay.id, { signal })
    } catch (error) {
      progress.clear()
      if (signal.aborted) io.err(`The replay goes on; \`voipbin webhook_replays get ${replay.id}\` tells how far it is.\n`)
      throw error
    }
  }
  progress.clear()
  printOne(io, replay, given.values)
  return replay.failed_count > 0 ? 1 : 0
}

function bodyOf({ values }: Arguments): WebhookReplayCreate {
  const one = (name: string): string | undefined => values.get(name)?.at(-1)
  const [from, to, endpoint] = [one('from'), one('to'), one('endpoint')]
  if (from === undefined) throw new UsageError('`voipbin events replay` needs the id of a delivery, or --from.')
  const event_types = listOf(values.get('events'))
  const delivery_statuses = listOf(values.get('status')).map(status => {
    if (status !== 'failed' && status !== 'canceled' && status !== 'succeeded')
      throw new UsageError('--status is one of failed, canceled, succeeded.')
    return status
  })
  return {
    tm_from: timeOf(from, '--from'),
    ...(to !== undefined && { tm_to: timeOf(to, '--to') }),
    ...(endpoint !== undefined && { webhook_id: endpoint }),
    ...(event_types.length > 0 && { event_types }),
    ...(delivery_statuses.length > 0 && { delivery_statuses }),
  }
}

/** Given one by one, or with commas. */
export const listOf = (texts: readonly string[] = []): string[] => texts.flatMap(text => text.split(',')).filter(Boolean)

const units: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** A time, or how long ago. */
export function timeOf(text: string, flag: string, now: number = Date.now()): string {
  const [, count, unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? []
  if (count !== undefined) return new Date(now - Number(count) * (units[unit] ?? 0)).toISOString()
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(text) || Number.isNaN(Date.parse(text)))
    throw new UsageError(`${flag} is a time such as 2026-01-20T12:00:00Z, or how long ago: 30m, 2h, 7d.`)
  return text
}
