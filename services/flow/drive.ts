import type { ActionResult } from '@voipbin/generated/schemas'
import { isAppError, isTransient } from '@voipbin/kernel'
import { type Ctx, type Effect, setEffectTimer, settle } from './run.ts'

/** An action whose executor cannot be reached is given up after so many tries; about a minute. */
const maxAttempts = 6
const maxPause_s = 32

interface Outcome {
  result: ActionResult
  variables?: Record<string, string>
}

/**
 * Carries an effect out and goes on with the run for as long as actions end at once. Never throws for an executor that is away: that effect is
 * tried again by a timer. Each round is one request and one recorded transaction, so that a repeated message takes the same way.
 */
export async function drive(ctx: Ctx, first: Effect | undefined, attempt = 0): Promise<void> {
  let tries = attempt
  for (let effect = first; effect; tries = 0) {
    const outcome = await attemptEffect(ctx, effect, tries)
    if (!outcome || effect.type === 'hangup') return
    const { id, action_run_id } = effect
    effect = await finish(ctx, id, { ...outcome, action_run_id, call_id: effect.type === 'media' ? effect.call_id : null })
  }
}

interface Finish extends Outcome {
  action_run_id: string
  call_id: string | null
}

/** Settles an action. One that was broken off or had no effect makes sure first that its call is still there. */
export async function finish(ctx: Ctx, id: string, { call_id, ...done }: Finish): Promise<Effect | undefined> {
  const { outcome } = done.result
  const call_over = call_id !== null && (outcome === 'canceled' || outcome === 'skipped') && (await isOver(ctx, call_id))
  return ctx.tx(tx => settle(tx, id, { ...done, call_over }))
}

async function isOver(ctx: Ctx, call_id: string): Promise<boolean> {
  try {
    return (await ctx.call('getCall', { id: call_id })).status === 'completed'
  } catch (error) {
    // Not known: the next action that needs the call finds out.
    return !isTransient(error)
  }
}

/** The outcome, or nothing when it comes later: by event, or because the effect is tried again. */
async function attemptEffect(ctx: Ctx, effect: Effect, attempt: number): Promise<Outcome | undefined> {
  try {
    return await carryOut(ctx, effect)
  } catch (error) {
    if (effect.type === 'hangup' && !isTransient(error)) return undefined
    if (!isTransient(error)) return { result: failed(isAppError(error) ? `${error.reason}: ${error.message}` : 'refused') }
    ctx.log.warn('action not started', { effect: effect.type, attempt, err: error })
    if (effect.type !== 'hangup' && attempt >= maxAttempts) return { result: failed(`the ${effect.type} service did not answer`) }
    const at = new Date(ctx.now().getTime() + Math.min(2 ** attempt, maxPause_s) * 1_000)
    await ctx.tx(tx => setEffectTimer(tx, effect, { at, attempt: attempt + 1 }))
    return undefined
  }
}

const failed = (detail: string): ActionResult => ({ outcome: 'failed', detail: detail.slice(0, 1_000) })

const carriers: { [T in Effect['type']]: (ctx: Ctx, effect: Extract<Effect, { type: T }>) => Promise<Outcome | undefined> } = {
  media: async (ctx, { id, call_id, action_run_id, action }) => {
    const { done, result } = await ctx.call('runCallAction', { id: call_id, activeflow_id: id, action_run_id, action })
    return done && result ? { result } : undefined
  },
  webhook: async (ctx, { id, action_run_id, action }) => {
    if (action.type !== 'webhook_send') return { result: failed(`${action.type} is no webhook`) }
    const { uri, method, data_type, data, sync } = action.option
    const { status_code, body } = await ctx.call('sendActiveflowWebhook', {
      activeflow_id: id,
      action_run_id,
      uri,
      method,
      data_type,
      data,
      sync,
    })
    if (!sync) return { result: { outcome: 'ok' } }
    const variables = { 'voipbin.webhook.status_code': status_code === null ? '' : String(status_code), 'voipbin.webhook.body': body }
    if (status_code === null) return { result: failed('no answer came'), variables }
    return { result: status_code < 300 ? { outcome: 'ok' } : failed(`the answer was ${status_code}`), variables }
  },
  hangup: async (ctx, { call_id }) => {
    await ctx.call('hangupCall', { id: call_id, reason: 'normal_clearing' })
    return undefined
  },
}
const carryOut = (ctx: Ctx, effect: Effect): Promise<Outcome | undefined> =>
  (carriers[effect.type] as (ctx: Ctx, effect: Effect) => Promise<Outcome | undefined>)(ctx, effect)
