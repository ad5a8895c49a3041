import type { CustomerHandlers } from '@voipbin/generated/rpc/customer'
import { audits, listAudits } from '@voipbin/kernel'
import { and, eq, type SQL } from 'drizzle-orm'
import { findAudit, rowsOf, shownAudit } from '../audits.ts'

export const auditHandlers = {
  listAudits: async (ctx, { action, resource_type, resource_id, actor_id, ...page }) => {
    const conditions: (SQL | undefined)[] = [
      action && rowsOf[action],
      resource_type === undefined ? undefined : eq(audits.resource_type, resource_type),
      resource_id === undefined ? undefined : eq(audits.resource_id, resource_id),
      actor_id === undefined ? undefined : eq(audits.actor_id, actor_id),
    ]
    const where = and(...conditions)
    const { result, next_page_token } = await listAudits(ctx, { ...page, ...(where && { where }) })
    return { result: result.map(shownAudit), next_page_token }
  },
  getAudit: async (ctx, { id }) => {
    const row = await findAudit(ctx, id)
    if (!row) throw ctx.error('AUDIT_NOT_FOUND')
    return shownAudit(row)
  },
} satisfies Partial<CustomerHandlers>
