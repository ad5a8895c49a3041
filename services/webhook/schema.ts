import type { Webhook, WebhookAddress, WebhookAttempt, WebhookDelivery, WebhookReplay } from '@voipbin/generated/schemas'
import { owned, ownedIndexes, repo, secretText, utc } from '@voipbin/kernel'
import { boolean, index, int, json, mediumtext, mysqlTable, unique, varchar } from 'drizzle-orm/mysql-core'

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
    disabled_detail: varchar({ length: 1000 }),
    ordered: boolean().notNull(),
    timeout: int().notNull(),
    retry_schedule: json().$type<number[]>().notNull(),
    secret: secretText().notNull(),
    /** JSON of `OldSecret[]`: secrets that newer ones have replaced, until their overlap ends. */
    old_secrets: secretText(),
    tm_secret_overlap_end: utc(),
    tm_last_success: utc(),
    tm_last_failure: utc(),
    /** Since when nothing has got through; null after a success. */
    tm_failing: utc(),
    failure_count: int().notNull().default(0),
    /** When the owner was told that it fails; null after a success. */
    tm_notice: utc(),
  },
  t => ownedIndexes('webhook_webhooks', t),
)
export type WebhookRow = typeof webhookTable.$inferSelect
/** Not cached: every batch of deliveries reads the endpoints of its customers anew, and notes on them go past the repo. */
export const webhooks = repo(webhookTable, { resource: 'webhook', ttl_s: 0, rotated: ['secret'] })

/** Addresses that are no endpoints, while they fail: the customer-level webhook, and the servers that runs name. */
export const addressTable = mysqlTable(
  'webhook_addresses',
  {
    id: varchar({ length: 36 }).primaryKey(),
    customer_id: varchar({ length: 36 }).notNull(),
    target_type: varchar({ length: 16 }).$type<WebhookAddress['target_type']>().notNull(),
    /** That of its deliveries: customer and host. */
    queue: varchar({ length: 80 }).notNull(),
    uri: varchar({ length: 2048 }).notNull(),
    status: varchar({ length: 16 }).$type<WebhookAddress['status']>().notNull(),
    disabled_reason: varchar({ length: 16 }).$type<NonNullable<WebhookAddress['disabled_reason']>>(),
    disabled_detail: varchar({ length: 1000 }),
    tm_last_failure: utc().notNull(),
    tm_failing: utc().notNull(),
    failure_count: int().notNull(),
    /** When the owner was told that it fails. */
    tm_notice: utc(),
    /** While it is disabled: when the next event is sent to see whether it answers; null for never. */
    tm_probe: utc(),
    tm_create: utc().notNull(),
    tm_update: utc().notNull(),
  },
  t => [unique('webhook_addresses_place').on(t.queue, t.target_type), index('webhook_addresses_customer').on(t.customer_id, t.status)],
)
export type AddressRow = typeof addressTable.$inferSelect

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
    attempt_count: int().notNull(),
    replay_of_id: varchar({ length: 36 }),
    webhook_replay_id: varchar({ length: 36 }),
    request_body: mediumtext().notNull(),
    content_type: varchar({ length: 255 }).notNull(),
    /** Of the request that caused the event: header `X-Request-ID` of every attempt. */
    request_id: varchar({ length: 64 }).notNull(),
    timeout: int().notNull(),
    retry_schedule: json().$type<number[]>().notNull(),
    /** Whose turn it is among the deliveries to one endpoint; null when it is over. */
    queue: varchar({ length: 80 }),
    /** Deliveries of one lane go one after another; null for those that need not wait, and when it is over. */
    lane: varchar({ length: 140 }),
    /** When it is to be sent, or to be looked at again because who was sending it has died. Null: an earlier one of its lane is not over. */
    tm_due: utc(),
    tm_next_attempt: utc(),
    tm_finish: utc(),
  },
  t => [
    ...ownedIndexes('webhook_deliveries', t),
    index('webhook_deliveries_queue').on(t.queue, t.tm_due),
    index('webhook_deliveries_lane').on(t.lane, t.tm_create, t.id),
    index('webhook_deliveries_webhook').on(t.webhook_id, t.tm_create, t.id),
    index('webhook_deliveries_resource').on(t.customer_id, t.resource_id),
    index('webhook_deliveries_replay').on(t.webhook_replay_id, t.status),
  ],
)
export type DeliveryRow = typeof deliveryTable.$inferSelect
export const deliveries = repo(deliveryTable, { resource: 'webhook_delivery', ttl_s: 0, audit: false })

export const attemptTable = mysqlTable(
  'webhook_attempts',
  {
    id: varchar({ length: 36 }).primaryKey(),
    customer_id: varchar({ length: 36 }).notNull(),
    webhook_delivery_id: varchar({ length: 36 }).notNull(),
    webhook_id: varchar({ length: 36 }),
    event_type: varchar({ length: 64 }).notNull(),
    attempt: int().notNull(),
    outcome: varchar({ length: 16 }).$type<WebhookAttempt['outcome']>().notNull(),
    method: varchar({ length: 8 }).$type<WebhookAttempt['method']>().notNull(),
    uri: varchar({ length: 2048 }).notNull(),
    tm_start: utc().notNull(),
    duration_ms: int().notNull(),
    status_code: int(),
    error: varchar({ length: 255 }),
    remote_ip: varchar({ length: 45 }),
    request_headers: json().$type<WebhookAttempt['request_headers']>().notNull(),
    response_headers: json().$type<WebhookAttempt['response_headers']>().notNull(),
    response_body: mediumtext().notNull(),
    tm_create: utc().notNull(),
  },
  t => [
    unique('webhook_attempts_delivery').on(t.webhook_delivery_id, t.attempt),
    index('webhook_attempts_list').on(t.customer_id, t.tm_create, t.id),
    index('webhook_attempts_webhook').on(t.webhook_id, t.tm_create, t.id),
  ],
)
export type AttemptRow = typeof attemptTable.$inferSelect

export const replayTable = mysqlTable(
  'webhook_replays',
  {
    ...owned,
    webhook_id: varchar({ length: 36 }),
    tm_from: utc().notNull(),
    tm_to: utc().notNull(),
    delivery_statuses: json().$type<WebhookReplay['delivery_statuses']>().notNull(),
    event_types: json().$type<string[]>().notNull(),
    status: varchar({ length: 16 }).$type<WebhookReplay['status']>().notNull(),
    tm_position: utc(),
    /** With `tm_position` the last delivery that was queued again. */
    position_id: varchar({ length: 36 }),
    queued_count: int().notNull().default(0),
    tm_finish: utc(),
  },
  t => [...ownedIndexes('webhook_replays', t), index('webhook_replays_webhook').on(t.customer_id, t.webhook_id, t.status)],
)
export type ReplayRow = typeof replayTable.$inferSelect
export const replays = repo(replayTable, { resource: 'webhook_replay', ttl_s: 0 })
