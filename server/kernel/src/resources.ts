import type { Context } from './context.ts'
import type { Contract, Event } from './contract.ts'
import type { OwnedTable, Repo } from './repo.ts'

type AnyRepo = Repo<OwnedTable>
/** What a service does about an event, in the erased form. */
export type Consume = (ctx: Context, event: Event) => Promise<void>
type Consumers = Readonly<Record<string, Consume>>

/** Rows one transaction of a clean-up takes. */
const batch = 100

const isRepo = (value: unknown): value is AnyRepo =>
  typeof value === 'object' && value !== null && 'ownerOf' in value && 'resource' in value && 'table' in value

/** The repos that a module exports, by resource. */
export function reposOf(schema: object): Record<string, AnyRepo> {
  const repos: Record<string, AnyRepo> = {}
  for (const value of Object.values(schema)) {
    if (!isRepo(value) || repos[value.resource] === value) continue
    if (repos[value.resource]) throw new Error(`two repos of one schema keep the resource ${value.resource}`)
    repos[value.resource] = value
  }
  return repos
}

/** Adds to what a service does when a customer is deleted: the rows that go with their customer, each with its event. */
export function removedWithCustomer(contract: Contract, repos: readonly AnyRepo[], consumers: Consumers): Consumers {
  const leaving = repos.filter(repo => repo.onCustomerDeleted !== undefined)
  if (leaving.length === 0) return consumers
  const document = `contracts/asyncapi/${contract.name}.yaml`
  for (const { resource, onCustomerDeleted = '' } of leaving) {
    if (Object.hasOwn(contract.emits, onCustomerDeleted)) continue
    throw new Error(`${document} has no event ${onCustomerDeleted}, which the repo of ${resource} names in onCustomerDeleted`)
  }
  const event = 'customer.deleted'
  const own = consumers[event]
  if (!own) throw new Error(`${document} must receive ${event}: the repo of ${leaving[0]?.resource} has onCustomerDeleted`)
  return {
    ...consumers,
    [event]: async (ctx, message) => {
      await own(ctx, message)
      const mine = ctx.as((message.data as { id: string }).id)
      for (const repo of leaving) while ((await removeSome(mine, repo)) === batch);
    },
  }
}

/** The count decides whether there is another round, and it is recorded: a repeated message makes the same number of rounds. */
const removeSome = (ctx: Context, repo: AnyRepo): Promise<number> =>
  ctx.tx(async tx => {
    const rows = await repo.system.find(tx, { customer_id: ctx.customer_id }, { limit: batch, forUpdate: true })
    for (const row of rows) await tx.emit(repo.onCustomerDeleted as never, (await repo.system.remove(tx, row)) as never)
    return rows.length
  })
