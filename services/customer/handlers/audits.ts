import type { CustomerHandlers } from '@voipbin/generated/rpc/customer'
import { listAudits } from '@voipbin/kernel'
import { findAudit, shownAudit } from '../audits.ts'

export const auditHandlers = {
  listAudits: async (ctx, { action, resource_type, resource_id, actor_id, ...page }) => {
    const { result, next_page_token } = await listAudits(ctx, { ...page, where: { action, resource_type, resource_id, actor_id } })
    return { result: result.map(shownAudit), next_page_token }
  },
  getAudit: async (ctx, { id }) => {
    const row = await findAudit(ctx, id)
    if (!row) throw ctx.error('AUDIT_NOT_FOUND')
    return shownAudit(row)
  },
} satisfies Partial<CustomerHandlers>
