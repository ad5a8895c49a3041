import type { AuditAction, Audit as Shown } from '@voipbin/generated/schemas'
import { type Audit, audits, type Context, isUuid } from '@voipbin/kernel'
import { and, eq } from 'drizzle-orm'

/** What an action is called where its row says nothing more exact. */
const names: Record<AuditAction, string> = {
  create: 'resource_created',
  update: 'resource_updated',
  rotate: 'secret_rotated',
  delete: 'resource_deleted',
  login: 'login_succeeded',
  refresh: 'session_refreshed',
  logout: 'logout',
  refuse: 'refused',
  act_for: 'act_for',
}

/** An audit row in the form of the contract. */
export function shownAudit(row: Audit): Shown {
  const { event: event_type, ...facts } = row.new ?? {}
  const byAgent = row.actor_type === 'agent' || row.actor_type === 'super_admin'
  return {
    id: row.id,
    customer_id: row.customer_id,
    timestamp: `${row.tm_create.slice(0, 23)}Z`,
    event_type: typeof event_type === 'string' ? event_type : names[row.action],
    actor_type: row.actor_type,
    actor_id: row.actor_id,
    agent_id: byAgent && isUuid(row.actor_id) ? row.actor_id : null,
    resource_type: row.resource_type,
    resource_id: row.resource_id,
    action: row.action,
    source_ip: (row.address ?? '').slice(0, 45),
    user_agent: row.user_agent ?? '',
    request_id: row.request_id,
    details: detailsOf(row, facts),
    tm_create: row.tm_create,
  }
}

function detailsOf({ action, old, new: now }: Audit, facts: Record<string, unknown>): Record<string, unknown> {
  if (action === 'create' || action === 'update' || action === 'rotate' || action === 'delete')
    return { ...(old && { old }), ...(now && { new: now }) }
  return facts
}

/** The customer's own entry; undefined when there is none. */
export async function findAudit(ctx: Pick<Context, 'db' | 'customer_id'>, id: string): Promise<Audit | undefined> {
  const mine = and(eq(audits.id, id), eq(audits.customer_id, ctx.customer_id))
  const [row] = ctx.customer_id === '' ? [] : await ctx.db.select().from(audits).where(mine).limit(1)
  return row
}

/** Who an entry belongs to. */
export const auditOwners = {
  ownerOf: async ({ db }: Pick<Context, 'db'>, id: string): Promise<string | null> => {
    const [row] = await db.select({ customer_id: audits.customer_id }).from(audits).where(eq(audits.id, id)).limit(1)
    return row?.customer_id ?? null
  },
}
