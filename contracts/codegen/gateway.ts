import { type Model, type PublicOperation, pluralsOf } from './model.ts'
import { projectorName } from './project.ts'
import { refName } from './schema.ts'
import { byName, camel, header, importLine, key, literal, type Output, quote } from './text.ts'
import { bodyValidators } from './validators.ts'

const routeFile = `${header}import type { RouteConfig } from '@hono/zod-openapi'
import type { Validator } from '@voipbin/kernel'

/** Where an id of a resource sits in a request. \`path\` is a JSON pointer with \`*\` for every element. */
export interface Ref {
  readonly in: 'path' | 'query' | 'body'
  readonly path: string
  readonly resource: string
}

/**
 * One public operation: a route of @hono/zod-openapi (\`method\`, \`path\`, \`request\`, \`responses\`) and what the gateway does around it.
 * Types live in plain interfaces, so the checker never walks a validator.
 */
export interface Route {
  readonly id: string
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete'
  /** \`/v1.0/calls/{id}\` */
  readonly path: string
  readonly tag: string
  readonly summary: string
  readonly request: { readonly params?: Validator; readonly query?: Validator; readonly body?: Validator; readonly body_required: boolean }
  readonly responses: RouteConfig['responses']
  /** HTTP status of success. */
  readonly status: 200 | 201 | 202
  /** The operation to call over RPC; null when the gateway answers by itself (\`override\`). */
  readonly rpc: string | null
  /** \`<resource>_<verb>\`, \`public\` or \`authenticated\`. */
  readonly permission: string
  readonly owner: 'customer' | 'self' | 'platform'
  readonly rate_limit: 'api' | 'call_create' | 'login'
  /** What it works on: the resource of the last id in the path, or the one it creates or lists. */
  readonly resource: string | null
  /** Takes an \`Idempotency-Key\`. */
  readonly idempotent: boolean
  /** Hand-written in the gateway. */
  readonly override: boolean
  readonly timeout_ms: number
  /** Every place of the request that holds the id of a resource. */
  readonly refs: readonly Ref[]
  /** Own reasons and those of its references. */
  readonly errors: readonly string[]
  /** Leaves only what the contract shows to the outside. */
  readonly project: (output: unknown) => unknown
}
`

const zodOpenapiFile = `${header}import { createRoute, type RouteConfig } from '@hono/zod-openapi'
import type { Route } from './route-row.ts'

/**
 * The row as a route of @hono/zod-openapi, for \`app.openAPIRegistry.registerPath\` and \`getRoutingPath()\`. The gateway validates by itself,
 * synchronously, and serves the bundled document: what this library makes of validators is no faithful copy of the contract.
 */
export function routeConfig(route: Route): RouteConfig & { getRoutingPath(): string } {
  const { params, query, body, body_required } = route.request
  const request = {
    ...(params && { params }),
    ...(query && { query }),
    ...(body && { body: { required: body_required, content: { 'application/json': { schema: body } } } }),
  }
  const config = { operationId: route.id, method: route.method, path: route.path, tags: [route.tag], summary: route.summary, request, responses: route.responses }
  // The validators are zod's; the row only says less of them.
  return createRoute(config as unknown as RouteConfig)
}
`

/** `gateway/`: one route object per public operation, grouped by service, and an index of all. */
export function gatewayFiles(model: Model): Output[] {
  const operations = model.operations.filter(operation => operation.kind === 'public')
  const services = [...new Set(operations.map(operation => operation.service))].sort()
  const files = services.map(service =>
    serviceFile(
      service,
      operations.filter(operation => operation.service === service),
      model,
    ),
  )
  return [
    { path: 'gateway/route-row.ts', text: routeFile },
    { path: 'gateway/zod-openapi.ts', text: zodOpenapiFile },
    ...files,
    indexFile(services, operations, model),
  ]
}

interface Imports {
  validators: Map<string, Set<string>>
  projectors: Set<string>
  bodyOf: ReturnType<typeof bodyValidators>
}

function serviceFile(service: string, operations: PublicOperation[], model: Model): Output {
  const imports: Imports = { validators: new Map(), projectors: new Set(), bodyOf: bodyValidators(model) }
  const routes = operations.map(operation => routeText(operation, model, imports))
  const head = [
    importLine(imports.projectors, '../project.ts', 'value'),
    ...byName(imports.validators).map(([owner, names]) => importLine(names, `../validators/${owner}.ts`, 'value')),
    importLine(['Route'], './route-row.ts'),
  ]
  const list = `export const ${camel(service)}Routes: readonly Route[] = [${operations.map(operation => operation.id).join(', ')}]\n`
  return { path: `gateway/${service}.ts`, text: `${header}${head.join('')}\n${routes.join('\n')}\n${list}` }
}

function routeText(operation: PublicOperation, model: Model, imports: Imports): string {
  const lines: [string, string][] = [
    ['id', quote(operation.id)],
    ['method', quote(operation.method.toLowerCase())],
    ['path', quote(operation.httpPath)],
    ['tag', quote(operation.tag)],
    ['summary', quote(operation.summary)],
    ['request', requestText(operation, imports)],
    ['responses', `{ ${operation.status}: { description: ${quote(operation.summary)} } }`],
    ['status', String(operation.status)],
    ['rpc', operation.override ? 'null' : quote(operation.rpc ?? operation.id)],
    ['permission', quote(operation.permission)],
    ['owner', quote(operation.owner)],
    ['rate_limit', quote(operation.rateLimit)],
    ['resource', literal(resourceOf(operation, model))],
    ['idempotent', String(operation.idempotent)],
    ['override', String(operation.override)],
    ['timeout_ms', String(operation.timeout_ms)],
    ['refs', literal(operation.refs)],
    ['errors', literal(operation.errors)],
    ['project', projectText(operation, imports)],
  ]
  return `export const ${operation.id}: Route = {\n${lines.map(([name, text]) => `  ${name}: ${text},\n`).join('')}}\n`
}

function requestText(operation: PublicOperation, imports: Imports): string {
  const use = (name: string, owner: string): string => {
    imports.validators.set(owner, (imports.validators.get(owner) ?? new Set()).add(name))
    return name
  }
  const parts: string[] = []
  if (operation.path.length > 0) parts.push(`params: ${use(`${operation.id}Path`, operation.service)}`)
  if (operation.query.length > 0) parts.push(`query: ${use(`${operation.id}Query`, operation.service)}`)
  const body = imports.bodyOf(operation)
  if (body) parts.push(`body: ${use(body.name, body.file)}`)
  parts.push(`body_required: ${operation.body?.required ?? false}`)
  return `{ ${parts.join(', ')} }`
}

function projectText(operation: PublicOperation, imports: Imports): string {
  const ref = operation.output?.$ref
  // Bytes leave as they are; only a hand-written route may send them.
  if (ref === undefined && operation.override) return 'output => output'
  if (ref === undefined) throw new Error(`${operation.id}: the success response must name a schema`)
  const name = projectorName(refName(ref))
  imports.projectors.add(name)
  return `output => ${name}(output as never)`
}

function resourceOf(operation: PublicOperation, model: Model): string | null {
  const inPath = operation.refs.filter(ref => ref.in === 'path').at(-1)
  if (inPath) return inPath.resource
  const known = [...model.resources.keys()]
  return known.find(resource => pluralsOf(resource).includes(operation.tag)) ?? (known.includes(operation.tag) ? operation.tag : null)
}

function indexFile(services: string[], operations: PublicOperation[], model: Model): Output {
  const names = services.map(service => `${camel(service)}Routes`)
  const resources = byName(model.resources).map(([resource, { service }]) => {
    const read = operations.find(
      operation =>
        operation.method === 'GET' &&
        /\/\{id\}$/.test(operation.httpPath) &&
        operation.refs.some(ref => ref.in === 'path' && ref.resource === resource),
    )
    return `  ${key(resource)}: ${literal({ service, read: read?.id ?? null })},\n`
  })
  const permissions = [...new Set(operations.map(operation => operation.permission))]
    .filter(name => name !== 'public' && name !== 'authenticated')
    .sort()
  const text = [
    `${header}${services.map(service => importLine([`${camel(service)}Routes`], `./${service}.ts`, 'value')).join('')}import type { Route } from './route-row.ts'\n\nexport type { Ref, Route } from './route-row.ts'\n`,
    `/** Every public operation. */\nexport const routes: readonly Route[] = [${names.map(name => `...${name}`).join(', ')}]\n`,
    `/** Resource → the service that owns its rows, and the public operation that reads one. */\nexport const resources: Readonly<Record<string, { readonly service: string; readonly read: string | null }>> = {\n${resources.join('')}}\n`,
    `/** Every permission that an operation asks for. */\nexport const permissions: readonly string[] = ${literal(permissions)}\n`,
  ]
  return { path: 'gateway/index.ts', text: text.join('\n') }
}
