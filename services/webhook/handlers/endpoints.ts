import { projectWebhook, projectWebhookDelivery } from '@voipbin/generated/project'
import type { WebhookContext, WebhookHandlers } from '@voipbin/generated/rpc/webhook'
import type { WebhookWithSecret } from '@voipbin/generated/schemas'
import { randomToken } from '@voipbin/kernel'
import { engineOf } from '../engine.ts'
import { cancelLater } from '../health.ts'
import { defaultSchedule, defaultTimeout, newDelivery, type WebhookTx } from '../queue.ts'
import { payload, pingType, retireSecret } from '../rules.ts'
import { type WebhookRow, webhooks } from '../schema.ts'
import { endpointTarget } from '../targets.ts'
import { checkFilters, checkUri, enqueue } from './checks.ts'

const maxEndpoints = 50

export const endpointHandlers = {
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
      await changed(ctx, tx, row)
      await tx.emit('webhook.updated', row)
      return projectWebhook(row)
    })
  },
  deleteWebhook: (ctx, { id }) =>
    ctx.tx(async tx => {
      const row = await webhooks.remove(tx, id)
      await changed(ctx, tx, row)
      await tx.emit('webhook.deleted', row)
      return projectWebhook(row)
    }),
  rotateWebhookSecret: async (ctx, { id, overlap = 86_400 }) => {
    await ctx.tx(async tx => {
      const [old] = await webhooks.system.find(tx, { id, customer_id: tx.customer_id }, { limit: 1, forUpdate: true })
      if (!old) throw ctx.error('WEBHOOK_NOT_FOUND')
      const row = await webhooks.update(tx, old, { ...retireSecret(old, tx.now(), overlap), secret: newSecret() })
      await changed(ctx, tx, row)
      await tx.emit('webhook.updated', row)
    })
    return withSecret(ctx, id)
  },
  testWebhook: async (ctx, { id }) => {
    const row = await webhooks.require(ctx, id)
    return ctx.tx(async tx => {
      const event = { event_id: tx.newId(), event_type: pingType, timestamp: tx.now().toISOString(), data: projectWebhook(row) }
      const about = { event_id: event.event_id, event_type: pingType, resource_type: 'webhook', resource_id: id }
      // Out of line: a test shows whether the endpoint answers, whatever waits before it.
      const once = { ...endpointTarget(row), ordered: false, retry_schedule: [0] }
      const delivery = newDelivery(once, { ...about, request_body: payload(event) }, tx)
      return projectWebhookDelivery(await enqueue(ctx, tx, delivery))
    })
  },
} satisfies Partial<WebhookHandlers>

/** What the contract fills in for requests from outside. */
const defaults = {
  name: '',
  detail: '',
  method: 'POST',
  event_types: ['*'],
  status: 'enabled',
  ordered: true,
  timeout: defaultTimeout,
  retry_schedule: defaultSchedule,
} satisfies Partial<WebhookRow>

function ofStatus(status: WebhookRow['status'] | undefined): Partial<WebhookRow> {
  if (status === undefined) return {}
  const detail = { disabled_detail: null }
  if (status === 'disabled') return { ...detail, disabled_reason: 'manual' }
  return { ...detail, disabled_reason: null, tm_failing: null, failure_count: 0, tm_notice: null }
}

/** What follows from a change: requests go by it from now on, and one that gets nothing any more gets nothing that waits either. */
async function changed(ctx: WebhookContext, tx: WebhookTx, row: WebhookRow): Promise<void> {
  if (row.tm_delete !== null || row.status === 'disabled') await cancelLater(tx, row.id)
  tx.afterCommit(async () => engineOf(ctx)?.places.forget(row.id))
}

const newSecret = (): string => `whsec_${Buffer.from(randomToken(24)).toString('base64')}`

/** Read again: what a transaction returns is kept as it is, and the secret must not lie about in the clear. */
async function withSecret(ctx: WebhookContext, id: string): Promise<WebhookWithSecret> {
  const row = await webhooks.require(ctx, id)
  return { ...projectWebhook(row), secret: row.secret }
}
