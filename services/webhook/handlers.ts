import { isIP } from 'node:net'
import type { WebhookHandlers } from '@voipbin/generated/rpc/webhook'
import type { WebhookWithSecret } from '@voipbin/generated/schemas'
import { flag, isPublicAddress, randomToken, serviceConfig, stamp } from '@voipbin/kernel'
import { asc, eq } from 'drizzle-orm'
import { customerTarget, endpointTarget } from './events.ts'
import { type Ctx, defaultSchedule, defaultTimeout, enqueue, type Target } from './queue.ts'
import { payload, unknownFilter } from './rules.ts'
import { attemptTable, type DeliveryRow, deliveries, type WebhookRow, webhooks } from './schema.ts'
import { deliver } from './send.ts'

export const config = serviceConfig({ HTTP_ALLOW_PRIVATE: flag() })

const maxEndpoints = 50

export const handlers: WebhookHandlers = {
  listWebhooks: (ctx, { page_size, page_token, ...where }) => webhooks.list(ctx, { page_size, page_token, where }),
  createWebhook: async (ctx, input) => {
    check(ctx, input)
    const secret = newSecret()
    const row = await ctx.tx(async tx => {
      const mine = await webhooks.system.find(tx, { customer_id: tx.customer_id }, { limit: maxEndpoints })
      if (mine.length >= maxEndpoints) throw ctx.error('WEBHOOK_LIMIT_REACHED')
      const made = await webhooks.insert(tx, { ...input, secret, disabled_reason: input.status === 'disabled' ? 'manual' : null })
      await tx.emit('webhook.created', made)
      return made
    })
    return shown(row)
  },
  getWebhook: (ctx, { id }) => webhooks.require(ctx, id),
  updateWebhook: async (ctx, { id, ...patch }) => {
    check(ctx, patch)
    return ctx.tx(async tx => {
      const status = patch.status && { status: patch.status, disabled_reason: patch.status === 'disabled' ? ('manual' as const) : null }
      const again = patch.status === 'enabled' ? { tm_failing: null } : {}
      const row = await webhooks.update(tx, id, { ...patch, ...status, ...again })
      await tx.emit('webhook.updated', row)
      return row
    })
  },
  deleteWebhook: (ctx, { id }) =>
    ctx.tx(async tx => {
      const row = await webhooks.remove(tx, id)
      await tx.emit('webhook.deleted', row)
      return row
    }),
  rotateWebhookSecret: async (ctx, { id, overlap = 86_400 }) => {
    const secret = newSecret()
    const row = await ctx.tx(async tx => {
      const [old] = await webhooks.system.find(tx, { id, customer_id: tx.customer_id }, { limit: 1, forUpdate: true })
      if (!old) throw ctx.error('WEBHOOK_NOT_FOUND')
      const tm_secret_overlap_end = overlap > 0 ? stamp(new Date(tx.now().getTime() + overlap * 1000)) : null
      const rotated = await webhooks.update(tx, old, { secret, secret_before: overlap > 0 ? old.secret : null, tm_secret_overlap_end })
      await tx.emit('webhook.updated', rotated)
      return rotated
    })
    return shown(row)
  },
  testWebhook: async (ctx, { id }) => {
    const row = await webhooks.require(ctx, id)
    const { secret: _secret, secret_before: _before, version: _version, tm_failing: _failing, ...data } = row
    const event = { event_id: ctx.newId(), event_type: 'webhook.ping', timestamp: ctx.now().toISOString(), data }
    const content = {
      event_id: event.event_id,
      event_type: event.event_type,
      resource_type: 'webhook',
      resource_id: id,
      request_body: payload(event),
    }
    // Out of line: a test shows whether the endpoint answers, whatever waits before it.
    return ctx.tx(tx => enqueue(tx, { ...endpointTarget(row), ordered: false, retry_schedule: [0] }, content))
  },

  listWebhookDeliveries: (ctx, { page_size, page_token, tm_create_from, tm_create_to, ...where }) =>
    deliveries.list(ctx, { page_size, page_token, tm_create_from, tm_create_to, where }),
  getWebhookDelivery: async (ctx, { id }) => {
    const row = await deliveries.require(ctx, id)
    const attempts = await ctx.db.select().from(attemptTable).where(eq(attemptTable.delivery_id, id)).orderBy(asc(attemptTable.attempt))
    return { ...row, attempts }
  },
  replayWebhookDelivery: async (ctx, { id }) => {
    const row = await deliveries.require(ctx, id)
    const target = await targetAgain(ctx, row)
    const { event_id, event_type, resource_type, resource_id, request_body, content_type } = row
    const content = { event_id, event_type, resource_type, resource_id, request_body, content_type, replay_of_id: row.id }
    return ctx.tx(tx => enqueue(tx, { ...target, ordered: false }, content))
  },

  sendActiveflowWebhook: async (ctx, { activeflow_id, action_run_id, uri, method, data_type, data, sync }) => {
    check(ctx, { uri })
    const target: Target = {
      target_type: 'action',
      webhook_id: null,
      activeflow_id,
      uri,
      method,
      ordered: false,
      timeout: defaultTimeout,
      retry_schedule: sync ? [0] : defaultSchedule,
    }
    const content = {
      event_id: action_run_id,
      event_type: 'activeflow.webhook',
      resource_type: 'activeflow',
      resource_id: activeflow_id,
      request_body: data,
      content_type: data_type,
    }
    const row = await ctx.tx(async tx => {
      const [known] = await deliveries.system.find(
        tx,
        { customer_id: tx.customer_id, resource_id: activeflow_id, event_id: action_run_id },
        { limit: 1 },
      )
      return known ?? enqueue(tx, target, content)
    })
    if (!sync) return { delivery_id: row.id, status_code: null, body: '' }
    await ctx.tx(tx => tx.cancelTimer(`deliver:${row.id}`))
    await deliver(ctx, row.id)
    const [attempt] = await ctx.db.select().from(attemptTable).where(eq(attemptTable.delivery_id, row.id)).limit(1)
    return { delivery_id: row.id, status_code: attempt?.status_code ?? null, body: attempt?.response_body ?? '' }
  },
}

const newSecret = (): string => `whsec_${Buffer.from(randomToken(24)).toString('base64')}`

const shown = (row: WebhookRow): WebhookWithSecret => row

/** Refuses what could never be delivered. Names are looked up when something is sent, and checked then. */
function check(ctx: Pick<Ctx, 'error' | 'config'>, input: { uri?: string; event_types?: string[] }): void {
  const filter = input.event_types && unknownFilter(input.event_types)
  if (filter !== undefined) {
    const details = [
      { field: `/event_types/${input.event_types?.indexOf(filter)}`, rule: 'event_type', expected: 'an event type, <resource>.* or *' },
    ]
    throw ctx.error('EVENT_TYPE_UNKNOWN' as never, { details })
  }
  if (input.uri === undefined) return
  const host = URL.parse(input.uri)?.hostname.replace(/^\[|\]$/g, '')
  const refused = !host || (!config.of(ctx).HTTP_ALLOW_PRIVATE && (host === 'localhost' || (isIP(host) !== 0 && !isPublicAddress(host))))
  if (refused)
    throw ctx.error('WEBHOOK_URI_REFUSED' as never, {
      details: [{ field: '/uri', rule: 'public', expected: 'an address that is reachable from outside' }],
    })
}

/** The place as it is configured now. */
async function targetAgain(ctx: Parameters<WebhookHandlers['replayWebhookDelivery']>[0], row: DeliveryRow): Promise<Target> {
  if (row.target_type === 'webhook' && row.webhook_id) {
    const endpoint = await webhooks.get(ctx, row.webhook_id)
    if (!endpoint) throw ctx.error('WEBHOOK_GONE')
    if (endpoint.status === 'disabled') throw ctx.error('WEBHOOK_DISABLED')
    return endpointTarget(endpoint)
  }
  const [customer] = row.target_type === 'customer' ? await customerTarget(ctx) : []
  if (row.target_type === 'customer' && !customer) throw ctx.error('WEBHOOK_GONE')
  const { target_type, webhook_id, activeflow_id, uri, method, timeout, retry_schedule } = row
  return customer ?? { target_type, webhook_id, activeflow_id, uri, method, timeout, retry_schedule, ordered: false }
}
