import type { Provider, Route } from '@voipbin/generated/schemas'
import { owned, ownedIndexes, repo } from '@voipbin/kernel'
import { index, int, json, mysqlTable, primaryKey, smallint, tinyint, unique, varchar } from 'drizzle-orm/mysql-core'

export const providerTable = mysqlTable(
  'route_providers',
  {
    ...owned,
    type: varchar({ length: 8 }).$type<Provider['type']>().notNull(),
    name: varchar({ length: 255 }).notNull(),
    detail: varchar({ length: 1000 }).notNull(),
    status: varchar({ length: 16 }).$type<Provider['status']>().notNull(),
    hostname: varchar({ length: 255 }).notNull(),
    port: int().notNull(),
    transport: varchar({ length: 8 }).$type<Provider['transport']>().notNull(),
    tech_prefix: varchar({ length: 32 }).notNull(),
    tech_postfix: varchar({ length: 32 }).notNull(),
    tech_headers: json().$type<Provider['tech_headers']>().notNull(),
    codecs: json().$type<Provider['codecs']>().notNull(),
    allowed_ips: json().$type<string[]>().notNull(),
  },
  t => ownedIndexes('route_providers', t),
)
export type ProviderRow = typeof providerTable.$inferSelect
/** Carriers are the operator's; every call may use them. */
export const providers = repo(providerTable, { resource: 'provider', ttl_s: 3_600, public: true })

/** From where enabled carriers may call in. The edge reads this table (view `kam_address`). `port` 0 is any. */
export const addressTable = mysqlTable(
  'route_provider_addresses',
  {
    provider_id: varchar({ length: 36 }).notNull(),
    ip_addr: varchar({ length: 45 }).notNull(),
    mask: tinyint({ unsigned: true }).notNull(),
    port: smallint({ unsigned: true }).notNull().default(0),
  },
  t => [primaryKey({ name: 'route_provider_addresses_pk', columns: [t.provider_id, t.ip_addr, t.mask] })],
)

export const routeTable = mysqlTable(
  'route_routes',
  {
    ...owned,
    scope: varchar({ length: 16 }).$type<Route['scope']>().notNull(),
    name: varchar({ length: 255 }).notNull(),
    detail: varchar({ length: 1000 }).notNull(),
    provider_id: varchar({ length: 36 }).notNull(),
    priority: int().notNull(),
    target: varchar({ length: 16 }).notNull(),
  },
  t => [
    ...ownedIndexes('route_routes', t),
    unique('route_routes_same').on(t.customer_id, t.scope, t.target, t.provider_id, t.tm_delete),
    index('route_routes_provider').on(t.provider_id),
    index('route_routes_target').on(t.target),
  ],
)
export type RouteRow = typeof routeTable.$inferSelect
export const routes = repo(routeTable, { resource: 'route', ttl_s: 3_600 })
