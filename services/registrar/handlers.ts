import type { RegistrarHandlers } from '@voipbin/generated/rpc/registrar'
import { isDuplicate } from '@voipbin/kernel'
import { and, eq } from 'drizzle-orm'
import { config } from './config.ts'
import { forgetContacts, isRegistered, withContacts, withOwnContacts } from './locations.ts'
import { domainOf, ha1Of, shownExtension } from './rules.ts'
import { type ExtensionRow, extensions, extensionTable } from './schema.ts'

export const handlers: RegistrarHandlers = {
  listExtensions: async (ctx, { page_size, page_token, extension, registered }) => {
    const where = and(
      extension === undefined ? undefined : eq(extensionTable.extension, extension),
      registered === undefined ? undefined : isRegistered(ctx, registered),
    )
    const { result, next_page_token } = await extensions.list(ctx, { page_size, page_token, ...(where && { where }) })
    return { result: await withContacts(ctx, result), next_page_token }
  },
  createExtension: async (ctx, { extension, password, name = '', detail = '' }) => {
    const domain = domainOf(ctx.customer_id, config.of(ctx).SIP_DOMAIN)
    try {
      return await ctx.tx(async tx => {
        const row = await extensions.insert(tx, { extension, domain, ha1: ha1Of({ extension, domain }, password), name, detail })
        const shown = shownExtension(row, [])
        await tx.emit('extension.created', shown)
        return shown
      })
    } catch (error) {
      if (isDuplicate(error, 'registrar_extensions_name')) throw ctx.error('EXTENSION_TAKEN')
      throw error
    }
  },
  getExtension: async (ctx, { id }) => withOwnContacts(ctx, await extensions.require(ctx, id)),
  updateExtension: (ctx, { id, password, ...patch }) =>
    ctx.tx(async tx => {
      const row = await extensions.require({ db: tx.db, customer_id: tx.customer_id }, id)
      const changed = await extensions.update(tx, row, { ...patch, ...(password !== undefined && { ha1: ha1Of(row, password) }) })
      if (changed.ha1 !== row.ha1) await forgetContacts({ config: ctx.config, db: tx.db }, [row])
      const shown = await withOwnContacts({ config: ctx.config, now: () => tx.now(), db: tx.db }, changed)
      await tx.emit('extension.updated', shown)
      return shown
    }),
  deleteExtension: (ctx, { id }) =>
    ctx.tx(async tx => {
      const row = await extensions.remove(tx, id)
      await forgetContacts({ config: ctx.config, db: tx.db }, [row])
      const shown = shownExtension(row, [])
      await tx.emit('extension.deleted', shown)
      return shown
    }),
  findExtension: async (ctx, { extension, domain }) => {
    const found = await extensions.system.find(ctx, { extension, domain: domain.toLowerCase() }, { limit: 1 })
    return withOwnContacts(ctx, the(found) ?? missing(ctx))
  },
  listExtensionContacts: async (ctx, { extension }) => {
    if (ctx.customer_id === '') throw ctx.error('EXTENSION_NOT_FOUND')
    const found = await extensions.system.find(ctx, { extension, customer_id: ctx.customer_id }, { limit: 1 })
    return withOwnContacts(ctx, the(found) ?? missing(ctx))
  },
}

const the = ([row]: readonly ExtensionRow[]): ExtensionRow | undefined => row
function missing(ctx: { error(reason: 'EXTENSION_NOT_FOUND'): Error }): never {
  throw ctx.error('EXTENSION_NOT_FOUND')
}
