import {
  type CallTable,
  type Context,
  type Event,
  type EventRow,
  type MethodRow,
  owned,
  type PageInput,
  type Service,
  selectPage,
  systemTables,
  uuid7,
  type Validator,
} from '@voipbin/kernel'
import { and, eq, getTableColumns } from 'drizzle-orm'
import { mysqlTable, varchar } from 'drizzle-orm/mysql-core'
import { z } from 'zod'

/** A small platform for the gateway's tests: widgets, agents with sessions, customers with access keys. Served by the kernel on real servers. */

export const widgets = mysqlTable('widget_widgets', {
  ...owned,
  name: varchar({ length: 255 }).notNull(),
  part_id: varchar({ length: 36 }),
  secret: varchar({ length: 64 }),
})
const inner = { widget: systemTables('widget'), agent: systemTables('agent'), customer: systemTables('customer') }
export const fixtureTables = [widgets, ...Object.values(inner).flatMap(tables => Object.values(tables))]

type Handler = (ctx: Context, input: never) => Promise<unknown>
interface Operation {
  method: MethodRow['method']
  route: string
  query?: string[]
  input: Validator
  handler: Handler
  timeout_ms?: number
}

const id = z.uuid()
const hash = z.object({ token_hash: z.string() })

export interface FixtureState {
  agents: Map<string, { id: string; customer_id: string; username: string; password: string; permissions: string[] }>
  sessions: Map<string, { agent_id: string; customer_id: string; jti: string; live: boolean }>
  accesskeys: Map<string, { id: string; customer_id: string; agent_id?: string; scopes: string[]; tm_expire: string | null }>
  customers: Map<string, { status: string; rate_limits: { api: number; call_create: number; login: number } }>
  /** How often each operation ran. */
  runs: Map<string, number>
  /** While set, `slowWidget` waits for it. */
  hold: Promise<void> | undefined
}

const row = (widget: typeof widgets.$inferSelect) => widget
const now = (): string => new Date().toISOString().replace('Z', '000Z')

function operations(state: FixtureState): Record<string, Record<string, Operation>> {
  const ran = (name: string): void => void state.runs.set(name, (state.runs.get(name) ?? 0) + 1)
  const find = async (ctx: Context, widget_id: string) => {
    const [found] = await ctx.db
      .select()
      .from(widgets)
      .where(and(eq(widgets.id, widget_id), eq(widgets.customer_id, ctx.customer_id)))
    if (!found) throw ctx.error('WIDGET_NOT_FOUND' as never)
    return row(found)
  }
  const create = async (ctx: Context, input: { name: string; part_id?: string }) => {
    ran('createWidget')
    if (input.name === 'refuse') throw ctx.error('WIDGET_LIMIT_REACHED' as never)
    if (state.hold) await state.hold
    return ctx.tx(async tx => {
      const widget = {
        id: tx.newId(),
        customer_id: ctx.customer_id,
        version: 1,
        name: input.name,
        part_id: input.part_id ?? null,
        secret: 'planted-secret',
        tm_create: now(),
        tm_update: now(),
        tm_delete: null,
      }
      const { tm_delete: _live, ...values } = widget
      await tx.db.insert(widgets).values(values)
      await tx.emit('widget.created', widget)
      return widget
    })
  }
  const session = (input: { token_hash: string }) => {
    const found = state.sessions.get(input.token_hash)
    return found?.live ? found : undefined
  }
  const end = async (ctx: Context, token_hash: string) => {
    const found = session({ token_hash })
    if (!found) throw ctx.error('SESSION_NOT_FOUND' as never)
    found.live = false
    await ctx.tx(async tx => {
      await tx.emit('session.ended', { id: uuid7(), customer_id: found.customer_id, token_hash, jti: found.jti })
      return null
    })
    return { ...found, permissions: [], tm_delete: now() }
  }
  const emit: Operation = {
    method: 'POST',
    route: '/v1/emit',
    input: z.object({ type: z.string(), data: z.looseObject({}) }),
    handler: async (ctx, input: { type: string; data: object }) =>
      ctx.tx(async tx => {
        await tx.emit(input.type, input.data)
        return null
      }),
  }
  return {
    widget: {
      emitWidget: emit,
      getWidget: {
        method: 'GET',
        route: '/v1/widgets/{id}',
        input: z.object({ id }),
        handler: async (ctx, input: { id: string }) => find(ctx, input.id),
      },
      listWidgets: {
        method: 'GET',
        route: '/v1/widgets',
        query: ['page_size', 'page_token', 'part_id'],
        input: z.object({ page_size: z.coerce.number().optional(), page_token: z.string().optional(), part_id: z.string().optional() }),
        handler: async (ctx, { part_id, ...page }: PageInput & { part_id?: string }) => {
          const part = part_id === undefined ? undefined : eq(widgets.part_id, part_id)
          const where = and(eq(widgets.customer_id, ctx.customer_id), part)
          return selectPage(ctx.db, widgets, getTableColumns(widgets), { ...page, where })
        },
      },
      createWidget: {
        method: 'POST',
        route: '/v1/widgets',
        input: z.object({ name: z.string(), part_id: z.string().optional() }),
        handler: create as Handler,
      },
      updateWidget: {
        method: 'PUT',
        route: '/v1/widgets/{id}',
        input: z.object({ id, name: z.string().optional(), part_id: z.string().optional() }),
        handler: async (ctx, input: { id: string; name?: string }) => {
          ran('updateWidget')
          if (input.name === 'undeclared') throw ctx.error('WIDGET_LIMIT_REACHED' as never)
          await ctx.tx(async tx => {
            await tx.db
              .update(widgets)
              .set({ name: input.name ?? '' })
              .where(eq(widgets.id, input.id))
            return null
          })
          return find(ctx, input.id)
        },
      },
      leakWidget: {
        method: 'GET',
        route: '/v1/widgets/{id}/leak',
        input: z.object({ id }),
        handler: async (ctx, input: { id: string }) => ({ id: input.id, customer_id: uuid7(), name: ctx.customer_id }),
      },
      breakWidget: {
        method: 'POST',
        route: '/v1/widgets/{id}/break',
        input: z.object({ id }),
        handler: async () => Promise.reject(new Error('planted secret of the database')),
      },
      whoami: {
        method: 'GET',
        route: '/v1/whoami',
        input: z.object({}),
        handler: async ctx => ({
          customer_id: ctx.customer_id,
          actor: ctx.actor,
          request_id: ctx.request_id,
          locale: ctx.locale,
          permissions: ctx.permissions,
        }),
      },
    },
    agent: {
      verifyAgentPassword: {
        method: 'POST',
        route: '/v1/agents/verify_password',
        input: z.object({ username: z.string(), password: z.string() }),
        handler: async (ctx, input: { username: string; password: string }) => {
          const agent = state.agents.get(input.username)
          if (!agent || agent.password !== input.password) throw ctx.error('LOGIN_FAILED' as never)
          return agent
        },
      },
      getAgent: {
        method: 'GET',
        route: '/v1/agents/{id}',
        input: z.object({ id }),
        handler: async (ctx, input: { id: string }) => {
          const agent = [...state.agents.values()].find(one => one.id === input.id && one.customer_id === ctx.customer_id)
          if (!agent) throw ctx.error('AGENT_NOT_FOUND' as never)
          return agent
        },
      },
      updateAgentPassword: {
        method: 'PUT',
        route: '/v1/agents/{id}/password',
        input: z.object({ id, name: z.string() }),
        handler: async (ctx, input: { id: string; name: string }) => {
          const agent = [...state.agents.values()].find(one => one.id === input.id && one.customer_id === ctx.customer_id)
          if (!agent) throw ctx.error('AGENT_NOT_FOUND' as never)
          agent.password = input.name
          return agent
        },
      },
      createSession: {
        method: 'POST',
        route: '/v1/sessions',
        input: z.looseObject({ agent_id: id, token_hash: z.string(), jti: z.string() }),
        handler: async (ctx, input: { agent_id: string; token_hash: string; jti: string }) => {
          state.sessions.set(input.token_hash, { agent_id: input.agent_id, customer_id: ctx.customer_id, jti: input.jti, live: true })
          return {}
        },
      },
      getSession: {
        method: 'POST',
        route: '/v1/sessions/find',
        input: hash,
        handler: async (ctx, input: { token_hash: string }) => {
          ran('getSession')
          const found = session(input)
          if (!found) throw ctx.error('SESSION_NOT_FOUND' as never)
          return found
        },
      },
      deleteSession: {
        method: 'POST',
        route: '/v1/sessions/delete',
        input: hash,
        handler: async (ctx, input: { token_hash: string }) => end(ctx, input.token_hash),
      },
      refreshSession: {
        method: 'POST',
        route: '/v1/sessions/refresh',
        input: z.looseObject({ token_hash: z.string(), new_token_hash: z.string(), new_jti: z.string() }),
        handler: async (ctx, input: { token_hash: string; new_token_hash: string; new_jti: string }) => {
          const old = await end(ctx, input.token_hash)
          state.sessions.set(input.new_token_hash, { agent_id: old.agent_id, customer_id: old.customer_id, jti: input.new_jti, live: true })
          return old
        },
      },
    },
    customer: {
      findAccesskey: {
        method: 'POST',
        route: '/v1/accesskeys/find',
        input: hash,
        handler: async (ctx, input: { token_hash: string }) => {
          ran('findAccesskey')
          const accesskey = state.accesskeys.get(input.token_hash)
          const customer = accesskey && state.customers.get(accesskey.customer_id)
          if (!accesskey || !customer) throw ctx.error('ACCESSKEY_NOT_FOUND' as never)
          return { accesskey: { agent_id: null, ...accesskey }, customer_status: customer.status, rate_limits: customer.rate_limits }
        },
      },
      getCustomerLimits: {
        method: 'GET',
        route: '/v1/customers/{id}/limits',
        input: z.object({ id }),
        handler: async (ctx, input: { id: string }) => {
          const customer = state.customers.get(input.id)
          if (!customer) throw ctx.error('CUSTOMER_NOT_FOUND' as never)
          return { customer_id: input.id, ...customer }
        },
      },
      emitEvent: emit,
    },
  }
}

const emits: Record<string, Record<string, EventRow>> = {
  widget: {
    'widget.created': {
      domain: 'widget',
      resource: 'widget',
      internal: false,
      state: { type: 'widget.state', fields: ['name', 'secret_note'] },
    },
  },
  agent: { 'session.ended': { domain: 'agent', resource: 'session', internal: true } },
  customer: {
    'accesskey.deleted': { domain: 'customer', resource: 'accesskey', internal: false },
    'customer.updated': { domain: 'customer', resource: 'customer', internal: false },
  },
}
const errors: readonly string[] = [
  'WIDGET_NOT_FOUND',
  'WIDGET_LIMIT_REACHED',
  'LOGIN_FAILED',
  'AGENT_NOT_FOUND',
  'SESSION_NOT_FOUND',
  'ACCESSKEY_NOT_FOUND',
  'CUSTOMER_NOT_FOUND',
]
export const fixtureErrors = {
  WIDGET_NOT_FOUND: { status: 'NOT_FOUND', message: 'There is no such widget.' },
  WIDGET_LIMIT_REACHED: { status: 'FAILED_PRECONDITION', message: 'Enough widgets.' },
  LOGIN_FAILED: { status: 'UNAUTHENTICATED', message: 'User name or password is wrong.' },
  AGENT_NOT_FOUND: { status: 'NOT_FOUND', message: 'There is no such agent.' },
  SESSION_NOT_FOUND: { status: 'NOT_FOUND', message: 'There is no such session.' },
  ACCESSKEY_NOT_FOUND: { status: 'NOT_FOUND', message: 'There is no such access key.' },
  CUSTOMER_NOT_FOUND: { status: 'NOT_FOUND', message: 'There is no such customer.' },
} as const

/** The services of the fixture over the given state, and the table the gateway calls them by. */
export function fixtureServices(state: FixtureState): { services: Service[]; calls: CallTable } {
  const all = operations(state)
  const calls: Record<string, CallTable[string]> = {}
  for (const [service, rows] of Object.entries(all))
    for (const [name, { method, route, query = [], timeout_ms = 30_000 }] of Object.entries(rows))
      calls[name] = { queue: `bin-manager.${service}.request`, method, route, query, timeout_ms }
  const owners: Record<string, Service['resources']> = {
    widget: {
      widget: {
        ownerOf: async (ctx, widget_id) => {
          state.runs.set('ownerOf', (state.runs.get('ownerOf') ?? 0) + 1)
          return (await ctx.db.select().from(widgets).where(eq(widgets.id, widget_id)))[0]?.customer_id ?? null
        },
      },
    },
    agent: {
      agent: { ownerOf: async (_ctx, agent_id) => [...state.agents.values()].find(agent => agent.id === agent_id)?.customer_id ?? null },
    },
    customer: { customer: { ownerOf: async (_ctx, customer_id) => (state.customers.has(customer_id) ? customer_id : null) } },
  }
  const services = Object.entries(all).map(([name, rows]): Service => {
    const methods = Object.fromEntries(
      Object.entries(rows).map(([op, { method, route, query = [], timeout_ms = 30_000, input }]) => [
        op,
        { method, route, query, timeout_ms, input, errors },
      ]),
    )
    return {
      contract: { name, methods, emits: emits[name] ?? {}, consumes: {}, calls } as unknown as Service['contract'],
      handlers: Object.fromEntries(Object.entries(rows).map(([op, { handler }]) => [op, handler as never])),
      consumers: {} as Record<string, (ctx: Context, event: Event) => Promise<void>>,
      timers: {},
      jobs: {},
      resources: owners[name] ?? {},
    }
  })
  return { services, calls }
}
