import type { RouteContext, RouteEvents, RouteHandlers } from '@voipbin/generated/rpc/route'
import { type AppError, isDuplicate, type Tx } from '@voipbin/kernel'
import { and, eq, inArray, or } from 'drizzle-orm'
import { dialRoutes, network, refusedHeader, targetsOf } from './rules.ts'
import { addressTable, type ProviderRow, providers, type RouteRow, routes, routeTable } from './schema.ts'

type RouteTx = Tx<RouteEvents>

export const handlers: RouteHandlers = {
  listProviders: (ctx, { page_size, page_token, ...where }) => providers.list(ctx, { page_size, page_token, where }),
  createProvider: async (ctx, input) => {
    requireHeaders(ctx, input.tech_headers)
    return ctx.tx(async tx => {
      const row = await providers.insert(tx, { ...input, type: 'sip' })
      await writeAddresses(tx, row)
      await tx.emit('provider.created', row)
      return row
    })
  },
  getProvider: (ctx, { id }) => providers.require(ctx, id),
  updateProvider: async (ctx, { id, ...patch }) => {
    requireHeaders(ctx, patch.tech_headers)
    return ctx.tx(async tx => {
      const row = await providers.system.update(tx, id, patch)
      await writeAddresses(tx, row)
      await tx.emit('provider.updated', row)
      return row
    })
  },
  deleteProvider: (ctx, { id }) =>
    ctx.tx(async tx => {
      // Locked by its removal: no route to it can be made meanwhile.
      const row = await providers.system.remove(tx, id)
      const [used] = await routes.system.find(tx, { provider_id: id }, { limit: 1 })
      if (used) throw ctx.error('PROVIDER_IN_USE')
      await tx.db.delete(addressTable).where(eq(addressTable.provider_id, id))
      await tx.emit('provider.deleted', row)
      return row
    }),
  listRoutes: (ctx, { page_size, page_token, ...where }) => routes.system.list(ctx, { page_size, page_token, where }),
  createRoute: (ctx, { customer_id, ...input }) => {
    const values = { ...input, customer_id: customer_id ?? ctx.customer_id, scope: customer_id ? 'customer' : 'default' } as const
    return unlessExists(ctx, () =>
      ctx.tx(async tx => {
        await lockProvider(tx, ctx, input.provider_id)
        const row = await routes.system.insert(tx, values)
        await tx.emit('route.created', row)
        return row
      }),
    )
  },
  getRoute: async (ctx, { id }) => {
    const row = await routes.system.get(ctx, id)
    if (!row) throw ctx.error('ROUTE_NOT_FOUND')
    return row
  },
  updateRoute: (ctx, { id, ...patch }) =>
    unlessExists(ctx, () =>
      ctx.tx(async tx => {
        if (patch.provider_id) await lockProvider(tx, ctx, patch.provider_id)
        const row = await routes.system.update(tx, id, patch)
        await tx.emit('route.updated', row)
        return row
      }),
    ),
  deleteRoute: (ctx, { id }) => ctx.tx(tx => removeRoute(tx, id)),

  listDialRoutes: async (ctx, { target, customer_id }) => {
    const mine = or(eq(routeTable.scope, 'default'), customer_id ? eq(routeTable.customer_id, customer_id) : undefined)
    const fitting = await routes.system.find(ctx, and(inArray(routeTable.target, targetsOf(target)), mine) ?? {})
    const carriers = await enabled(ctx, fitting)
    const candidates = fitting.flatMap(route => {
      const provider = carriers.get(route.provider_id)
      return provider ? [{ route, provider }] : []
    })
    return { result: dialRoutes(target, candidates), next_page_token: '' }
  },
}

async function enabled(ctx: RouteContext, fitting: readonly RouteRow[]): Promise<Map<string, ProviderRow>> {
  const id = [...new Set(fitting.map(route => route.provider_id))]
  const rows = id.length > 0 ? await providers.system.find(ctx, { id, status: 'enabled' }) : []
  return new Map(rows.map(row => [row.id, row]))
}

/** The carrier stays until the transaction ends. */
async function lockProvider(tx: RouteTx, ctx: { error(reason: 'PROVIDER_NOT_FOUND'): AppError }, id: string): Promise<void> {
  const [row] = await providers.system.find(tx, { id }, { limit: 1, forUpdate: true })
  if (!row) throw ctx.error('PROVIDER_NOT_FOUND')
}

type RefuseHeader = {
  error(reason: 'PROVIDER_HEADER_REFUSED', data: { details: { field: string; rule: string; expected: string }[] }): AppError
}

function requireHeaders(ctx: RefuseHeader, headers: Readonly<Record<string, string>> = {}): void {
  const name = refusedHeader(headers)
  if (name === undefined) return
  const details = [{ field: `/tech_headers/${name}`, rule: 'header', expected: 'a header that neither SIP nor the platform writes itself' }]
  throw ctx.error('PROVIDER_HEADER_REFUSED', { details })
}

/** What the edge lets in follows the carrier, in the same transaction. */
async function writeAddresses(tx: RouteTx, row: ProviderRow): Promise<void> {
  await tx.db.delete(addressTable).where(eq(addressTable.provider_id, row.id))
  if (row.status !== 'enabled' || row.allowed_ips.length === 0) return
  const nets = new Map(row.allowed_ips.map(network).map(net => [`${net.ip_addr}/${net.mask}`, net]))
  await tx.db.insert(addressTable).values([...nets.values()].map(net => ({ provider_id: row.id, ...net })))
}

async function unlessExists(ctx: { error(reason: 'ROUTE_EXISTS'): AppError }, work: () => Promise<RouteRow>): Promise<RouteRow> {
  try {
    return await work()
  } catch (error) {
    if (isDuplicate(error)) throw ctx.error('ROUTE_EXISTS')
    throw error
  }
}

export async function removeRoute(tx: RouteTx, target: RouteRow | string): Promise<RouteRow> {
  const row = await routes.system.remove(tx, target)
  await tx.emit('route.deleted', row)
  return row
}
