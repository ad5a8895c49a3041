import { actionTargets, type FlowBuilder } from '../../generated/sdk/flow.ts'
import type { Action } from '../../generated/sdk/types.ts'

export type { FlowBuilder, Placement } from '../../generated/sdk/flow.ts'
export type { Action } from '../../generated/sdk/types.ts'

interface Step {
  id?: string
  next_id?: string | null
  type: string
  option?: Record<string, unknown>
}

/**
 * Begins a flow: `flow().answer().talk({ text: 'Hello' }).build()`. Ids are any names; those that are no UUID become one, the same every time. A step gives a
 * new builder and leaves the old one as it is.
 */
export const flow = (): FlowBuilder<never, never> => builder([])

function builder(steps: readonly Step[]): FlowBuilder<never, never> {
  const methods = Object.keys(actionTargets).map(type => [
    type.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase()),
    (option?: Record<string, unknown>, { id, next_id }: Pick<Step, 'id' | 'next_id'> = {}) =>
      builder([...steps, { ...(id !== undefined && { id }), type, ...(option && { option }), ...(next_id && { next_id }) }]),
  ])
  // Its methods are those of the contract's actions, and so are their types.
  return { ...Object.fromEntries(methods), build: () => build(steps) } as unknown as FlowBuilder<never, never>
}

const isUuid = (id: string): boolean => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id)

function build(steps: readonly Step[]): Action[] {
  const ids = new Map<string, string>()
  for (const { id } of steps) {
    if (id === undefined) continue
    if (ids.has(id)) throw new Error(`Two actions have the id '${id}'.`)
    ids.set(id, isUuid(id) ? id : `f1000000-0000-4000-8000-${String(ids.size + 1).padStart(12, '0')}`)
  }
  const find = (id: string): string => {
    const found = ids.get(id)
    if (found === undefined) throw new Error(`No action has the id '${id}'.`)
    return found
  }
  /** One id, or a map to ids; null and what is left out stay. */
  const targets = (value: unknown): unknown => {
    if (typeof value === 'string') return find(value)
    return value && Object.fromEntries(Object.entries(value).map(([name, id]) => [name, find(String(id))]))
  }
  return steps.map(step => {
    const option = step.option && { ...step.option }
    for (const field of (option && actionTargets[step.type]) ?? []) if (option && field in option) option[field] = targets(option[field])
    return {
      ...step,
      ...(step.id !== undefined && { id: find(step.id) }),
      ...(option && { option }),
      ...(step.next_id && { next_id: find(step.next_id) }),
    } as unknown as Action
  })
}
