import type { PublicEventType } from '@voipbin/generated/events/index'
import type { WebhookConsumed } from '@voipbin/generated/rpc/webhook'
import type { CustomerWebhook } from '@voipbin/generated/schemas'
import { decryptText, type Event, encryptText, fillCache, isAppError } from '@voipbin/kernel'
import { type Ctx, defaultSchedule, defaultTimeout, type Target } from './queue.ts'
import type { WebhookRow } from './schema.ts'

export type Heard = Exclude<PublicEventType, 'webhook.ping'>
export type Consumed = { [T in Heard]: Event<T, WebhookConsumed[T]> }[Heard]

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
  const found = await customerWebhook(ctx, ctx.customer_id)
  if (!found?.webhook_uri) return []
  return [{ ...plain, target_type: 'customer', activeflow_id: null, uri: found.webhook_uri, method: found.webhook_method }]
}

/** How long the customer-level webhook is cached, in seconds. The customer service makes the cache forget it on every change. */
const cached_s = 60
const flights = new WeakMap<object, Map<string, Promise<CustomerWebhook | undefined>>>()

/** The customer-level webhook and its secrets; `undefined` when the customer is gone. All who ask at the same time share one look-up. */
export function customerWebhook(ctx: Ctx, id: string): Promise<CustomerWebhook | undefined> {
  const mine = flights.get(ctx.config) ?? new Map<string, Promise<CustomerWebhook | undefined>>()
  flights.set(ctx.config, mine)
  const flying = mine.get(id)
  if (flying) return flying
  const flight = readCustomerWebhook(ctx, id).finally(() => mine.delete(id))
  mine.set(id, flight)
  return flight
}

async function readCustomerWebhook(ctx: Ctx, id: string): Promise<CustomerWebhook | undefined> {
  const key = `customer:${id}:webhook`
  const cached = await ctx.cache.get<string>(key)
  if (cached !== undefined) return opened(id, cached)
  const found = await orNothing(ctx.call('getCustomerWebhook', { id }))
  // Encrypted, since it holds the secrets.
  if (found) await fillCache(ctx.cache, key, encryptText(JSON.stringify(found)), cached_s)
  return found
}

const sealed = new Map<string, { text: string; found: CustomerWebhook }>()
const maxSealed = 10_000

/** Decrypted once as long as it stays the same. */
function opened(id: string, text: string): CustomerWebhook {
  const known = sealed.get(id)
  if (known?.text === text) return known.found
  const found = JSON.parse(decryptText(text)) as CustomerWebhook
  if (sealed.size >= maxSealed) sealed.clear()
  sealed.set(id, { text, found })
  return found
}

interface Place {
  uri: string
  method: Target['method']
}
const runs = new WeakMap<object, Map<string, Place | null>>()
const maxRuns = 10_000

/** A run has a place of its own for its events and those of its calls. It never changes, so it is asked for once. */
export async function runTarget(ctx: Ctx, event: Consumed): Promise<Target[]> {
  const { data, resource_type } = event
  const id = resource_type === 'activeflow' ? data.id : 'activeflow_id' in data ? data.activeflow_id : null
  if (!id) return []
  const known = runs.get(ctx.config) ?? new Map<string, Place | null>()
  runs.set(ctx.config, known)
  let place = known.get(id)
  if (place === undefined) {
    const run =
      resource_type === 'activeflow' && 'webhook_uri' in data
        ? (data as WebhookConsumed['activeflow.created'])
        : await orNothing(ctx.call('getActiveflow', { id }))
    if (!run) return []
    place = run.webhook_uri ? { uri: run.webhook_uri, method: run.webhook_method } : null
    if (known.size >= maxRuns) known.clear()
    known.set(id, place)
  }
  return place ? [{ ...plain, ...place, target_type: 'activeflow', activeflow_id: id }] : []
}

/** What does not exist (any more) is no fault. */
async function orNothing<T>(request: Promise<T>): Promise<T | undefined> {
  try {
    return await request
  } catch (error) {
    if (isAppError(error) && error.status === 'NOT_FOUND') return undefined
    throw error
  }
}
