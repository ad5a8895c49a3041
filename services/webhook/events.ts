import { type PublicEventType, publicEvents } from '@voipbin/generated/events/index'
import type { WebhookConsumed, WebhookConsumers } from '@voipbin/generated/rpc/webhook'
import { type Event, isAppError } from '@voipbin/kernel'
import { type Ctx, cancelAll, defaultSchedule, defaultTimeout, enqueue, type Target } from './queue.ts'
import { payload, wants } from './rules.ts'
import { type WebhookRow, webhooks } from './schema.ts'

type Consumed = { [T in keyof WebhookConsumed]: Event<T & string, WebhookConsumed[T]> }[keyof WebhookConsumed]

/** Every public event goes to every place that wants it, in one transaction. */
async function fanOut(ctx: Ctx, event: Consumed): Promise<void> {
  const mine = ctx.as(event.customer_id)
  const targets = [...(await endpointTargets(mine, event.event_type)), ...(await customerTarget(mine)), ...(await runTarget(mine, event))]
  if (targets.length > 0) {
    const { event_id, event_type, resource_type, resource_id } = event
    const content = { event_id, event_type, resource_type, resource_id, request_body: payload(event) }
    await mine.tx(async tx => {
      for (const target of targets) await enqueue(tx, target, content)
    })
  }
  if (event.event_type === 'customer.deleted') await removeAll(mine)
}

async function endpointTargets(ctx: Ctx, event_type: string): Promise<Target[]> {
  const rows = await webhooks.system.find(ctx, { customer_id: ctx.customer_id, status: 'enabled' })
  return rows.filter(row => wants(row.event_types, event_type)).map(endpointTarget)
}

export const endpointTarget = ({ id, uri, method, ordered, timeout, retry_schedule }: WebhookRow): Target => ({
  target_type: 'webhook',
  webhook_id: id,
  activeflow_id: null,
  uri,
  method,
  ordered,
  timeout,
  retry_schedule,
})

const plain = { webhook_id: null, ordered: true, timeout: defaultTimeout, retry_schedule: defaultSchedule }

export async function customerTarget(ctx: Ctx): Promise<Target[]> {
  const found = await orNothing(ctx.call('getCustomerWebhook', { id: ctx.customer_id }))
  if (!found?.webhook_uri) return []
  return [{ ...plain, target_type: 'customer', activeflow_id: null, uri: found.webhook_uri, method: found.webhook_method }]
}

/** A run has a place of its own for its events and those of its calls. */
async function runTarget(ctx: Ctx, { data, resource_type }: Consumed): Promise<Target[]> {
  const id = resource_type === 'activeflow' ? data.id : 'activeflow_id' in data ? data.activeflow_id : null
  if (!id) return []
  const run =
    'webhook_uri' in data && resource_type === 'activeflow'
      ? (data as WebhookConsumed['activeflow.created'])
      : await orNothing(ctx.call('getActiveflow', { id }))
  if (!run?.webhook_uri) return []
  return [{ ...plain, target_type: 'activeflow', activeflow_id: id, uri: run.webhook_uri, method: run.webhook_method }]
}

/** What does not exist (any more) is no fault. */
export async function orNothing<T>(request: Promise<T>): Promise<T | undefined> {
  try {
    return await request
  } catch (error) {
    if (isAppError(error) && error.status === 'NOT_FOUND') return undefined
    throw error
  }
}

const removeAll = (ctx: Ctx): Promise<void> =>
  ctx.tx(async tx => {
    for (const row of await webhooks.system.find(tx, { customer_id: ctx.customer_id }, { forUpdate: true })) {
      await webhooks.remove(tx, row)
      await cancelAll(tx, row.id)
    }
  })

type Heard = Exclude<PublicEventType, 'webhook.ping'>
const heard = publicEvents.filter((type): type is Heard => type !== 'webhook.ping')

// One handler for all of them: what the type asks for is that none is forgotten.
export const consumers = Object.fromEntries(heard.map(type => [type, fanOut])) as unknown as WebhookConsumers
