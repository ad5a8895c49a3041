import type { FlowConsumers } from '@voipbin/generated/rpc/flow'
import type { Where } from '@voipbin/kernel'
import { drive, finish } from './drive.ts'
import { begin, type Ctx, end, type FlowTx, lockRun } from './run.ts'
import { type ActiveflowRow, activeflows } from './schema.ts'

/** Rows one transaction of a clean-up takes. */
const batch = 100

export const consumers: FlowConsumers = {
  'call.answered': async (ctx, { data }) => {
    const row = await runOf(ctx, { reference_type: 'call', reference_id: data.id })
    if (!row) return
    const mine = ctx.as(row.customer_id)
    await drive(mine, await mine.tx(tx => begin(tx, row.id)))
  },
  'call.action_finished': async (ctx, { data }) => {
    const { activeflow_id, action_run_id, result, call_id } = data
    const row = await runOf(ctx, { id: activeflow_id })
    if (!row) return
    const mine = ctx.as(row.customer_id)
    await drive(mine, await finish(mine, row.id, { action_run_id, result, call_id }))
  },
  'call.hungup': (ctx, { data }) => callGone(ctx, data.id),
  'call.deleted': (ctx, { data }) => callGone(ctx, data.id),
  'customer.deleted': async (ctx, { data }) => {
    const mine = ctx.as(data.id)
    // The count decides, and it is recorded: a repeated message makes the same number of rounds.
    while ((await mine.tx(tx => stopSome(tx, data.id))) === batch);
  },
}

/** Whose run it is. What state it is in only a transaction may ask: the answer to the same event again is then the same, and so is what follows from it. */
const runOf = async (ctx: Ctx, where: Where<ActiveflowRow>): Promise<ActiveflowRow | undefined> =>
  (await activeflows.system.find(ctx, where, { limit: 1 }))[0]

async function callGone(ctx: Ctx, call_id: string): Promise<void> {
  const row = await runOf(ctx, { reference_type: 'call', reference_id: call_id, status: 'running' })
  if (!row) return
  await ctx.as(row.customer_id).tx(async tx => {
    const run = await lockRun(tx, row.id)
    if (run?.status === 'running') await end(tx, run, 'hung_up')
  })
}

/** The calls of a deleted customer are hung up by the call service. */
async function stopSome(tx: FlowTx, customer_id: string): Promise<number> {
  const rows = await activeflows.system.find(tx, { customer_id, status: 'running' }, { limit: batch, forUpdate: true })
  for (const row of rows) await end(tx, row, 'stopped')
  return rows.length
}
