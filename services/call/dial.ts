import { isAppError } from '@voipbin/kernel'
import { eq } from 'drizzle-orm'
import { change } from './effects.ts'
import { authorize } from './funds.ts'
import { after, type CallTx, type Ctx, channelId, complete } from './lifecycle.ts'
import { asteriskTable, type CallRow, calls } from './schema.ts'

/** Seconds the platform waits beyond the dial timeout for Asterisk to give up by itself. */
const dialGrace_s = 3

/** Asterisks that can take a call, in random order. */
export async function availableAsterisks(ctx: Pick<Ctx, 'db'>): Promise<string[]> {
  const rows = await ctx.db.select({ id: asteriskTable.id }).from(asteriskTable).where(eq(asteriskTable.connected, true))
  return rows
    .map(row => ({ id: row.id, order: Math.random() }))
    .sort((a, b) => a.order - b.order)
    .map(row => row.id)
}

/** Sets the timer that ends a call nobody answers. Part of the transaction that makes the call. */
export const armDialTimer = (tx: CallTx, row: CallRow): Promise<void> =>
  tx.setTimer('dial', { key: `dial:${row.id}`, at: after(tx.now(), row.dial_timeout + dialGrace_s), payload: { call_id: row.id } })

/** Sends the INVITE of a call's current attempt. Repeating it is harmless: the channel's id derives from the call's. */
export async function dial(ctx: Ctx, call_id: string): Promise<void> {
  const row = await calls.system.get({ db: ctx.db }, call_id)
  if (!row || (row.status !== 'initiating' && row.status !== 'ringing')) return
  if (row.dialroutes.length > 0 && (await authorize(ctx, row, 60)) === 0) {
    return change(ctx, call_id, (tx, live) => complete(tx, live, { cause: 'call_rejected', sip_code: null }))
  }
  const asterisks = row.asterisk_id ? [row.asterisk_id] : await availableAsterisks(ctx)
  for (const asterisk_id of asterisks) {
    if (!row.asterisk_id) await place(ctx, row.id, asterisk_id)
    if (await invite(ctx, { ...row, asterisk_id })) return
    if (!row.asterisk_id) await place(ctx, row.id, null)
  }
  ctx.log.warn('no asterisk took the call', { call_id, tried: asterisks })
  await change(ctx, call_id, (tx, live) => complete(tx, live, { cause: 'network_failure', sip_code: null }))
}

/** Remembers where a call is before it is there: its events may come before the answer. */
const place = (ctx: Ctx, call_id: string, asterisk_id: string | null): Promise<void> =>
  change(ctx, call_id, async (tx, row) => {
    await calls.system.update(tx, row, {
      asterisk_id,
      channel_id: asterisk_id && (row.channel_id ?? channelId(row.id, row.dialroute_index)),
    })
    return []
  })

/** False when this Asterisk could not be asked. A channel that ended already has reported so itself. */
async function invite(ctx: Ctx, row: CallRow & { asterisk_id: string }): Promise<boolean> {
  try {
    const channel = await ctx.call('createChannel', {
      asterisk_id: row.asterisk_id,
      channel_id: row.channel_id ?? channelId(row.id, row.dialroute_index),
      uri: uriOf(row),
      caller_number: row.source.target,
      caller_name: row.source.target_name,
      timeout: row.dial_timeout,
      headers: row.dialroutes[row.dialroute_index]?.headers ?? {},
      variables: {},
    })
    ctx.log.info('dialled', { call_id: row.id, asterisk_id: row.asterisk_id, channel_id: channel.id, provider_id: row.provider_id })
    return true
  } catch (error) {
    if (!isAppError(error)) throw error
    if (error.reason === 'CHANNEL_ENDED') return true
    if (error.status === 'UNAVAILABLE' || error.status === 'DEADLINE_EXCEEDED') return false
    ctx.log.warn('asterisk refused to dial', { call_id: row.id, reason: error.reason })
    return false
  }
}

function uriOf(row: CallRow): string {
  const route = row.dialroutes[row.dialroute_index]
  if (!route) return row.dial_uri
  const transport = route.transport === 'udp' ? '' : `;transport=${route.transport}`
  return `sip:${route.user}@${route.hostname}:${route.port}${transport}`
}
