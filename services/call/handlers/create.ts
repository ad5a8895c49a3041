import type { CallHandlers } from '@voipbin/generated/rpc/call'
import type { Address, CallCreated } from '@voipbin/generated/schemas'
import { addressOf, requireOwnSource, resolveDestinations, type Target } from '../destinations.ts'
import { type Effect, run } from '../effects.ts'
import { authorize } from '../funds.ts'
import { insertGroup } from '../groups.ts'
import { callVariables } from '../inbound.ts'
import { insertLeg } from '../legs.ts'
import type { CallTx, Ctx } from '../lifecycle.ts'
import { type CallRow, calls, type GroupcallRow } from '../schema.ts'

type Create = Parameters<CallHandlers['createCall']>[1]

interface Created {
  rows: CallRow[]
  groups: GroupcallRow[]
  effects: Effect[]
}

/** Answers before anybody rings: the calls exist, their INVITEs are on the way. */
export const createCall: CallHandlers['createCall'] = async (ctx, input) => {
  if (input.flow_id && input.actions) {
    throw ctx.error('INVALID_ARGUMENT', {
      message: 'Give flow_id or actions, not both.',
      details: [{ field: '/actions', rule: 'exclusive', expected: 'no flow_id beside it' }],
    })
  }
  const source = addressOf(input.source)
  const targets = await resolveDestinations(ctx, input.destinations, '/destinations')
  await requireOwnSource(ctx, source, targets)
  const ids = await ctx.tx(async tx => targets.map(() => tx.newId()))
  await requireFunds(ctx, source, targets, ids)
  const made = await ctx.tx(tx => insertCalls(tx, { input, source, targets, ids }))
  await startFlows(ctx, input, made.rows)
  await run(ctx, made.effects)
  return answer(ctx, made)
}

/** Before anything is dialled: each carrier call needs credit for its first minute. */
async function requireFunds(ctx: Ctx, source: Address, targets: readonly Target[], ids: readonly string[]): Promise<void> {
  for (const [index, { destination, legs, group }] of targets.entries()) {
    const id = ids[index]
    if (group || !id || !legs[0]?.dialroutes.length) continue
    if ((await authorize(ctx, { id, direction: 'outgoing', source, destination }, 60)) === 0) throw ctx.error('BALANCE_INSUFFICIENT')
  }
}

async function insertCalls(
  tx: CallTx,
  order: { input: Create; source: Address; targets: readonly Target[]; ids: readonly string[] },
): Promise<Created> {
  const { input, source, targets, ids } = order
  const { dial_timeout, max_duration, flow_id = null } = input
  const made: Created = { rows: [], groups: [], effects: [] }
  for (const [index, { legs, group, ring_method, destination }] of targets.entries()) {
    const [leg] = legs
    const id = ids[index]
    if (!leg || !id) continue
    if (group && legs.length > 1) {
      const ringing = await insertGroup(tx, {
        legs,
        ring_method,
        source,
        destination,
        owner: leg.owner,
        dial_timeout,
        max_duration,
        flow_id,
      })
      made.rows.push(...ringing.legs)
      made.groups.push(ringing.group)
      made.effects.push(...ringing.effects)
    } else {
      made.rows.push(await insertLeg(tx, leg, { id, type: 'flow', source, dial_timeout, max_duration, flow_id }))
      made.effects.push({ type: 'dial', call_id: id })
    }
  }
  return made
}

/** Runs begin when their call is answered; making them now lets the answer name them and refuses a bad flow before anybody rings. */
async function startFlows(ctx: Ctx, input: Create, rows: readonly CallRow[]): Promise<void> {
  if (!input.flow_id && !input.actions) return
  for (const row of rows) {
    const activeflow = await ctx.call('startActiveflow', {
      ...(input.flow_id && { flow_id: input.flow_id }),
      ...(input.actions && { actions: input.actions }),
      reference_type: 'call',
      reference_id: row.id,
      start_on_answer: true,
      variables: { ...input.variables, ...callVariables(row) },
      webhook_uri: input.webhook_uri ?? null,
      webhook_method: input.webhook_method,
    })
    await ctx.tx(async tx => void (await calls.update(tx, row.id, { activeflow_id: activeflow.id })))
  }
}

async function answer(ctx: Ctx, { rows, groups }: Created): Promise<CallCreated> {
  // As they were made: what has happened since comes as events.
  const made = await Promise.all(rows.map(async row => ({ ...row, activeflow_id: (await calls.require(ctx, row.id)).activeflow_id })))
  const [first] = made
  if (!first) throw ctx.error('DESTINATION_NOT_ROUTABLE')
  return { ...first, calls: made, groupcalls: groups }
}
