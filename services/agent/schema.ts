import type { Address, Agent } from '@voipbin/generated/schemas'
import { owned, ownedIndexes, repo, secretText, utc } from '@voipbin/kernel'
import { index, json, mysqlTable, unique, varchar } from 'drizzle-orm/mysql-core'

export const agentTable = mysqlTable(
  'agent_agents',
  {
    ...owned,
    username: varchar({ length: 255 }).notNull(),
    /** SHA-256 of the name in small letters: unique on the whole platform, whatever the database thinks is equal. */
    username_key: varchar({ length: 64 }).notNull(),
    /** argon2id. Encrypted besides, so that neither a cache nor a dump holds anything to guess at. */
    password_hash: secretText().notNull(),
    name: varchar({ length: 255 }).notNull(),
    detail: varchar({ length: 1000 }).notNull(),
    ring_method: varchar({ length: 16 }).$type<Agent['ring_method']>().notNull(),
    status: varchar({ length: 16 }).$type<Agent['status']>().notNull(),
    permissions: json().$type<string[]>().notNull(),
    addresses: json().$type<Address[]>().notNull(),
    tm_login: utc(),
  },
  t => [
    ...ownedIndexes('agent_agents', t),
    unique('agent_agents_username').on(t.username_key, t.tm_delete),
    index('agent_agents_status').on(t.customer_id, t.tm_delete, t.status, t.tm_create, t.id),
  ],
)
export type AgentRow = typeof agentTable.$inferSelect
export const agents = repo(agentTable, { resource: 'agent', ttl_s: 300 })

/** One login. `tm_delete` is its end; the row goes an hour later, the audit record of the login stays. */
export const sessionTable = mysqlTable(
  'agent_sessions',
  {
    ...owned,
    agent_id: varchar({ length: 36 }).notNull(),
    token_hash: varchar({ length: 64 }).notNull(),
    jti: varchar({ length: 64 }).notNull(),
    permissions: json().$type<string[]>().notNull(),
    source_ip: varchar({ length: 45 }).notNull(),
    user_agent: varchar({ length: 512 }).notNull(),
    tm_activity: utc().notNull(),
    tm_expire: utc().notNull(),
  },
  t => [
    ...ownedIndexes('agent_sessions', t),
    unique('agent_sessions_hash').on(t.token_hash),
    index('agent_sessions_agent').on(t.agent_id, t.tm_delete),
    index('agent_sessions_end').on(t.tm_delete),
  ],
)
export type SessionRow = typeof sessionTable.$inferSelect
/** Read by their token, hence not cached here; gateways keep `session:<token hash>` themselves. Logins have audit rows of their own kind. */
export const sessions = repo(sessionTable, { resource: 'session', ttl_s: 0, audit: false })
