import type { FlowHandlers } from '@voipbin/generated/rpc/flow'
import { recordAudit } from '@voipbin/kernel'
import { type Ctx, type FlowTx, lockRun } from '../run.ts'
import { activeflows } from '../schema.ts'
import { badName, isReserved, isTooLarge, type Variables } from '../variables.ts'

/** Throws for a name that belongs to the platform or could not be written as `${name}`. */
export function checkNames(ctx: Ctx, variables: Variables): void {
  const bad = badName(variables)
  if (bad !== undefined)
    throw ctx.error('INVALID_ARGUMENT', {
      message: 'A variable has no valid name.',
      details: [{ field: at(bad), rule: 'pattern', expected: 'letters, digits, dots, dashes and underscores' }],
    })
  const reserved = Object.keys(variables).find(isReserved)
  if (reserved !== undefined)
    throw ctx.error('VARIABLE_RESERVED', {
      details: [{ field: at(reserved), rule: 'reserved', expected: 'a name that does not begin with voipbin.' }],
    })
}

const at = (name: string): string => `/variables/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`

export function checkSize(ctx: Ctx, variables: Variables): void {
  if (isTooLarge(variables)) throw ctx.error('VARIABLES_TOO_LARGE')
}

/** Changes the variables of a run that goes on. */
function change(
  ctx: Ctx,
  id: string,
  work: (variables: Variables) => Record<string, string>,
): Promise<{ variables: Record<string, string> }> {
  return ctx.tx(async (tx: FlowTx) => {
    const row = await lockRun(tx, id)
    if (!row) throw ctx.error('ACTIVEFLOW_NOT_FOUND')
    if (row.status === 'ended') throw ctx.error('ACTIVEFLOW_ENDED')
    const variables = work(row.variables)
    checkSize(ctx, variables)
    await activeflows.update(tx, row, { variables })
    await recordAudit(tx, {
      action: 'update',
      resource_type: 'activeflow',
      resource_id: id,
      old: { variables: row.variables },
      new: { variables },
    })
    return { variables }
  })
}

export const variableHandlers = {
  getActiveflowVariables: async (ctx, { id }) => ({ variables: (await activeflows.require(ctx, id)).variables }),
  setActiveflowVariables: async (ctx, { id, variables }) => {
    checkNames(ctx, variables)
    return change(ctx, id, known => ({ ...known, ...variables }))
  },
  deleteActiveflowVariable: async (ctx, { id, name }) => {
    checkNames(ctx, { [name]: '' })
    return change(ctx, id, known => Object.fromEntries(Object.entries(known).filter(([key]) => key !== name)))
  },
} satisfies Partial<FlowHandlers>
