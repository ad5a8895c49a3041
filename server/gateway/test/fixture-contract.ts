import { z } from 'zod'
import { toRoute } from '../src/catalogue.ts'
import type { Contract } from '../src/gateway.ts'

type Row = Parameters<typeof toRoute>[0]

const uuid = z.uuid().toLowerCase()
const widgetFields = ['id', 'customer_id', 'name', 'part_id', 'tm_create', 'tm_update', 'tm_delete']
const pick = (names: readonly string[]) => (value: unknown) =>
  Object.fromEntries(names.map(name => [name, (value as Record<string, unknown>)[name]]))
const projectWidget = pick(widgetFields)

const base = {
  tag: 'widgets',
  summary: '',
  responses: {},
  idempotent: false,
  override: false,
  timeout_ms: 30_000,
  errors: ['WIDGET_NOT_FOUND'],
  rate_limit: 'api',
  owner: 'customer',
  resource: 'widget',
  status: 200,
  refs: [],
} as const
const path = { in: 'path', path: '/id', resource: 'widget' } as const
const part = { in: 'body', path: '/part_id', resource: 'widget' } as const

function rows(): Row[] {
  const make = (row: Partial<Row> & Pick<Row, 'id' | 'method' | 'path' | 'permission'>): Row =>
    ({ ...base, rpc: row.id, request: { body_required: false }, project: (output: unknown) => output, ...row }) as Row
  const params = z.strictObject({ id: uuid })
  const body = z.strictObject({ name: z.string().min(1).max(20), part_id: uuid.optional(), permissions: z.array(z.string()).optional() })
  const list = {
    method: 'get',
    permission: 'widget_read',
    request: {
      query: z.strictObject({
        page_size: z.coerce.number().int().min(1).max(100).default(50),
        page_token: z.string().max(500).optional(),
        part_id: uuid.optional(),
      }),
      body_required: false,
    },
    refs: [{ ...part, in: 'query' }],
    project: (output: unknown) => {
      const { result, next_page_token } = output as { result: unknown[]; next_page_token: string }
      return { result: result.map(projectWidget), next_page_token }
    },
  } as const
  const auth = {
    owner: 'self',
    override: true,
    rpc: null,
    resource: null,
    errors: ['LOGIN_FAILED', 'AGENT_REQUIRED'],
  } as const
  return [
    make({ ...list, id: 'listWidgets', path: '/v1.0/widgets' }),
    make({ ...list, id: 'listSpares', path: '/v1.0/spares', rpc: 'listWidgets' }),
    make({
      id: 'getWidget',
      method: 'get',
      path: '/v1.0/widgets/{id}',
      permission: 'widget_read',
      request: { params, body_required: false },
      refs: [path],
      project: projectWidget,
    }),
    make({
      id: 'createWidget',
      method: 'post',
      path: '/v1.0/widgets',
      permission: 'widget_create',
      status: 201,
      idempotent: true,
      rate_limit: 'call_create',
      errors: ['WIDGET_NOT_FOUND', 'WIDGET_LIMIT_REACHED'],
      request: { body, body_required: true },
      refs: [part],
      project: projectWidget,
    }),
    make({
      id: 'updateWidget',
      method: 'put',
      path: '/v1.0/widgets/{id}',
      permission: 'widget_update',
      request: { params, body: body.partial(), body_required: true },
      refs: [path, part],
      project: projectWidget,
    }),
    make({
      id: 'leakWidget',
      method: 'get',
      path: '/v1.0/widgets/{id}/leak',
      permission: 'widget_read',
      request: { params, body_required: false },
      refs: [],
    }),
    make({
      id: 'breakWidget',
      method: 'post',
      path: '/v1.0/widgets/{id}/break',
      permission: 'widget_update',
      request: { params, body_required: false },
      refs: [path],
    }),
    make({
      id: 'updateAgentPassword',
      method: 'put',
      path: '/v1.0/agents/{id}/password',
      permission: 'agent_password_update',
      resource: 'agent',
      errors: ['AGENT_NOT_FOUND', 'PERMISSION_NOT_GRANTABLE'],
      request: { params, body: z.strictObject({ name: z.string() }), body_required: true },
      refs: [{ in: 'path', path: '/id', resource: 'agent' }],
    }),
    make({ id: 'whoami', method: 'get', path: '/v1.0/whoami', permission: 'authenticated', owner: 'self', resource: null }),
    make({
      id: 'platformOnly',
      method: 'get',
      path: '/v1.0/platform',
      permission: 'platform_read',
      owner: 'platform',
      resource: 'platform',
      rpc: 'whoami',
    }),
    make({
      ...auth,
      id: 'login',
      method: 'post',
      path: '/auth/login',
      permission: 'public',
      rate_limit: 'login',
      request: {
        body: z.strictObject({ username: z.string().min(1).max(255), password: z.string().min(1).max(128) }),
        body_required: true,
      },
    }),
    make({ ...auth, id: 'logout', method: 'post', path: '/auth/logout', permission: 'authenticated' }),
    make({ ...auth, id: 'refresh', method: 'post', path: '/auth/refresh', permission: 'authenticated' }),
    make({
      ...auth,
      id: 'getMe',
      method: 'get',
      path: '/v1.0/me',
      permission: 'authenticated',
      project: pick(['id', 'customer_id', 'username', 'permissions']),
    }),
  ]
}

/** The gateway's view of the fixture's services. */
export function fixtureContract(calls: Contract['calls']): Contract {
  return {
    calls,
    routes: rows().map(row => ({ ...toRoute(row), ownerInAnswer: row.id === 'getWidget' })),
    resources: { widget: { service: 'widget' }, agent: { service: 'agent' }, customer: { service: 'customer' } },
    permissions: ['widget_read', 'widget_create', 'widget_update', 'platform_read', 'agent_password_update'],
    domains: ['widget', 'agent', 'customer'],
    eventResources: ['widget', 'agent'],
    states: { 'widget.state': { resource: 'widget', fields: ['name'] }, 'widget.metrics': { resource: 'widget', fields: ['count'] } },
    views: {
      'widget.created': { internal: false, project: projectWidget },
      'session.ended': { internal: true, project: () => undefined },
      'accesskey.deleted': { internal: false, project: pick(['id']) },
      'customer.updated': { internal: false, project: pick(['id', 'status']) },
    },
  }
}
