import type { CallHandlers } from '@voipbin/generated/rpc/call'
import type { Address, CallCreated } from '@voipbin/generated/schemas'
import { addressOf, requireOwnSource, resolveDestinations, type Target } from '../destinations.ts'
import { type Effect, run } from '../effects.ts'
import { authorize, release } from '../funds.ts'
import { insertGroup } from '../groups.ts'
import { insertLeg } from '../legs.ts'
import type { CallTx } from '../lifecycle.ts'
import { type RunPlan, startRun } from '../runs.ts'
import type { CallRow, GroupcallRow, Leg } from '../schema.ts'

type Create = Parameters<CallHandlers['createCall']>[1]

/** A leg and the call it becomes. */
interface Planned extends Leg {
  id: string
  activeflow_id: string | null
}
interface Order {
  input: Create
  source: Address
  plan: RunPlan | null
  targets: (Omit<Target, 'legs'> & { legs: Planned[] })[]
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
  const resolved = await resolveDestinations(ctx, input.destinations, '/destinations')
  await requireOwnSource(ctx, source, resolved)
  const ids = await ctx.tx(async tx => resolved.map(({ legs }) => legs.map(() => tx.newId())))
  const targets = resolved.map((target, at) => ({
    ...target,
    legs: target.legs.map((leg, index) => ({ ...leg, id: ids[at]?.[index] ?? ctx.newId(), activeflow_id: null as string | null })),
  }))
  const order = { input, source, targets, plan: planOf(input) }
  await prepare(ctx, order)
  const { rows, groups, effects } = await ctx.tx(tx => insertCalls(tx, order))
  await run(ctx, effects)
  const [first] = rows
  if (!first) throw ctx.error('DESTINATION_NOT_ROUTABLE')
  // As they were made: what has happened since comes as events.
  return { ...first, calls: rows, groupcalls: groups } satisfies CallCreated
}

function planOf({ flow_id, actions, variables = {}, webhook_uri, webhook_method = 'POST' }: Create): RunPlan | null {
  if (!flow_id && !actions) return null
  return { flow_id: flow_id ?? null, actions: actions ?? null, variables, webhook_uri: webhook_uri ?? null, webhook_method }
}

/** Legs that ring at once: of a linear group the first only. */
const atOnce = ({ legs, ring_method }: Order['targets'][number]): Planned[] => (ring_method === 'linear' ? legs.slice(0, 1) : legs)

/**
 * Before anything is dialled: credit for the first minute of each carrier call, and the runs, so that a bad flow is refused. When one of them fails,
 * nothing of the others is left.
 */
async function prepare(ctx: Parameters<typeof createCall>[0], { source, targets, plan }: Order): Promise<void> {
  const reserved: string[] = []
  const started: string[] = []
  try {
    for (const { group, legs } of targets) {
      const [leg] = legs
      if (group || !leg?.dialroutes.length) continue
      const { id, destination } = leg
      if ((await authorize(ctx, { id, direction: 'outgoing', source, destination }, 60)) === 0) throw ctx.error('BALANCE_INSUFFICIENT')
      reserved.push(id)
    }
    if (!plan) return
    for (const leg of targets.flatMap(atOnce)) {
      leg.activeflow_id = await startRun(ctx, { ...leg, direction: 'outgoing', source }, plan)
      started.push(leg.activeflow_id)
    }
  } catch (error) {
    for (const id of started) await ctx.call('stopActiveflow', { id })
    for (const id of reserved) await release(ctx, id)
    throw error
  }
}

interface Made {
  rows: CallRow[]
  groups: GroupcallRow[]
  effects: Effect[]
}

async function insertCalls(tx: CallTx, { input, source, targets, plan }: Order): Promise<Made> {
  const { dial_timeout, max_duration, flow_id = null } = input
  const common = { source, dial_timeout, max_duration, flow_id }
  const made: Made = { rows: [], groups: [], effects: [] }
  for (const { legs, group, ring_method, destination } of targets) {
    const [leg] = legs
    if (!leg) continue
    if (group && legs.length > 1) {
      const ringing = await insertGroup(tx, { ...common, legs, ring_method, destination, owner: leg.owner, plan })
      made.rows.push(...ringing.legs)
      made.groups.push(ringing.group)
      made.effects.push(...ringing.effects)
    } else {
      made.rows.push(await insertLeg(tx, leg, { ...common, type: 'flow' }))
      made.effects.push({ type: 'dial', call_id: leg.id })
    }
  }
  return made
}
