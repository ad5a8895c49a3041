import { projectWebhookAttempt, projectWebhookDelivery } from '@voipbin/generated/project'
import type { WebhookContext, WebhookHandlers } from '@voipbin/generated/rpc/webhook'
import { type AppError, type Columns, conditions, type PageInput, selectPage, stamp, type Where } from '@voipbin/kernel'
import { and, asc, eq, getTableColumns } from 'drizzle-orm'
import { sortByAddress } from '../addresses.ts'
import { engineOf } from '../engine.ts'
import { defaultSchedule, defaultTimeout, insertDeliveries, newDelivery, type Target } from '../queue.ts'
import { type AttemptRow, attemptTable, type DeliveryRow, deliveries, webhooks } from '../schema.ts'
import { customerTarget, endpointTarget } from '../targets.ts'
import { checkUri, enqueue } from './checks.ts'

/** A request that the flow waits for is repeated by others only when this process died, in milliseconds. */
const overdue_ms = 60_000
const attemptColumns = getTableColumns(attemptTable) as Columns

export const deliveryHandlers = {
  listWebhookDeliveries: async (ctx, { page_size, page_token, tm_create_from, tm_create_to, ...where }) => {
    const page = await deliveries.list(ctx, { page_size, page_token, tm_create_from, tm_create_to, where })
    return { ...page, result: page.result.map(projectWebhookDelivery) }
  },
  getWebhookDelivery: async (ctx, { id }) => {
    const row = await deliveries.require(ctx, id)
    const attempts = await ctx.db
      .select()
      .from(attemptTable)
      .where(eq(attemptTable.webhook_delivery_id, id))
      .orderBy(asc(attemptTable.attempt))
    return { ...projectWebhookDelivery(row), request_body: row.request_body, attempts: attempts.map(projectWebhookAttempt) }
  },
  listWebhookAttempts: async (ctx, { page_size, page_token, tm_create_from, tm_create_to, ...filter }) => {
    const mine: Where<AttemptRow> = { customer_id: ctx.customer_id, ...filter }
    const page: PageInput = { page_size, page_token, tm_create_from, tm_create_to }
    const where = conditions(attemptColumns, mine)
    const { result, next_page_token } = await selectPage<AttemptRow>(ctx.db, attemptTable, attemptColumns, { ...page, where })
    return { result: result.map(projectWebhookAttempt), next_page_token }
  },
  replayWebhookDelivery: async (ctx, { id }) => {
    const row = await deliveries.require(ctx, id)
    const target = await targetAgain(ctx, row)
    return ctx.tx(async tx => {
      const again = newDelivery({ ...target, ordered: false }, { ...contentOf(row), replay_of_id: row.id }, { ...tx, id: tx.newId() })
      return projectWebhookDelivery(await enqueue(ctx, tx, again))
    })
  },

  sendActiveflowWebhook: async (ctx, { activeflow_id, action_run_id, uri, method, data_type, data, sync }) => {
    checkUri(ctx, uri)
    const place = { target_type: 'action' as const, webhook_id: null, activeflow_id, uri, method, ordered: false }
    const pace = { timeout: defaultTimeout, retry_schedule: sync ? [0] : defaultSchedule }
    const event = { event_id: action_run_id, event_type: 'activeflow.webhook', resource_type: 'activeflow', resource_id: activeflow_id }
    const content = { ...event, request_body: method === 'GET' ? '' : data, content_type: data_type }
    const made = newDelivery({ ...place, ...pace }, content, ctx)
    // To a server that has been dead for days one attempt is made.
    const { closed } = sync ? { closed: [] } : await sortByAddress(ctx, [made])
    if (closed.length > 0) made.retry_schedule = [0]
    await ctx.tx(async tx => {
      if (!sync) await enqueue(ctx, tx, made)
      else await insertDeliveries(tx, [made], () => stamp(new Date(tx.now().getTime() + overdue_ms)))
    })
    if (!sync) return { delivery_id: made.id, status_code: null, body: '' }
    return { delivery_id: made.id, ...(await answerTo(ctx, made.id)) }
  },
} satisfies Partial<WebhookHandlers>

/** Sends a delivery that has not been sent, and tells what came back. */
async function answerTo(ctx: WebhookContext, id: string): Promise<{ status_code: number | null; body: string }> {
  const row = await deliveries.system.get({ db: ctx.db }, id)
  if (row?.status === 'pending') await engineOf(ctx)?.sendNow(row)
  const where = and(eq(attemptTable.webhook_delivery_id, id), eq(attemptTable.attempt, 1))
  const [attempt] = await ctx.db.select().from(attemptTable).where(where).limit(1)
  return { status_code: attempt?.status_code ?? null, body: attempt?.response_body ?? '' }
}

/** What a delivery carries, to be sent again. */
export const contentOf = ({ event_id, event_type, resource_type, resource_id, request_body, content_type }: DeliveryRow) => ({
  event_id,
  event_type,
  resource_type,
  resource_id,
  request_body,
  content_type,
})

type Again = Pick<WebhookContext, 'db' | 'customer_id'> & { error(reason: 'WEBHOOK_GONE' | 'WEBHOOK_DISABLED'): AppError }

/** The endpoint, or the customer-level webhook, as it is configured now. */
export async function placeAgain(ctx: WebhookContext & Again, webhook_id: string | null): Promise<Target> {
  if (webhook_id === null) {
    const [customer] = await customerTarget(ctx)
    if (!customer) throw ctx.error('WEBHOOK_GONE')
    return customer
  }
  const endpoint = await webhooks.get(ctx, webhook_id)
  if (!endpoint) throw ctx.error('WEBHOOK_GONE')
  if (endpoint.status === 'disabled') throw ctx.error('WEBHOOK_DISABLED')
  return endpointTarget(endpoint)
}

async function targetAgain(ctx: WebhookContext & Again, row: DeliveryRow): Promise<Target> {
  const { target_type, webhook_id, activeflow_id, uri, method, timeout, retry_schedule } = row
  if (target_type === 'webhook' || target_type === 'customer') return placeAgain(ctx, webhook_id)
  return { target_type, webhook_id, activeflow_id, uri, method, timeout, retry_schedule, ordered: false }
}
