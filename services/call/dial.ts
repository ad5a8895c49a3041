import { isAppError } from '@voipbin/kernel'
import { eq } from 'drizzle-orm'
import { change } from './effects.ts'
import { authorize } from './funds.ts'
import { after, type CallTx, type Ctx, channelId, complete, type End, lockCall } from './lifecycle.ts'
import { isWaiting } from './rules.ts'
import { asteriskTable, type CallRow, calls } from './schema.ts'

/** Seconds the platform waits beyond the dial timeout for Asterisk to give up by itself. */
const dialGrace_s = 3
const minute_s = 60

/** Sets the timer that ends a call nobody answers. Part of the transaction that makes the call. */
export const armDialTimer = (tx: CallTx, row: CallRow): Promise<void> =>
  tx.setTimer('dial', { key: `dial:${row.id}`, at: after(tx.now(), row.dial_timeout + dialGrace_s), payload: { call_id: row.id } })

/** Sends the INVITE of a call's current attempt. Repeating it is harmless: the channel's id derives from the call's. */
export async function dial(ctx: Ctx, call_id: string): Promise<void> {
  const plan = await ctx.tx(async tx => {
    const row = await lockCall(tx, call_id)
    if (!row || !isWaiting(row.status)) return null
    return { row, asterisks: row.asterisk_id ? [row.asterisk_id] : await someAsterisks(tx) }
  })
  if (!plan) return
  const { row, asterisks } = plan
  if (row.dialroutes.length > 0 && (await authorize(ctx, row, minute_s)) === 0) return giveUp(ctx, call_id, 'call_rejected')
  for (const asterisk_id of asterisks) {
    const placed = await place(ctx, row.id, asterisk_id)
    if (!placed) return
    const outcome = await invite(ctx, placed)
    // Recorded: a repeated message must take the same way.
    if (await ctx.tx(async tx => outcome === 'ok' || (await markAway(tx, asterisk_id, outcome)))) return
  }
  ctx.log.warn('no asterisk took the call', { call_id, tried: asterisks })
  await giveUp(ctx, call_id, 'network_failure')
}

const giveUp = (ctx: Ctx, call_id: string, cause: End['cause']): Promise<void> =>
  change(ctx, call_id, (tx, row) => complete(tx, row, { cause, sip_code: null, by: row.hangup_by ?? 'local' }))

/** In random order, those last found away at the end. */
async function someAsterisks(tx: CallTx): Promise<string[]> {
  const rows = await tx.db.select({ id: asteriskTable.id, connected: asteriskTable.connected }).from(asteriskTable)
  return rows
    .map(({ id, connected }) => ({ id, order: Math.random() + (connected ? 0 : 1) }))
    .sort((a, b) => a.order - b.order)
    .map(row => row.id)
}

/** One that could not be reached comes last until it reports itself again. Answers false: the call was not taken. */
async function markAway(tx: CallTx, asterisk_id: string, outcome: 'refused' | 'away'): Promise<false> {
  if (outcome === 'away') await tx.db.update(asteriskTable).set({ connected: false }).where(eq(asteriskTable.id, asterisk_id))
  return false
}

type Placed = CallRow & { asterisk_id: string; channel_id: string }

/** Remembers where a call is before it is there: its events may come before the answer. `null` when it waits no more. */
const place = (ctx: Ctx, call_id: string, asterisk_id: string): Promise<Placed | null> =>
  ctx.tx(async tx => {
    const row = await lockCall(tx, call_id)
    if (!row || !isWaiting(row.status)) return null
    const where = { asterisk_id, channel_id: row.channel_id ?? channelId(row.id, row.dialroute_index) }
    return { ...(await update(tx, row, where)), ...where }
  })

const update = (tx: CallTx, row: CallRow, where: Pick<Placed, 'asterisk_id' | 'channel_id'>): Promise<CallRow> =>
  row.asterisk_id === where.asterisk_id && row.channel_id === where.channel_id ? Promise.resolve(row) : calls.system.update(tx, row, where)

/** `away`: this Asterisk could not be asked. A channel that ended already has reported so itself. */
async function invite(ctx: Ctx, row: Placed): Promise<'ok' | 'refused' | 'away'> {
  const { asterisk_id, channel_id, source, dial_timeout, provider_id } = row
  try {
    await ctx.call('createChannel', {
      asterisk_id,
      channel_id,
      uri: uriOf(row),
      caller_number: numberOf(source.target),
      caller_name: source.target_name.slice(0, 128),
      timeout: dial_timeout,
      headers: row.dialroutes[row.dialroute_index]?.headers ?? {},
      variables: {},
    })
    ctx.log.info('dialled', { call_id: row.id, asterisk_id, channel_id, provider_id })
    return 'ok'
  } catch (error) {
    if (!isAppError(error)) throw error
    if (error.reason === 'CHANNEL_ENDED') return 'ok'
    ctx.log.warn('asterisk did not dial', { call_id: row.id, asterisk_id, reason: error.reason })
    return error.status === 'UNAVAILABLE' || error.status === 'DEADLINE_EXCEEDED' ? 'away' : 'refused'
  }
}

/** Of a SIP address the user part, as phones show it. */
const numberOf = (target: string): string => (/^sips?:([^@]+)@/.exec(target)?.[1] ?? target).slice(0, 64)

function uriOf(row: CallRow): string {
  const route = row.dialroutes[row.dialroute_index]
  if (!route) return row.dial_uri
  const transport = route.transport === 'udp' ? '' : `;transport=${route.transport}`
  return `sip:${route.user}@${route.hostname}:${route.port}${transport}`
}
