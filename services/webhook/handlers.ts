import { isIP } from 'node:net'
import { projectWebhook } from '@voipbin/generated/project'
import type { WebhookContext, WebhookHandlers } from '@voipbin/generated/rpc/webhook'
import type { WebhookWithSecret } from '@voipbin/generated/schemas'
import { type AppError, type ErrorData, flag, isPublicAddress, randomToken, serviceConfig, stamp } from '@voipbin/kernel'
import { asc, eq } from 'drizzle-orm'
import { customerTarget, endpointTarget } from './events.ts'
import { cancelAll, defaultSchedule, defaultTimeout, enqueue, type Target } from './queue.ts'
import { payload, pingType, unknownFilter } from './rules.ts'
import { attemptTable, type DeliveryRow, deliveries, type WebhookRow, webhooks } from './schema.ts'
import { deliverNow } from './send.ts'

export const config = serviceConfig({ HTTP_ALLOW_PRIVATE: flag() })

const maxEndpoints = 50
/** A request that the flow waits for is repeated by the timer only when this process died, in milliseconds. */
const overdue_ms = 60_000

export const handlers: WebhookHandlers = {
  listWebhooks: async (ctx, { page_size, page_token, ...where }) => {
    const page = await webhooks.list(ctx, { page_size, page_token, where })
    return { ...page, result: page.result.map(projectWebhook) }
  },
  createWebhook: async (ctx, input) => {
    checkFilters(ctx, input.event_types)
    checkUri(ctx, input.uri)
    const id = await ctx.tx(async tx => {
      const mine = await webhooks.system.find(tx, { customer_id: tx.customer_id }, { limit: maxEndpoints })
      if (mine.length >= maxEndpoints) throw ctx.error('WEBHOOK_LIMIT_REACHED')
      const disabled_reason = input.status === 'disabled' ? ('manual' as const) : null
      const made = await webhooks.insert(tx, { ...defaults, ...input, secret: newSecret(), disabled_reason })
      await tx.emit('webhook.created', made)
      return made.id
    })
    return withSecret(ctx, id)
  },
  getWebhook: async (ctx, { id }) => projectWebhook(await webhooks.require(ctx, id)),
  updateWebhook: async (ctx, { id, ...patch }) => {
    checkFilters(ctx, patch.event_types)
    checkUri(ctx, patch.uri)
    return ctx.tx(async tx => {
      const row = await webhooks.update(tx, id, { ...patch, ...ofStatus(patch.status) })
      await tx.emit('webhook.updated', row)
      return projectWebhook(row)
    })
  },
  deleteWebhook: (ctx, { id }) =>
    ctx.tx(async tx => {
      const row = await webhooks.remove(tx, id)
      await cancelAll(tx, id)
      await tx.emit('webhook.deleted', row)
      return projectWebhook(row)
    }),
  rotateWebhookSecret: async (ctx, { id, overlap = 86_400 }) => {
    await ctx.tx(async tx => {
      const [old] = await webhooks.system.find(tx, { id, customer_id: tx.customer_id }, { limit: 1, forUpdate: true })
      if (!old) throw ctx.error('WEBHOOK_NOT_FOUND')
      const before =
        overlap > 0
          ? { secret_before: old.secret, tm_secret_overlap_end: stamp(new Date(tx.now().getTime() + overlap * 1000)) }
          : { secret_before: null, tm_secret_overlap_end: null }
      await tx.emit('webhook.updated', await webhooks.update(tx, old, { ...before, secret: newSecret() }))
    })
    return withSecret(ctx, id)
  },
  testWebhook: async (ctx, { id }) => {
    const row = await webhooks.require(ctx, id)
    return ctx.tx(tx => {
      const event = { event_id: tx.newId(), event_type: pingType, timestamp: tx.now().toISOString(), data: projectWebhook(row) }
      const about = { event_id: event.event_id, event_type: pingType, resource_type: 'webhook', resource_id: id }
      // Out of line: a test shows whether the endpoint answers, whatever waits before it.
      const once = { ...endpointTarget(row), ordered: false, retry_schedule: [0] }
      return enqueue(tx, once, { ...about, request_body: payload(event) })
    })
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
    checkUri(ctx, uri)
    const row = await ctx.tx(async tx => {
      const about = { resource_id: activeflow_id, event_id: action_run_id }
      const [known] = await deliveries.system.find(tx, { customer_id: tx.customer_id, ...about }, { limit: 1 })
      if (known) return known
      const place = { target_type: 'action' as const, webhook_id: null, activeflow_id, uri, method, ordered: false }
      const pace = { timeout: defaultTimeout, retry_schedule: sync ? [0] : defaultSchedule }
      const event = { ...about, event_type: 'activeflow.webhook', resource_type: 'activeflow' }
      const content = { ...event, request_body: method === 'GET' ? '' : data, content_type: data_type }
      return enqueue(tx, { ...place, ...pace }, content, sync ? overdue_ms : 0)
    })
    if (!sync) return { delivery_id: row.id, status_code: null, body: '' }
    await deliverNow(ctx, row.id)
    const [attempt] = await ctx.db.select().from(attemptTable).where(eq(attemptTable.delivery_id, row.id)).limit(1)
    return { delivery_id: row.id, status_code: attempt?.status_code ?? null, body: attempt?.response_body ?? '' }
  },
}

/** What the contract fills in for requests from outside. */
const defaults = { name: '', detail: '', method: 'POST', event_types: ['*'], status: 'enabled', ordered: true } as const

function ofStatus(status: WebhookRow['status'] | undefined): Partial<Pick<WebhookRow, 'disabled_reason' | 'tm_failing'>> {
  if (status === undefined) return {}
  return status === 'disabled' ? { disabled_reason: 'manual' } : { disabled_reason: null, tm_failing: null }
}

const newSecret = (): string => `whsec_${Buffer.from(randomToken(24)).toString('base64')}`

/** Read again: what a transaction returns is kept as it is, and the secret must not lie about in the clear. */
async function withSecret(ctx: WebhookContext, id: string): Promise<WebhookWithSecret> {
  const row = await webhooks.require(ctx, id)
  return { ...projectWebhook(row), secret: row.secret }
}

interface Refuse<R extends string> {
  error(reason: R, data: ErrorData): AppError
}

function checkFilters(ctx: Refuse<'EVENT_TYPE_UNKNOWN'>, event_types: readonly string[] = []): void {
  const filter = unknownFilter(event_types)
  if (filter === undefined) return
  const field = `/event_types/${event_types.indexOf(filter)}`
  throw ctx.error('EVENT_TYPE_UNKNOWN', { details: [{ field, rule: 'event_type', expected: 'an event type, <resource>.* or *' }] })
}

/** Refuses what could never be delivered. Names are looked up when something is sent, and checked then. */
function checkUri(ctx: Refuse<'WEBHOOK_URI_REFUSED'> & Pick<WebhookContext, 'config'>, uri: string | undefined): void {
  if (uri === undefined) return
  const host = URL.parse(uri)?.hostname.replace(/^\[|\]$/g, '')
  if (host && (config.of(ctx).HTTP_ALLOW_PRIVATE || isReachable(host))) return
  throw ctx.error('WEBHOOK_URI_REFUSED', {
    details: [{ field: '/uri', rule: 'public', expected: 'an address that is reachable from outside' }],
  })
}

const isReachable = (host: string): boolean => (isIP(host) === 0 ? !/(^|\.)localhost$/.test(host) : isPublicAddress(host))

/** The place as it is configured now. */
async function targetAgain(ctx: WebhookContext & Again, row: DeliveryRow): Promise<Target> {
  if (row.target_type === 'webhook') {
    const endpoint = row.webhook_id && (await webhooks.get(ctx, row.webhook_id))
    if (!endpoint) throw ctx.error('WEBHOOK_GONE')
    if (endpoint.status === 'disabled') throw ctx.error('WEBHOOK_DISABLED')
    return endpointTarget(endpoint)
  }
  if (row.target_type === 'customer') {
    const [customer] = await customerTarget(ctx)
    if (!customer) throw ctx.error('WEBHOOK_GONE')
    return customer
  }
  const { target_type, webhook_id, activeflow_id, uri, method, timeout, retry_schedule } = row
  return { target_type, webhook_id, activeflow_id, uri, method, timeout, retry_schedule, ordered: false }
}
type Again = { error(reason: 'WEBHOOK_GONE' | 'WEBHOOK_DISABLED'): AppError }
