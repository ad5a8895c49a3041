import type { Webhook, WebhookAttempt, WebhookDelivery } from '@voipbin/generated/schemas'
import { owned, ownedIndexes, repo, secretText, utc } from '@voipbin/kernel'
import { boolean, index, int, json, mediumtext, mysqlTable, primaryKey, varchar } from 'drizzle-orm/mysql-core'

export const webhookTable = mysqlTable(
  'webhook_webhooks',
  {
    ...owned,
    name: varchar({ length: 255 }).notNull(),
    detail: varchar({ length: 1000 }).notNull(),
    uri: varchar({ length: 2048 }).notNull(),
    method: varchar({ length: 8 }).$type<Webhook['method']>().notNull(),
    event_types: json().$type<string[]>().notNull(),
    status: varchar({ length: 16 }).$type<Webhook['status']>().notNull(),
    disabled_reason: varchar({ length: 16 }).$type<NonNullable<Webhook['disabled_reason']>>(),
    ordered: boolean().notNull(),
    timeout: int().notNull(),
    retry_schedule: json().$type<number[]>().notNull(),
    secret: secretText().notNull(),
    /** The secret before the last rotation, until `tm_secret_overlap_end`. */
    secret_before: secretText(),
    tm_secret_overlap_end: utc(),
    tm_last_success: utc(),
    tm_last_failure: utc(),
    /** Since when nothing has got through; null after a success. */
    tm_failing: utc(),
  },
  t => ownedIndexes('webhook_webhooks', t),
)
export type WebhookRow = typeof webhookTable.$inferSelect
/** Not cached: the times of its last attempts change with every delivery. */
export const webhooks = repo(webhookTable, { resource: 'webhook', ttl_s: 0, rotated: ['secret'] })

export const deliveryTable = mysqlTable(
  'webhook_deliveries',
  {
    ...owned,
    target_type: varchar({ length: 16 }).$type<WebhookDelivery['target_type']>().notNull(),
    webhook_id: varchar({ length: 36 }),
    activeflow_id: varchar({ length: 36 }),
    uri: varchar({ length: 2048 }).notNull(),
    method: varchar({ length: 8 }).$type<WebhookDelivery['method']>().notNull(),
    event_id: varchar({ length: 36 }).notNull(),
    event_type: varchar({ length: 64 }).notNull(),
    resource_type: varchar({ length: 64 }).notNull(),
    resource_id: varchar({ length: 64 }).notNull(),
    status: varchar({ length: 16 }).$type<WebhookDelivery['status']>().notNull(),
    attempt_count: int().notNull().default(0),
    replay_of_id: varchar({ length: 36 }),
    request_body: mediumtext().notNull(),
    content_type: varchar({ length: 255 }).notNull().default('application/json'),
    timeout: int().notNull(),
    retry_schedule: json().$type<number[]>().notNull(),
    /** Deliveries of one lane go one after another; null for those that need not wait. */
    lane: varchar({ length: 140 }),
    tm_next_attempt: utc(),
    tm_finish: utc(),
  },
  t => [
    ...ownedIndexes('webhook_deliveries', t),
    index('webhook_deliveries_lane').on(t.lane, t.status, t.tm_create),
    index('webhook_deliveries_webhook').on(t.webhook_id, t.status),
    index('webhook_deliveries_resource').on(t.customer_id, t.resource_id),
  ],
)
export type DeliveryRow = typeof deliveryTable.$inferSelect
export const deliveries = repo(deliveryTable, { resource: 'webhook_delivery', ttl_s: 0, audit: false })

/** One row per endpoint and resource with deliveries under way: locked by who adds one and by who finishes one, so that none is left waiting. */
export const laneTable = mysqlTable('webhook_lanes', { lane: varchar({ length: 140 }).primaryKey(), tm_update: utc().notNull() })

export const attemptTable = mysqlTable(
  'webhook_attempts',
  {
    delivery_id: varchar({ length: 36 }).notNull(),
    attempt: int().notNull(),
    tm_start: utc().notNull(),
    duration_ms: int().notNull(),
    status_code: int(),
    error: varchar({ length: 255 }),
    remote_ip: varchar({ length: 45 }),
    request_headers: json().$type<WebhookAttempt['request_headers']>().notNull(),
    response_headers: json().$type<WebhookAttempt['response_headers']>().notNull(),
    response_body: mediumtext().notNull(),
  },
  t => [primaryKey({ name: 'webhook_attempts_pk', columns: [t.delivery_id, t.attempt] })],
)
export type AttemptRow = typeof attemptTable.$inferSelect
