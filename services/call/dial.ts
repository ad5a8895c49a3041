import { isAppError, isTransient } from '@voipbin/kernel'
import { eq } from 'drizzle-orm'
import { change, tolerant } from './effects.ts'
import { authorize, type Charged, release } from './funds.ts'
import { armDialTimer, type CallTx, type Ctx, channelId, complete, type End, lockCall } from './lifecycle.ts'
import { q850Of } from './media.ts'
import { costs, isOnNet, isWaiting, maxHops } from './rules.ts'
import { asteriskTable, type CallRow, calls } from './schema.ts'
import { together } from './together.ts'

/** As a server would refuse it that counts (RFC 3261 §21.4.20). */
const tooManyHops = 483

/** Seconds that must be paid for before anybody is dialled. */
const firstMinute_s = 60

export interface Dial {
  call_id: string
  /** Its first minute has to be paid for, and nothing is reserved for it yet. */
  reserves: boolean
}

/** Has a call dialled once this transaction has committed, while whoever asked for it is answered. */
export const dialSoon = (tx: CallTx, { call_id, reserves }: Dial): Promise<void> =>
  tx.setTimer('dial_now', { key: `dial_now:${call_id}`, at: tx.now(), payload: { call_id, reserves } })

/** Of legs that ring together the first is dialled by who made them, the others beside it. Gives the first. */
export async function dialOthersSoon(tx: CallTx, rows: readonly CallRow[]): Promise<CallRow | null> {
  const [first = null, ...others] = rows
  for (const row of others) await dialSoon(tx, { call_id: row.id, reserves: costs(row) })
  return first
}

/** As `dial`, for when nobody waits for the outcome: a call that cannot be dialled for a reason nobody has thought of is over. */
export async function dialNow(ctx: Ctx, order: Dial): Promise<void> {
  try {
    await dial(ctx, order)
  } catch (error) {
    if (isTransient(error)) throw error
    ctx.log.error('call not dialled', { call_id: order.call_id, err: error })
    await giveUp(ctx, order.call_id, 'failed')
  }
}

/** Sends the INVITE of a call's current attempt. Repeating it is harmless: the channel's id derives from the call's. */
export async function dial(ctx: Ctx, { call_id, reserves }: Dial): Promise<void> {
  const [isPaid, placed] = await together([reserves ? hasCredit(ctx, call_id) : true, place(ctx, call_id, [])])
  if (!isPaid) return giveUp(ctx, call_id, 'call_rejected')
  // It may have ended, and its credit have been given back, before any was reserved.
  if (placed === 'over' && reserves) return release(ctx, call_id)
  await dialFrom(ctx, call_id, placed)
}

/** As `dial`, for a leg whose row says already where it goes, once it is known whether it can be paid for. */
export const dialPlaced = (ctx: Ctx, row: CallRow, isPaid: boolean): Promise<void> => {
  if (!isPaid) return giveUp(ctx, row.id, 'call_rejected')
  return dialFrom(ctx, row.id, isPlaced(row) ? row : 'nowhere')
}

async function dialFrom(ctx: Ctx, call_id: string, first: Place): Promise<void> {
  const tried: string[] = []
  for (let placed = first; placed !== 'nowhere'; placed = await place(ctx, call_id, tried)) {
    if (placed === 'answered' || placed === 'over') return
    if (placed.hops > maxHops) return giveUp(ctx, call_id, 'network_failure', tooManyHops)
    if (await settle(ctx, placed, await invite(ctx, placed))) return
    tried.push(placed.asterisk_id)
  }
  ctx.log.warn('no asterisk took the call', { call_id, tried })
  await giveUp(ctx, call_id, 'network_failure')
}

async function hasCredit(ctx: Ctx, call_id: string): Promise<boolean> {
  const row = await calls.system.get({ db: ctx.db }, call_id)
  return row !== null && canPay(ctx, row)
}

/** Reserves the first minute of a call. */
export const canPay = async (ctx: Ctx, call: Charged): Promise<boolean> => (await authorize(ctx, call, firstMinute_s)) > 0

const giveUp = (ctx: Ctx, call_id: string, cause: End['cause'], sip_code: number | null = null): Promise<void> =>
  change(ctx, call_id, (tx, row) => complete(tx, row, { cause, sip_code, by: row.hangup_by ?? 'local' }))

type Placed = CallRow & { asterisk_id: string; channel_id: string }
type Place = Placed | 'answered' | 'over' | 'nowhere'
const isPlaced = (row: CallRow): row is Placed => row.asterisk_id !== null && row.channel_id !== null

/** Remembers where a call is before it is there: its events may come before the answer. */
const place = (ctx: Ctx, call_id: string, tried: readonly string[]): Promise<Place> =>
  ctx.tx(async tx => {
    const row = await lockCall(tx, call_id)
    if (!row || !isWaiting(row.status)) return row?.tm_answer ? 'answered' : 'over'
    const asterisk_id = await chooseAsterisk(tx, row, tried)
    if (!asterisk_id) return 'nowhere'
    const isFirst = row.channel_id === null
    if (isFirst) await armDialTimer(tx, row)
    const where = { asterisk_id, channel_id: row.channel_id ?? channelId(row.id, row.dialroute_index) }
    const isThere = row.asterisk_id === asterisk_id && !isFirst
    return { ...(isThere ? row : await calls.system.update(tx, row, where)), ...where }
  })

/** Any that has not been tried, those last found away only when no other is left. A leg that will share a bridge has no choice. */
async function chooseAsterisk(tx: CallTx, { asterisk_id, master_call_id }: CallRow, tried: readonly string[]): Promise<string | undefined> {
  if (asterisk_id && (master_call_id || tried.length === 0)) return tried.includes(asterisk_id) ? undefined : asterisk_id
  const rows = await tx.db.select({ id: asteriskTable.id, connected: asteriskTable.connected }).from(asteriskTable)
  const [best] = rows
    .filter(({ id }) => !tried.includes(id))
    .map(({ id, connected }) => ({ id, order: Math.random() + (connected ? 0 : 1) }))
    .sort((a, b) => a.order - b.order)
  return best?.id
}

type Outcome = 'ok' | 'refused' | 'away'

/**
 * Whether the call is dealt with. One that could not be reached comes last until it reports itself again. A call that was to end while its channel was
 * being made has a channel nobody else would end.
 */
async function settle(ctx: Ctx, { id, asterisk_id, channel_id }: Placed, outcome: Outcome): Promise<boolean> {
  const found = await ctx.tx(async tx => {
    if (outcome === 'away') await tx.db.update(asteriskTable).set({ connected: false }).where(eq(asteriskTable.id, asterisk_id))
    if (outcome !== 'ok') return 'refused'
    const row = await calls.system.get({ db: tx.db }, id)
    return row && (isWaiting(row.status) || row.status === 'active') ? 'going' : 'late'
  })
  if (found === 'late') await tolerant(ctx, ctx.call('hangupChannel', { asterisk_id, channel_id, cause: q850Of.originator_cancel }))
  return found !== 'refused'
}

/** `away`: this Asterisk could not be asked. A channel that ended already has reported so itself. */
async function invite(ctx: Ctx, row: Placed): Promise<Outcome> {
  const { asterisk_id, channel_id, source, dial_timeout, provider_id } = row
  try {
    await ctx.call('createChannel', {
      asterisk_id,
      channel_id,
      uri: uriOf(row),
      caller_number: numberOf(source.target),
      caller_name: source.target_name.slice(0, 128),
      timeout: dial_timeout,
      headers: headersOf(row),
      variables: {},
    })
    ctx.log.info('dialled', { call_id: row.id, asterisk_id, channel_id, provider_id })
    return 'ok'
  } catch (error) {
    // This process ends: whether the channel is there, the next one that takes the call up finds out.
    if (!isAppError(error) || ctx.signal.aborted) throw error
    if (error.reason === 'CHANNEL_ENDED') return 'ok'
    ctx.log.warn('asterisk did not dial', { call_id: row.id, asterisk_id, reason: error.reason })
    return error.status === 'UNAVAILABLE' || error.status === 'DEADLINE_EXCEEDED' ? 'away' : 'refused'
  }
}

/** Of a SIP address the user part, as phones show it. */
const numberOf = (target: string): string => (/^sips?:([^@]+)@/.exec(target)?.[1] ?? target).slice(0, 64)

/** The edge lets nothing reach a carrier but what says whose leg it is, and no number of the platform but what counts. These headers stay inside. */
function headersOf(row: CallRow): Record<string, string> {
  if (isOnNet(row)) return { 'X-VoIPBIN-Hops': String(row.hops) }
  const route = row.dialroutes[row.dialroute_index]
  return route ? { ...route.headers, 'X-VoIPBIN-Provider-ID': route.provider_id } : {}
}

function uriOf(row: CallRow): string {
  const route = row.dialroutes[row.dialroute_index]
  if (!route) return row.dial_uri
  const transport = route.transport === 'udp' ? '' : `;transport=${route.transport}`
  return `sip:${route.user}@${route.hostname}:${route.port}${transport}`
}
