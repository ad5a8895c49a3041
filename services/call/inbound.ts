import type { CallConsumed } from '@voipbin/generated/rpc/call'
import type { Action, Address } from '@voipbin/generated/schemas'
import { isAppError } from '@voipbin/kernel'
import { addressOf } from './destinations.ts'
import { change, tolerant } from './effects.ts'
import { authorize } from './funds.ts'
import { type Ctx, hangup, ringing } from './lifecycle.ts'
import { q850Of } from './media.ts'
import type { HangupCause } from './rules.ts'
import { beginRun } from './runs.ts'
import { calls } from './schema.ts'

type Entered = CallConsumed['asterisk.channel_entered']

/** Who an incoming call belongs to and what happens on it. */
interface Admission {
  customer_id: string
  flow_id: string | null
  actions: Action[] | null
  source: Address
  destination: Address
  provider_id: string | null
}
type Refusal = { refused: HangupCause }

const dialTimeout_s = 60
const maxDuration_s = 14_400

/** A call came in: finds its owner, makes its row, lets it ring and starts its flow. */
export async function incoming(ctx: Ctx, entered: Entered): Promise<void> {
  const { asterisk_id, channel_id } = entered
  const admission = entered.source === 'carrier' ? await fromCarrier(ctx, entered) : await fromExtension(ctx, entered)
  if ('refused' in admission) {
    ctx.log.info('call refused', { channel_id, cause: admission.refused, source: entered.source, 'pii.request_uri': entered.request_uri })
    return tolerant(ctx, ctx.call('hangupChannel', { asterisk_id, channel_id, cause: q850Of[admission.refused] }))
  }
  const mine = ctx.as(admission.customer_id)
  const { flow_id, source, destination, provider_id } = admission
  const call_id = await mine.tx(async tx => {
    const [known] = await calls.system.find(tx, { channel_id }, { limit: 1 })
    if (known) return known.id
    const made = await calls.insert(tx, {
      owner_type: 'customer',
      owner_id: admission.customer_id,
      type: 'flow',
      direction: 'incoming',
      status: 'initiating',
      flow_id,
      chained_call_ids: [],
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
    })
    await tx.emit('call.created', made)
    await ringing(tx, made)
    return made.id
  })
  if (provider_id && (await authorize(mine, { id: call_id, direction: 'incoming', source, destination }, 60)) === 0)
    return end(mine, call_id, 'call_rejected')
  await tolerant(mine, mine.call('ringChannel', { asterisk_id, channel_id }))
  const plan = { flow_id, actions: admission.actions, variables: {}, webhook_uri: null, webhook_method: 'POST' as const }
  await beginRun(mine, { id: call_id, direction: 'incoming', source, destination }, plan)
}

const end = (ctx: Ctx, call_id: string, cause: HangupCause): Promise<void> =>
  change(ctx, call_id, async (tx, row) => (await hangup(tx, row, cause)).effects)

/** Carriers call numbers. */
async function fromCarrier(ctx: Ctx, entered: Entered): Promise<Admission | Refusal> {
  const dialled = e164(userOf(entered.request_uri) || entered.channel.exten)
  if (!dialled) return { refused: 'unallocated_number' }
  const number = await found(ctx.call('findNumber', { number: dialled }))
  if (!number?.call_flow_id) return { refused: 'unallocated_number' }
  const { number: caller, name } = entered.channel.caller
  const source = addressOf({ type: 'tel', target: e164(caller) ?? (caller || 'anonymous'), target_name: name })
  const destination = addressOf({ type: 'tel', target: dialled, name: number.name })
  return {
    customer_id: number.customer_id,
    flow_id: number.call_flow_id,
    actions: null,
    source,
    destination,
    provider_id: entered.provider_id || null,
  }
}

/** Phones of a customer call its extensions, its agents, or the world. */
async function fromExtension(ctx: Ctx, entered: Entered): Promise<Admission | Refusal> {
  const target = userOf(entered.request_uri) || entered.channel.exten
  if (!entered.customer_id || !target) return { refused: 'unallocated_number' }
  const destination = addressOf({ target: e164(target) ?? target })
  const source = addressOf({ type: 'extension', target: entered.extension, target_name: entered.channel.caller.name })
  // What a phone shows towards the telephone network is the customer's number, not its extension.
  const shown = destination.type === 'tel' ? await firstNumber(ctx.as(entered.customer_id)) : source
  if (!shown) return { refused: 'call_rejected' }
  const option = {
    source: inputOf(shown),
    destinations: [inputOf(destination)],
    dial_timeout: dialTimeout_s,
    early_media: false,
    relay_reason: true,
  }
  const actions: Action[] = [
    { type: 'connect', option },
    { type: 'hangup', option: { reason: 'normal_clearing' } },
  ]
  return { customer_id: entered.customer_id, flow_id: null, actions, source, destination, provider_id: null }
}

const inputOf = ({ type, target, target_name }: Address) => ({ type, target, target_name })

async function firstNumber(ctx: Ctx): Promise<Address | undefined> {
  const { result } = await ctx.call('listNumbers', { page_size: 100 })
  const number = result.find(row => row.type === 'normal')
  return number && addressOf({ type: 'tel', target: number.number, target_name: number.name })
}

async function found<T>(request: Promise<T>): Promise<T | undefined> {
  try {
    return await request
  } catch (error) {
    if (isAppError(error) && error.status === 'NOT_FOUND') return undefined
    throw error
  }
}

const userOf = (uri: string): string => decodeURIComponent(/^sips?:([^@;>]+)@/i.exec(uri)?.[1] ?? '')

/** `+15551234567` from the ways carriers and phones write it; `undefined` for what is no international number. */
export function e164(user: string): string | undefined {
  const digits = user.replace(/[\s().-]/g, '')
  if (/^\+[1-9]\d{6,14}$/.test(digits)) return digits
  if (/^00[1-9]\d{6,14}$/.test(digits)) return `+${digits.slice(2)}`
  return /^[1-9]\d{9,14}$/.test(digits) ? `+${digits}` : undefined
}
