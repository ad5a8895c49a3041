import type { CustomerContext, CustomerHandlers } from '@voipbin/generated/rpc/customer'
import { decryptText, encryptText, invalidate, operatorCustomerId, tokenHash } from '@voipbin/kernel'
import { and, eq, isNull, lt, or } from 'drizzle-orm'
import { isPast, later, newAccesskeyToken, prefixOf, shownAccesskey } from '../rules.ts'
import { type AccesskeyRow, accesskeys, accesskeyTable, customers } from '../schema.ts'

/** How exact `tm_last_used` is, in milliseconds: a busy key costs one write in that time. */
const used_ms = 60_000

const expiry = (now: Date, expire: number): string | null => (expire === 0 ? null : later(now, expire))

/** Who made a key. A super admin acting for a customer is no agent of that customer. */
const makerOf = (ctx: CustomerContext): string | null =>
  ctx.actor.type === 'super_admin' && ctx.customer_id !== operatorCustomerId ? null : ctx.agent_id

export const accesskeyHandlers = {
  listAccesskeys: async (ctx, { page_size, page_token, agent_id }) => {
    const page = await accesskeys.list(ctx, { page_size, page_token, where: { agent_id } })
    return { ...page, result: page.result.map(shownAccesskey) }
  },
  createAccesskey: async (ctx, { name = '', detail = '', scopes = ['customer_admin'], expire = 0 }) => {
    const { accesskey, sealed } = await ctx.tx(async tx => {
      const token = newAccesskeyToken()
      const row = await accesskeys.insert(tx, {
        agent_id: makerOf(ctx),
        name,
        detail,
        scopes,
        token_prefix: prefixOf(token),
        token_hash: tokenHash(token),
        tm_expire: expiry(tx.now(), expire),
      })
      const accesskey = shownAccesskey(row)
      await tx.emit('accesskey.created', accesskey)
      return { accesskey, sealed: encryptText(token) }
    })
    return { ...accesskey, token: decryptText(sealed) }
  },
  getAccesskey: async (ctx, { id }) => shownAccesskey(await accesskeys.require(ctx, id)),
  updateAccesskey: (ctx, { id, expire, ...patch }) =>
    ctx.tx(async tx => {
      const tm_expire = expire === undefined ? undefined : expiry(tx.now(), expire)
      const accesskey = shownAccesskey(await accesskeys.update(tx, id, { ...patch, ...(tm_expire !== undefined && { tm_expire }) }))
      await tx.emit('accesskey.updated', accesskey)
      return accesskey
    }),
  deleteAccesskey: (ctx, { id }) =>
    ctx.tx(async tx => {
      const accesskey = shownAccesskey(await accesskeys.remove(tx, id))
      await tx.emit('accesskey.deleted', accesskey)
      return accesskey
    }),
  rotateAccesskey: async (ctx, { id, overlap = 86_400 }) => {
    const { accesskey, sealed } = await ctx.tx(async tx => {
      const row = await accesskeys.require({ db: tx.db, customer_id: tx.customer_id }, id)
      if (isPast(row.tm_expire, tx.now())) throw ctx.error('ACCESSKEY_EXPIRED')
      const token = newAccesskeyToken()
      const changed = await accesskeys.update(tx, row, {
        token_prefix: prefixOf(token),
        token_hash: tokenHash(token),
        old_token_hash: overlap > 0 ? row.token_hash : null,
        tm_overlap_end: overlap > 0 ? later(tx.now(), overlap) : null,
      })
      const accesskey = shownAccesskey(changed)
      await tx.emit('accesskey.updated', accesskey)
      return { accesskey, sealed: encryptText(token) }
    })
    return { ...accesskey, token: decryptText(sealed) }
  },
  findAccesskey: async (ctx, { token_hash }) => {
    const now = ctx.now()
    const row = (await findBy(ctx, { token_hash })) ?? (await findBy(ctx, { old_token_hash: token_hash }))
    const isOld = row?.token_hash !== token_hash
    if (!row || isPast(row.tm_expire, now) || (isOld && isPast(row.tm_overlap_end, now))) throw ctx.error('ACCESSKEY_NOT_FOUND')
    const customer = await customers.system.get(ctx, row.customer_id)
    if (!customer) throw ctx.error('ACCESSKEY_NOT_FOUND')
    await noteUse(ctx, row)
    const tm_expire = isOld ? earlier(row.tm_expire, row.tm_overlap_end) : row.tm_expire
    return { accesskey: { ...shownAccesskey(row), tm_expire }, customer_status: customer.status, rate_limits: customer.rate_limits }
  },
} satisfies Partial<CustomerHandlers>

async function findBy(ctx: Pick<CustomerContext, 'db'>, where: { token_hash: string } | { old_token_hash: string }) {
  const [row] = await accesskeys.system.find(ctx, where, { limit: 1 })
  return row
}

const earlier = (a: string | null, b: string | null): string | null => (a === null || (b !== null && b < a) ? b : a)

/** A note, no change of the key: it has no version, no audit row and no event. A key works even when it cannot be noted. */
async function noteUse(ctx: CustomerContext, row: AccesskeyRow): Promise<void> {
  const now = ctx.now()
  const before = new Date(now.getTime() - used_ms).toISOString()
  if (row.tm_last_used !== null && row.tm_last_used > before) return
  const { id, tm_last_used } = accesskeyTable
  try {
    await ctx.tx(async tx => {
      const due = and(eq(id, row.id), or(isNull(tm_last_used), lt(tm_last_used, before)))
      await tx.db.update(accesskeyTable).set({ tm_last_used: now.toISOString() }).where(due)
      tx.afterCommit(() => invalidate(`accesskey:${row.id}`))
    })
  } catch (error) {
    ctx.log.warn('use of an access key not noted', { accesskey_id: row.id, err: error })
  }
}
