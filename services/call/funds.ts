import type { Address, Call, CostType } from '@voipbin/generated/schemas'
import { isAppError } from '@voipbin/kernel'
import type { Ctx } from './lifecycle.ts'
import { isOverCarrier } from './rules.ts'
import type { Leg } from './schema.ts'

export type Charged = Pick<Call, 'id' | 'direction'> & Pick<Leg, 'dialroutes'> & Record<'source' | 'destination', Pick<Address, 'target'>>

function costTypeOf(call: Charged): CostType {
  if (call.direction === 'incoming') return 'call_pstn_incoming'
  return isOverCarrier(call) ? 'call_pstn_outgoing' : 'call_vn'
}

/** Reserves credit for a call of `seconds` in all. Answers for how many it lasts: 0 for none, infinity for a free one. Repeating it reserves nothing more. */
export async function authorize(ctx: Ctx, call: Charged, seconds: number): Promise<number> {
  const [source, destination] = [call.source.target, call.destination.target]
  try {
    const { authorized_seconds } = await ctx.call('reserveBilling', {
      reference_type: 'call',
      reference_id: call.id,
      cost_type: costTypeOf(call),
      source,
      destination,
      seconds,
    })
    return authorized_seconds ?? Number.POSITIVE_INFINITY
  } catch (error) {
    if (isAppError(error) && error.status === 'PAYMENT_REQUIRED') return 0
    throw error
  }
}

/** Gives back what was reserved for a call that will not be. */
export async function release(ctx: Ctx, call_id: string): Promise<void> {
  try {
    await ctx.call('releaseBilling', { reference_type: 'call', reference_id: call_id })
  } catch (error) {
    if (!isAppError(error) || error.status !== 'NOT_FOUND') throw error
  }
}
