import type { FlowHandlers } from '@voipbin/generated/rpc/flow'
import type { Action, Activeflow } from '@voipbin/generated/schemas'
import { isDuplicate, mayRequest, recordAudit } from '@voipbin/kernel'
import { eq } from 'drizzle-orm'
import type { StoredAction } from '../actions.ts'
import { config } from '../config.ts'
import { drive } from '../drive.ts'
import { type Ctx, type Effect, end, type FlowTx, insertRun, lockRun } from '../run.ts'
import { type ActiveflowRow, activeflows, flows, scriptTable } from '../schema.ts'
import { checkedActions } from './flows.ts'
import { checkNames, checkSize } from './variables.ts'

/** A run as others see it: what the engine remembers stays here. */
export function view({
  variables: _variables,
  loops: _loops,
  executed_count: _count,
  awaits_answer: _awaits,
  ...run
}: ActiveflowRow): Activeflow {
  return run
}

/** What a run is made of: the actions given, or those of a flow as they are now. */
async function scriptOf(
  ctx: Ctx,
  { flow_id, actions }: { flow_id?: string; actions?: Action[] },
): Promise<{ flow_id: string | null; actions: StoredAction[] }> {
  if (flow_id && actions) throw exclusive(ctx, 'Give flow_id or actions, not both.')
  if (flow_id) return { flow_id, actions: (await flows.require(ctx, flow_id)).actions }
  if (actions) return { flow_id: null, actions: checkedActions(ctx, actions) }
  throw exclusive(ctx, 'Give flow_id or actions.')
}

function checkUri(ctx: Ctx, uri: string | null | undefined): void {
  if (!uri || mayRequest(uri, config.of(ctx))) return
  throw ctx.error('WEBHOOK_URI_REFUSED', {
    details: [{ field: '/webhook_uri', rule: 'public_address', expected: 'a public http or https address without credentials' }],
  })
}

const exclusive = (ctx: Ctx, message: string) =>
  ctx.error('INVALID_ARGUMENT', { message, details: [{ field: '/flow_id', rule: 'oneOf', expected: 'either flow_id or actions' }] })

export const activeflowHandlers = {
  listActiveflows: async (ctx, { page_size, page_token, tm_create_from, tm_create_to, ...where }) => {
    const { result, next_page_token } = await activeflows.list(ctx, { page_size, page_token, tm_create_from, tm_create_to, where })
    return { result: result.map(view), next_page_token }
  },
  getActiveflow: async (ctx, { id }) => view(await activeflows.require(ctx, id)),
  createActiveflow: async (ctx, { flow_id, actions, variables, webhook_uri, webhook_method }) => {
    const script = await scriptOf(ctx, { flow_id, actions })
    checkNames(ctx, variables)
    checkSize(ctx, variables)
    checkUri(ctx, webhook_uri)
    const reference = { reference_type: 'api' as const, reference_id: null, awaits_answer: false }
    return ctx.tx(async tx =>
      view(await insertRun(tx, { ...script, ...reference, variables, webhook_uri: webhook_uri ?? null, webhook_method })),
    )
  },
  startActiveflow: async (ctx, { flow_id, actions, start_on_answer, reference_type, reference_id, ...run }) => {
    const known = await runOn(ctx, reference_type, reference_id)
    if (known) return view(known)
    const script = flow_id || actions ? await scriptOf(ctx, { flow_id, actions }) : { flow_id: null, actions: null }
    const awaits_answer = start_on_answer && script.actions !== null
    checkUri(ctx, run.webhook_uri)
    checkSize(ctx, run.variables)
    try {
      return await ctx.tx(async tx => view(await insertRun(tx, { ...script, ...run, reference_type, reference_id, awaits_answer })))
    } catch (error) {
      if (!isDuplicate(error)) throw error
      const other = await runOn(ctx, reference_type, reference_id)
      if (!other) throw ctx.error('CONFLICT', { message: 'This call had a run that was deleted.' })
      return view(other)
    }
  },
  stopActiveflow: async (ctx, { id }) => {
    const { row, effect } = await stop(ctx, id)
    await drive(ctx, effect)
    return row
  },
  deleteActiveflow: async (ctx, { id }) => {
    const { effect } = await stop(ctx, id)
    const deleted = await ctx.tx(async tx => {
      const row = await activeflows.remove(tx, id)
      await tx.db.delete(scriptTable).where(eq(scriptTable.activeflow_id, id))
      await tx.emit('activeflow.deleted', row)
      await recordAudit(tx, { action: 'delete', resource_type: 'activeflow', resource_id: id, old: view(row) })
      return view(row)
    })
    await drive(ctx, effect)
    return deleted
  },
} satisfies Partial<FlowHandlers>

async function runOn(ctx: Ctx, reference_type: Activeflow['reference_type'], reference_id: string): Promise<ActiveflowRow | undefined> {
  const { result } = await activeflows.list(ctx, { page_size: 1, where: { reference_type, reference_id } })
  return result[0]
}

const stop = (ctx: Ctx, id: string): Promise<{ row: Activeflow; effect: Effect | undefined }> =>
  ctx.tx(async tx => {
    const row = await lockRun(tx, id)
    if (!row) throw ctx.error('ACTIVEFLOW_NOT_FOUND')
    return row.status === 'ended' ? { row: view(row), effect: undefined } : stopRunning(tx, row)
  })

async function stopRunning(tx: FlowTx, row: ActiveflowRow): Promise<{ row: Activeflow; effect: Effect | undefined }> {
  const { effect, row: ended } = await end(tx, row, 'stopped')
  await recordAudit(tx, {
    action: 'update',
    resource_type: 'activeflow',
    resource_id: row.id,
    old: { status: row.status },
    new: { status: ended.status, end_reason: ended.end_reason },
  })
  return { row: view(ended), effect }
}
