import { projectWebhookReplay } from '@voipbin/generated/project'
import type { WebhookContext, WebhookHandlers } from '@voipbin/generated/rpc/webhook'
import type { WebhookReplay } from '@voipbin/generated/schemas'
import { stamp } from '@voipbin/kernel'
import { and, eq, inArray, sql } from 'drizzle-orm'
import { ended } from '../queue.ts'
import { stepReplay } from '../replay.ts'
import { deliveryTable, type ReplayRow, replays, webhooks } from '../schema.ts'
import { checkFilters } from './checks.ts'
import { placeAgain } from './deliveries.ts'

export const replayHandlers = {
  listWebhookReplays: async (ctx, { page_size, page_token, ...where }) => {
    const page = await replays.list(ctx, { page_size, page_token, where })
    return { ...page, result: await shown(ctx, page.result) }
  },
  createWebhookReplay: async (ctx, input) => {
    const { webhook_id = null, tm_from, delivery_statuses = ['failed'], event_types = ['*'] } = input
    const tm_to = input.tm_to ?? ctx.now().toISOString()
    checkFilters(ctx, event_types)
    if (Date.parse(tm_from) >= Date.parse(tm_to)) {
      throw ctx.error('INVALID_ARGUMENT', { details: [{ field: '/tm_from', rule: 'range', expected: 'a time before tm_to' }] })
    }
    await placeAgain(ctx, webhook_id)
    const row = await ctx.tx(async tx => {
      // Two that begin at once see each other.
      if (webhook_id !== null) await webhooks.system.find(tx, { id: webhook_id }, { limit: 1, forUpdate: true })
      const [running] = await replays.system.find(
        tx,
        { customer_id: tx.customer_id, webhook_id, status: 'running' },
        { limit: 1, forUpdate: true },
      )
      if (running) throw ctx.error('WEBHOOK_REPLAY_RUNNING')
      const made = await replays.insert(tx, { webhook_id, tm_from, tm_to, delivery_statuses, event_types, status: 'running' })
      await stepReplay(tx, made.id)
      return made
    })
    return one(ctx, row)
  },
  getWebhookReplay: async (ctx, { id }) => one(ctx, await replays.require(ctx, id)),
  deleteWebhookReplay: async (ctx, { id }) => {
    const row = await ctx.tx(async tx => {
      const [old] = await replays.system.find(tx, { id, customer_id: tx.customer_id }, { limit: 1, forUpdate: true })
      if (!old) throw ctx.error('WEBHOOK_REPLAY_NOT_FOUND')
      const now = stamp(tx.now())
      // At most as many as one replay has under way, so this is short.
      await tx.db
        .update(deliveryTable)
        .set({ ...ended(now), status: 'canceled' })
        .where(and(eq(deliveryTable.webhook_replay_id, id), sql`${deliveryTable.status} = 'pending'`))
      const status = old.tm_finish === null ? { status: 'canceled' as const, tm_finish: now } : {}
      const stopped = old.tm_finish === null ? await replays.update(tx, old, status) : old
      return replays.remove(tx, stopped)
    })
    return one(ctx, row)
  },
} satisfies Partial<WebhookHandlers>

const none = { pending_count: 0, succeeded_count: 0, failed_count: 0, canceled_count: 0 }
type Counts = typeof none

/** Replays with what has become of their deliveries so far. */
async function shown(ctx: Pick<WebhookContext, 'db'>, rows: readonly ReplayRow[]): Promise<WebhookReplay[]> {
  if (rows.length === 0) return []
  const { webhook_replay_id, status } = deliveryTable
  const found = await ctx.db
    .select({ id: webhook_replay_id, status, count: sql<number>`COUNT(*)`.mapWith(Number) })
    .from(deliveryTable)
    .where(
      inArray(
        webhook_replay_id,
        rows.map(({ id }) => id),
      ),
    )
    .groupBy(webhook_replay_id, status)
  return rows.map(row => {
    const counts: Counts = { ...none }
    for (const one of found) if (one.id === row.id) counts[`${one.status}_count`] = one.count
    return projectWebhookReplay({ ...row, ...counts })
  })
}

async function one(ctx: Pick<WebhookContext, 'db'>, row: ReplayRow): Promise<WebhookReplay> {
  const [replay] = await shown(ctx, [row])
  return replay as WebhookReplay
}
