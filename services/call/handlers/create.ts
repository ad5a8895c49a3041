import type { CallHandlers } from '@voipbin/generated/rpc/call'
import type { Address, CallCreated } from '@voipbin/generated/schemas'
import { addressOf, mayCost, resolveFrom, type Target } from '../destinations.ts'
import { canPay, dialSoon } from '../dial.ts'
import { release } from '../funds.ts'
import { insertGroup } from '../groups.ts'
import { nthId } from '../ids.ts'
import { insertLeg } from '../legs.ts'
import type { CallTx } from '../lifecycle.ts'
import { costs } from '../rules.ts'
import { type RunPlan, startRun } from '../runs.ts'
import type { CallRow, GroupcallRow, Leg } from '../schema.ts'
import { together } from '../together.ts'

type Create = Parameters<CallHandlers['createCall']>[1]
type Ctx = Parameters<CallHandlers['createCall']>[0]

/** A leg and the call it becomes. Neighbours may know its id before there is a row. */
interface Planned extends Leg {
  id: string
}
interface Order {
  input: Create
  source: Address
  plan: RunPlan | null
  targets: (Omit<Target, 'legs'> & { legs: Planned[] })[]
}

/** Answers before anybody is dialled: the calls exist, and timers that commit with them have them dialled. */
export const createCall: CallHandlers['createCall'] = async (ctx, input) => {
  if (input.flow_id && input.actions) {
    throw ctx.error('INVALID_ARGUMENT', {
      message: 'Give flow_id or actions, not both.',
      details: [{ field: '/actions', rule: 'exclusive', expected: 'no flow_id beside it' }],
    })
  }
  const order = await prepare(ctx, input)
  const undo = await settleBefore(ctx, order)
  try {
    const { rows, groups } = await ctx.tx(tx => insertCalls(tx, order))
    const [first] = rows
    if (!first) throw ctx.error('DESTINATION_NOT_ROUTABLE')
    // As they were made: what has happened since comes as events.
    return { ...first, calls: rows, groupcalls: groups } satisfies CallCreated
  } catch (error) {
    await undo()
    throw error
  }
}

/** Who rings, and that the caller may show itself so. */
async function prepare(ctx: Ctx, input: Create): Promise<Order> {
  const source = addressOf(input.source)
  const plan = planOf(input)
  const isKnownBefore = plan !== null || input.destinations.some(mayCost)
  const [resolved, first_id] = await together([
    resolveFrom(ctx, source, input.destinations, '/destinations'),
    // Recorded: a request that comes twice must not reserve twice. What nobody knows before its row needs no record of its own.
    isKnownBefore ? ctx.tx(async tx => tx.newId()) : ctx.newId(),
  ])
  let n = 0
  const targets = resolved.map(target => ({ ...target, legs: target.legs.map(leg => ({ ...leg, id: nthId(first_id, n++) })) }))
  return { input, source, plan, targets }
}

function planOf({ flow_id, actions, variables = {}, webhook_uri, webhook_method = 'POST' }: Create): RunPlan | null {
  // A place for the events of a call without a flow is that of a run which does nothing.
  if (!flow_id && !actions && !webhook_uri) return null
  return { flow_id: flow_id ?? null, actions: actions ?? null, variables, webhook_uri: webhook_uri ?? null, webhook_method }
}

/** Legs that ring at once: of a linear group the first only. */
const atOnce = ({ legs, ring_method }: Order['targets'][number]): Planned[] => (ring_method === 'linear' ? legs.slice(0, 1) : legs)

/**
 * What must be sure before there is a call: credit for the first minute of each leg over a carrier, and the runs, so that a bad flow is refused. When
 * one of them fails, nothing of the others is left. Gives how to take all of it back.
 */
async function settleBefore(ctx: Ctx, { source, targets, plan }: Order): Promise<() => Promise<void>> {
  const legs = targets.flatMap(atOnce)
  const charged = legs.filter(costs)
  const reserve = async (leg: Planned) => {
    if (!(await canPay(ctx, { ...leg, direction: 'outgoing', source }))) throw ctx.error('BALANCE_INSUFFICIENT')
  }
  const start = async (leg: Planned) => {
    if (plan) leg.activeflow_id = await startRun(ctx, { ...leg, direction: 'outgoing', source }, plan)
  }
  const undo = async () => {
    const runs = legs.flatMap(({ activeflow_id }) => activeflow_id ?? [])
    // One that cannot be taken back now must not keep the others.
    await together([...runs.map(id => ctx.call('stopActiveflow', { id })), ...charged.map(({ id }) => release(ctx, id))])
  }
  try {
    await together([...charged.map(reserve), ...legs.map(start)])
  } catch (error) {
    await undo()
    throw error
  }
  return undo
}

interface Made {
  rows: CallRow[]
  groups: GroupcallRow[]
}

async function insertCalls(tx: CallTx, { input, source, targets, plan }: Order): Promise<Made> {
  const { dial_timeout, max_duration, flow_id = null } = input
  const common = { source, dial_timeout, max_duration, flow_id }
  const made: Made = { rows: [], groups: [] }
  for (const { legs, group, ring_method, destination } of targets) {
    const [leg] = legs
    if (!leg) continue
    if (group && legs.length > 1) {
      const ringing = await insertGroup(tx, { ...common, legs, ring_method, destination, owner: leg.owner, plan })
      made.rows.push(...ringing.legs)
      made.groups.push(ringing.group)
    } else {
      made.rows.push(await insertLeg(tx, leg, { ...common, type: 'flow' }))
    }
  }
  for (const row of made.rows) await dialSoon(tx, { call_id: row.id, reserves: false })
  return made
}
