import type { RouteContext, RouteHandlers } from '@voipbin/generated/rpc/route'
import { isDuplicate, type Tx } from '@voipbin/kernel'
import { and, eq, inArray, or } from 'drizzle-orm'
import { dialRoutes, network, refusedHeader, targetsOf } from './rules.ts'
import { addressTable, type ProviderRow, providers, type RouteRow, routes, routeTable } from './schema.ts'

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
      const [used] = await routes.system.find(tx, { provider_id: id }, { limit: 1 })
      if (used) throw ctx.error('PROVIDER_IN_USE')
      const row = await providers.system.remove(tx, id)
      await tx.db.delete(addressTable).where(eq(addressTable.provider_id, id))
      await tx.emit('provider.deleted', row)
      return row
    }),
  listRoutes: (ctx, { page_size, page_token, ...where }) => routes.system.list(ctx, { page_size, page_token, where }),
  createRoute: async (ctx, { customer_id, ...input }) => {
    const scope = customer_id ? 'customer' : 'default'
    const values = { ...input, customer_id: customer_id ?? ctx.customer_id, scope } as const
    await providers.require(ctx, input.provider_id)
    return claiming(ctx, tx => routes.system.insert(tx, { ...values, claim: claimOf(values) }), 'route.created')
  },
  getRoute: async (ctx, { id }) => (await routes.system.get(ctx, id)) ?? missing(ctx),
  updateRoute: async (ctx, { id, ...patch }) => {
    if (patch.provider_id) await providers.require(ctx, patch.provider_id)
    const work = async (tx: Tx) => {
      const [row] = await routes.system.find(tx, { id }, { limit: 1, forUpdate: true })
      if (!row) return missing(ctx)
      return routes.system.update(tx, row, { ...patch, claim: claimOf({ ...row, ...patch }) })
    }
    return claiming(ctx, work, 'route.updated')
  },
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
  const ids = [...new Set(fitting.map(route => route.provider_id))]
  const rows = await Promise.all(ids.map(id => providers.system.get(ctx, id)))
  return new Map(rows.filter(row => row?.status === 'enabled').map(row => [(row as ProviderRow).id, row as ProviderRow]))
}

const missing = (ctx: { error: RouteContext['error'] }): never => {
  throw ctx.error('ROUTE_NOT_FOUND')
}

function requireHeaders(ctx: { error: RouteContext['error'] }, headers: Readonly<Record<string, string>> = {}): void {
  const name = refusedHeader(headers)
  if (name === undefined) return
  const details = [{ field: `/tech_headers/${name}`, rule: 'header', expected: 'a header that neither SIP nor the platform writes itself' }]
  throw ctx.error('PROVIDER_HEADER_REFUSED', { details })
}

/** What the edge lets in follows the carrier, in the same transaction. */
async function writeAddresses(tx: Tx, row: ProviderRow): Promise<void> {
  await tx.db.delete(addressTable).where(eq(addressTable.provider_id, row.id))
  if (row.status !== 'enabled' || row.allowed_ips.length === 0) return
  const nets = new Map(row.allowed_ips.map(network).map(net => [`${net.ip_addr}/${net.mask}`, net]))
  await tx.db.insert(addressTable).values([...nets.values()].map(net => ({ provider_id: row.id, ...net })))
}

const claimOf = (route: { customer_id: string; target: string; provider_id: string }): string =>
  `${route.customer_id} ${route.target} ${route.provider_id}`

async function claiming(
  ctx: RouteContext,
  work: (tx: Tx) => Promise<RouteRow>,
  event: 'route.created' | 'route.updated',
): Promise<RouteRow> {
  try {
    return await ctx.tx(async tx => {
      const row = await work(tx)
      await tx.emit(event, row)
      return row
    })
  } catch (error) {
    if (isDuplicate(error)) throw ctx.error('ROUTE_EXISTS')
    throw error
  }
}

export async function removeRoute(tx: Tx, target: RouteRow | string): Promise<RouteRow> {
  const row = await routes.system.remove(tx, target)
  await tx.db.update(routeTable).set({ claim: row.id }).where(eq(routeTable.id, row.id))
  await tx.emit('route.deleted', row)
  return row
}
