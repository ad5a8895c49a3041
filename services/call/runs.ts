import type { Action, Address, WebhookMethod } from '@voipbin/generated/schemas'
import { isAppError, isTransient } from '@voipbin/kernel'
import { change } from './effects.ts'
import { type Ctx, hangup } from './lifecycle.ts'
import { type CallRow, calls } from './schema.ts'

/** What runs on a call. */
export interface RunPlan {
  flow_id: string | null
  actions: Action[] | null
  variables: Record<string, string>
  webhook_uri: string | null
  webhook_method: WebhookMethod
}
type OfRun = Pick<CallRow, 'id' | 'direction' | 'source' | 'destination'>

/** Starts a run on a call; an outgoing one waits for the answer. Answers its id. Idempotent by the call. */
export async function startRun(ctx: Ctx, call: OfRun, { flow_id, actions, variables, ...webhook }: RunPlan): Promise<string> {
  const run = await ctx.call('startActiveflow', {
    ...webhook,
    ...(flow_id && { flow_id }),
    ...(actions && { actions }),
    reference_type: 'call',
    reference_id: call.id,
    start_on_answer: call.direction === 'outgoing',
    variables: { ...variables, ...callVariables(call) },
  })
  return run.id
}

/** Starts the run of a call that exists. One that cannot be started ends the call. */
export async function beginRun(ctx: Ctx, call: OfRun, plan: RunPlan): Promise<void> {
  try {
    const activeflow_id = await startRun(ctx, call, plan)
    await change(ctx, call.id, async (tx, row) => {
      if (row.activeflow_id === null) await calls.system.update(tx, row, { activeflow_id })
      return []
    })
  } catch (error) {
    if (!isAppError(error) || isTransient(error)) throw error
    ctx.log.warn('flow not started', { call_id: call.id, flow_id: plan.flow_id, reason: error.reason })
    await change(ctx, call.id, async (tx, row) => (await hangup(tx, row, 'failed')).effects)
  }
}

/** What every flow of a call can read. */
function callVariables(call: { id: string; direction: string; source: Address; destination: Address }): Record<string, string> {
  const variables: Record<string, string> = {
    'voipbin.call.id': call.id,
    'voipbin.call.direction': call.direction,
    'voipbin.call.digits': '',
  }
  for (const side of ['source', 'destination'] as const) {
    for (const [name, value] of Object.entries(call[side])) variables[`voipbin.call.${side}.${name}`] = value
  }
  return variables
}
