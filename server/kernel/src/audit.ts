import { and, getTableColumns } from 'drizzle-orm'
import { index, json, mysqlTable, varchar } from 'drizzle-orm/mysql-core'
import { stamp, utc } from './columns.ts'
import type { Caller, Context, Db } from './context.ts'
import { uuid7 } from './id.ts'
import { type Columns, conditions, type Page, type PageInput, selectPage, type Where } from './page.ts'
import { redact } from './redact.ts'

/** Everything an audit row can tell of. `AuditAction` of the contract is the same list; the customer service's handlers do not compile when it is not. */
export const auditActions = ['create', 'update', 'delete', 'login', 'logout', 'refresh', 'rotate', 'refuse', 'act_for'] as const
export type AuditAction = (typeof auditActions)[number]

/** Who did what to which resource. Append-only: nothing in the platform updates or deletes a row before its retention ends. */
export const audits = mysqlTable(
  'kernel_audits',
  {
    id: varchar({ length: 36 }).primaryKey(),
    customer_id: varchar({ length: 36 }).notNull(),
    actor_type: varchar({ length: 16 }).$type<Caller['actor']['type']>().notNull(),
    actor_id: varchar({ length: 64 }).notNull(),
    action: varchar({ length: 16 }).$type<AuditAction>().notNull(),
    resource_type: varchar({ length: 64 }).notNull(),
    resource_id: varchar({ length: 64 }).notNull(),
    /** What it was, and what it became. An update holds the changed fields only. Secrets are replaced. */
    old: json().$type<Record<string, unknown> | null>(),
    new: json().$type<Record<string, unknown> | null>(),
    address: varchar({ length: 64 }),
    user_agent: varchar({ length: 512 }),
    request_id: varchar({ length: 64 }).notNull(),
    tm_create: utc().notNull(),
  },
  t => [
    index('kernel_audits_list').on(t.customer_id, t.tm_create, t.id),
    index('kernel_audits_resource').on(t.resource_type, t.resource_id, t.tm_create),
    index('kernel_audits_age').on(t.tm_create),
  ],
)
export type Audit = typeof audits.$inferSelect

export interface AuditEntry {
  action: AuditAction
  resource_type: string
  resource_id: string
  old?: object | null
  new?: object | null
  /** Default: the caller's. Give it where the caller has none (a login that failed). */
  customer_id?: string
  /** Field names to replace besides those that `isSecretName` knows. */
  secret?: ReadonlySet<string>
}

/** A context, a transaction, or the same few fields from a gateway. */
export type AuditSource = { readonly db: Db; now?(): Date } & Pick<
  Caller,
  'customer_id' | 'actor' | 'request_id' | 'address' | 'user_agent'
>

const cut = (text: string | undefined, length: number) => text?.slice(0, length) ?? null

/** Writes one audit row; inside `ctx.tx` it commits with the change it tells of. */
export async function recordAudit(on: AuditSource, entry: AuditEntry): Promise<void> {
  await on.db.insert(audits).values({
    id: uuid7(),
    customer_id: entry.customer_id ?? on.customer_id,
    actor_type: on.actor.type,
    actor_id: on.actor.id,
    action: entry.action,
    resource_type: entry.resource_type,
    resource_id: entry.resource_id,
    old: snapshot(entry.old, entry.secret),
    new: snapshot(entry.new, entry.secret),
    address: cut(on.address, 64),
    user_agent: cut(on.user_agent, 512),
    request_id: on.request_id,
    tm_create: stamp(on.now?.()),
  })
}

const snapshot = (row: object | null | undefined, secret?: ReadonlySet<string>) =>
  row ? (redact(row, secret) as Record<string, unknown>) : null

type AuditFilter = Pick<Audit, 'action' | 'actor_id' | 'actor_type' | 'resource_type' | 'resource_id'>

/** The customer's audit rows, newest first. An empty customer sees nothing. */
export async function listAudits(
  ctx: Pick<Context, 'db' | 'customer_id'>,
  { where, ...page }: PageInput & { where?: Where<AuditFilter> } = {},
): Promise<Page<Audit>> {
  if (ctx.customer_id === '') return { result: [], next_page_token: '' }
  const columns: Columns = getTableColumns(audits)
  const scope = and(conditions(columns, { customer_id: ctx.customer_id }), conditions(columns, where))
  return selectPage<Audit>(ctx.db, audits, columns, { ...page, where: scope })
}
