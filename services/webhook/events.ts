import { publicEvents } from '@voipbin/generated/events/index'
import type { WebhookConsumers } from '@voipbin/generated/rpc/webhook'
import { renewCustomerAddress } from './addresses.ts'
import { engineOf } from './engine.ts'
import { cancelLater } from './health.ts'
import type { Ctx } from './queue.ts'
import { pingType } from './rules.ts'
import { webhooks } from './schema.ts'
import { type Consumed, customerTarget, type Heard, runTarget } from './targets.ts'

/** Every public event goes to every place that wants it. */
async function fanOut(ctx: Ctx, event: Consumed): Promise<void> {
  const engine = engineOf(ctx)
  if (!engine) throw new Error('the delivery engine does not run yet')
  const mine = ctx.as(event.customer_id)
  if (event.event_type === 'customer.updated') await renewCustomerAddress(mine, event.customer_id)
  const [level, run] = await Promise.all([customerTarget(mine), runTarget(mine, event)])
  await engine.take(event, [...level, ...run])
  if (event.event_type === 'customer.deleted') await removeAll(mine)
}

const removeAll = (ctx: Ctx): Promise<void> =>
  ctx.tx(async tx => {
    for (const row of await webhooks.system.find(tx, { customer_id: ctx.customer_id }, { forUpdate: true })) {
      await webhooks.remove(tx, row)
      await cancelLater(tx, row.id)
    }
  })

const heard = publicEvents.filter((type): type is Heard => type !== pingType)

// One handler for all of them: what the type asks for is that none is forgotten.
export const consumers = Object.fromEntries(heard.map(type => [type, fanOut])) as unknown as WebhookConsumers
