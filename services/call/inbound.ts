import type { CallConsumed } from '@voipbin/generated/rpc/call'
import type { Address, Number as PhoneNumber } from '@voipbin/generated/schemas'
import { isAppError, isTransient, stamp } from '@voipbin/kernel'
import { addressOf, findNumber, resolveDestinations, type Target } from './destinations.ts'
import { canPay, dialOthersSoon, dialPlaced } from './dial.ts'
import { change, tolerant } from './effects.ts'
import { insertGroup } from './groups.ts'
import { idOfChannel, nthId } from './ids.ts'
import { type CallTx, type Ctx, hangup } from './lifecycle.ts'
import { q850Of } from './media.ts'
import { costs, type HangupCause, isOverCarrier } from './rules.ts'
import { beginRun } from './runs.ts'
import { type CallRow, calls } from './schema.ts'
import { together } from './together.ts'

type Entered = CallConsumed['asterisk.channel_entered']

/** Who an incoming call belongs to and what happens on it: a flow, or another phone rings. */
interface Admission {
  customer_id: string
  source: Address
  destination: Address
  provider_id: string | null
  flow_id: string | null
  /** What rings for a phone; null when there is no such destination. */
  connect?: { shown: Address; target: Target | null }
  /** As the call's. */
  hops: number
}
type Refusal = { refused: HangupCause }

const dialTimeout_s = 60
const maxDuration_s = 14_400

/** A call came in: finds its owner, makes its row, lets it ring, and starts its flow or rings whom it calls. */
export async function incoming(ctx: Ctx, entered: Entered): Promise<void> {
  const { asterisk_id, channel_id } = entered
  const admission = await admit(ctx, entered)
  if ('refused' in admission) {
    ctx.log.info('call refused', { channel_id, cause: admission.refused, source: entered.source, 'pii.request_uri': entered.request_uri })
    return tolerant(ctx, ctx.call('hangupChannel', { asterisk_id, channel_id, cause: q850Of[admission.refused] }))
  }
  const mine = ctx.as(admission.customer_id)
  const id = idOfChannel(entered, new Date(entered.channel.created))
  const ring = () => tolerant(mine, mine.call('ringChannel', { asterisk_id, channel_id }))
  await (admission.connect ? connect(mine, { id, entered, admission, ring }) : runFlow(mine, { id, entered, admission, ring }))
}

type Admit = (ctx: Ctx, entered: Entered) => Promise<Admission | Refusal>
/** By whom the edge verified. */
const admissions: Record<Entered['source'], Admit> = {
  carrier: toNumber,
  platform: toNumber,
  extension: fromExtension,
  '': async () => ({ refused: 'unallocated_number' }),
}

/** Where it goes. A customer that is frozen or no more takes no calls, and its phones make none: what its API refuses, SIP does too. */
async function admit(ctx: Ctx, entered: Entered): Promise<Admission | Refusal> {
  const admission = await admissions[entered.source](ctx, entered)
  if ('refused' in admission || (await isActive(ctx, admission.customer_id))) return admission
  return { refused: 'call_rejected' }
}

async function isActive(ctx: Ctx, id: string): Promise<boolean> {
  try {
    return (await ctx.call('getCustomerLimits', { id })).status === 'active'
  } catch (error) {
    if (isAppError(error) && error.reason === 'CUSTOMER_NOT_FOUND') return false
    throw error
  }
}

interface Arrival {
  id: string
  entered: Entered
  admission: Admission
  ring: () => Promise<void>
}

async function runFlow(ctx: Ctx, { id, entered, admission, ring }: Arrival): Promise<void> {
  const { source, destination, flow_id, provider_id } = admission
  const call = { id, direction: 'incoming' as const, source, destination }
  const [, isPaid] = await together([
    ctx.tx(tx => insertIncoming(tx, { id, entered, admission })),
    provider_id ? canPay(ctx, { ...call, dialroutes: [] }) : true,
  ])
  if (!isPaid) return end(ctx, id, 'call_rejected')
  const plan = { flow_id, actions: null, variables: {}, webhook_uri: null, webhook_method: 'POST' as const }
  await together([ring(), beginRun(ctx, call, plan)])
}

/** The phone hears that it rings while the other one's INVITE is on the way. */
async function connect(ctx: Ctx, { id, entered, admission, ring }: Arrival): Promise<void> {
  const { connect: to } = admission
  if (!to?.target) {
    await ctx.tx(tx => insertIncoming(tx, { id, entered, admission }))
    return end(ctx, id, 'unallocated_number')
  }
  const { shown, target } = to
  const legs = target.legs.map((leg, n) => ({ ...leg, id: nthId(id, n + 1) }))
  const rings = target.ring_method === 'linear' ? legs.slice(0, 1) : legs
  const [first] = rings
  const [leg, isPaid] = await together([
    ctx.tx(async tx => {
      const master = await insertIncoming(tx, { id, entered, admission, chained_call_ids: rings.map(one => one.id) })
      if (!master) return null
      const { owner_type, owner_id, dial_timeout, max_duration } = master
      const group = { legs, ring_method: target.ring_method, source: shown, destination: target.destination, dial_timeout, max_duration }
      const made = await insertGroup(tx, { ...group, owner: { owner_type, owner_id }, master, relay_reason: true, is_chained: true })
      return dialOthersSoon(tx, made.legs)
    }),
    first && costs(first) ? canPay(ctx, { ...first, direction: 'outgoing', source: shown }) : true,
    ring(),
  ])
  if (leg) await dialPlaced(ctx, leg, isPaid)
}

/** The row of a call that rings; null when there is one. */
async function insertIncoming(
  tx: CallTx,
  { id, entered, admission, chained_call_ids = [] }: Omit<Arrival, 'ring'> & { chained_call_ids?: string[] },
): Promise<CallRow | null> {
  const { flow_id, source, destination, provider_id, customer_id, hops } = admission
  const { asterisk_id, channel_id } = entered
  const [known] = await calls.system.find(tx, { channel_id }, { limit: 1 })
  if (known) return null
  const now = stamp(tx.now())
  const made = await calls.insert(tx, {
    id,
    tm_create: now,
    owner_type: 'customer',
    owner_id: customer_id,
    type: 'flow',
    direction: 'incoming',
    status: 'ringing',
    flow_id,
    chained_call_ids,
    source,
    destination,
    source_target: source.target,
    destination_target: destination.target,
    recording_ids: [],
    dial_timeout: dialTimeout_s,
    max_duration: maxDuration_s,
    asterisk_id,
    channel_id,
    provider_id,
    sip_call_id: entered.channel.sip_call_id || null,
    dialroutes: [],
    hops,
    tm_ringing: now,
  })
  await tx.emit('call.created', { ...made, status: 'initiating', tm_ringing: null })
  await tx.emit('call.ringing', made)
  return made
}

const end = (ctx: Ctx, call_id: string, cause: HangupCause): Promise<void> =>
  change(ctx, call_id, async (tx, row) => (await hangup(tx, row, cause)).effects)

/** Carriers call numbers, and so does the platform itself, which needs no carrier for its own. */
async function toNumber(ctx: Ctx, entered: Entered): Promise<Admission | Refusal> {
  const dialled = e164(userOf(entered.request_uri) || entered.channel.exten)
  if (!dialled) return { refused: 'unallocated_number' }
  const number = await findNumber(ctx, dialled)
  if (!number?.call_flow_id) return { refused: 'unallocated_number' }
  const { number: caller, name } = entered.channel.caller
  const source = addressOf({ type: 'tel', target: e164(caller) ?? (caller || 'anonymous'), target_name: name })
  const destination = addressOf({ type: 'tel', target: dialled, name: number.name })
  return {
    customer_id: number.customer_id,
    flow_id: number.call_flow_id,
    source,
    destination,
    provider_id: entered.provider_id || null,
    hops: entered.hops ?? 0,
  }
}

/** Phones of a customer call its extensions, its agents, or the world. */
async function fromExtension(ctx: Ctx, entered: Entered): Promise<Admission | Refusal> {
  const dialled = userOf(entered.request_uri) || entered.channel.exten
  if (!entered.customer_id || !dialled) return { refused: 'unallocated_number' }
  const destination = addressOf({ target: e164(dialled) ?? dialled })
  const source = addressOf({ type: 'extension', target: entered.extension, target_name: entered.channel.caller.name })
  const mine = ctx.as(entered.customer_id)
  const [numbers, target] = await together([destination.type === 'tel' ? ownNumbers(mine) : [], targetOf(mine, destination)])
  // What a phone shows to a number is a number of the customer, not its extension.
  const shown = destination.type === 'tel' ? numberShown(numbers, target) : source
  if (!shown) return { refused: 'call_rejected' }
  const { customer_id } = entered
  return { customer_id, flow_id: null, source, destination, provider_id: null, connect: { shown, target }, hops: 0 }
}

async function targetOf(ctx: Ctx, destination: Address): Promise<Target | null> {
  try {
    return (await resolveDestinations(ctx, [destination], '/destination'))[0] ?? null
  } catch (error) {
    if (!isAppError(error) || isTransient(error)) throw error
    ctx.log.info('destination not found', { reason: error.reason })
    return null
  }
}

/** The newest of the customer's numbers that are not virtual, and its newest of all: it may have more than a page. */
async function ownNumbers(ctx: Ctx): Promise<PhoneNumber[]> {
  const pages = await together([ctx.call('listNumbers', { page_size: 1, type: 'normal' }), ctx.call('listNumbers', { page_size: 1 })])
  return pages.flatMap(page => page.result)
}

/** A number that the whole world may see, or else, when no carrier does, a virtual one. What the customer calls it is nobody else's business. */
function numberShown(numbers: readonly PhoneNumber[], target: Target | null): Address | undefined {
  const normal = numbers.find(row => row.type === 'normal')
  const chosen = normal ?? (target?.legs.some(isOverCarrier) ? undefined : numbers[0])
  return chosen && addressOf({ type: 'tel', target: chosen.number, name: chosen.name })
}

/** Empty also for escapes that are none (`%zz`): whoever calls writes what it likes. */
function userOf(uri: string): string {
  const user = /^sips?:([^@;>]+)@/i.exec(uri)?.[1] ?? ''
  try {
    return decodeURIComponent(user)
  } catch (error) {
    if (error instanceof URIError) return ''
    throw error
  }
}

/** `+15551234567` from the ways carriers and phones write it; `undefined` for what is no international number. */
export function e164(user: string): string | undefined {
  const digits = user.replace(/[\s().-]/g, '')
  if (/^\+[1-9]\d{6,14}$/.test(digits)) return digits
  if (/^00[1-9]\d{6,14}$/.test(digits)) return `+${digits.slice(2)}`
  return /^[1-9]\d{9,14}$/.test(digits) ? `+${digits}` : undefined
}
