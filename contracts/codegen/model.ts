import { ContractError, type Document, type ErrorReason, loadSources, lookup, type Sources } from './load.ts'
import { readEvents, readInternalOperations } from './model-bus.ts'
import { asObject, type Json, places, resolve, type Schema, type Schemas } from './schema.ts'

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** One field of a handler's flat input. */
export interface Field {
  name: string
  schema: Schema
  required: boolean
}

/** Where an id of a resource sits in a request. */
export interface Ref {
  in: 'path' | 'query' | 'body'
  /** JSON pointer with `*` for every element. */
  path: string
  resource: string
}

interface OperationBase {
  id: string
  service: string
  file: string
  /** Where in the file. */
  where: string
  method: Method
  /** RPC route, `/v1/…`. */
  route: string
  summary: string
  description: string
  path: Field[]
  query: Field[]
  body: { schema: Schema; required: boolean } | undefined
  output: Schema | undefined
  /** Own reasons as the contract lists them. */
  ownErrors: string[]
  /** Own reasons plus `<RESOURCE>_NOT_FOUND` of every reference. */
  errors: string[]
  refs: Ref[]
  timeout_ms: number
}

export interface PublicOperation extends OperationBase {
  kind: 'public'
  /** HTTP path, `/v1.0/…`. */
  httpPath: string
  tag: string
  permission: string
  owner: string
  rateLimit: string
  status: number
  override: boolean
  /** The operation the gateway calls instead of this one. */
  rpc: string | undefined
  /** Takes an `Idempotency-Key`. */
  idempotent: boolean
  sdkName: string | undefined
  raw: Record<string, Json>
}
export interface InternalOperation extends OperationBase {
  kind: 'internal'
  queue: string
  raw: Record<string, Json>
}
export type Operation = PublicOperation | InternalOperation

export interface EventDefinition {
  type: string
  service: string
  file: string
  domain: string
  resource: string
  internal: boolean
  summary: string
  data: Schema
}

export interface Model {
  services: string[]
  documents: Document[]
  errors: Record<string, ErrorReason>
  /** Reason -> the file that declares it. Those that follow from a resource have none. */
  reasonFiles: ReadonlyMap<string, string>
  schemas: Schemas
  schemaOwner: ReadonlyMap<string, { service: string; file: string }>
  operations: Operation[]
  events: EventDefinition[]
  /** Service -> events it listens to. */
  consumed: ReadonlyMap<string, EventDefinition[]>
  /** Resource -> schema name and owning service. */
  resources: ReadonlyMap<string, { schema: string; service: string }>
}

/** Documents that describe no service of their own. */
export const sharedDocuments: ReadonlySet<string> = new Set(['common', 'websocket', 'webhooks', 'zmq'])
const methods: Method[] = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']

/** Operations that travel over RPC: internal ones, and public ones that the gateway neither handles itself nor maps elsewhere. */
export const isRpc = (operation: Operation): boolean =>
  operation.kind === 'internal' || (!operation.override && operation.rpc === undefined)

export const queueOf = (operation: Operation): string =>
  operation.kind === 'internal' ? operation.queue : `bin-manager.${operation.service}.request`

export function loadModel(root: string): Model {
  return buildModel(loadSources(root))
}

/** Rejects documents that cannot be read: bad YAML, dangling references, names used twice. */
export function buildModel(sources: Sources): Model {
  const { documents, reasonFiles, problems } = sources
  if (problems.length > 0) throw new ContractError(problems)
  const schemas = new Map([...sources.schemas].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, { schema }]) => [name, schema]))
  const resources = findResources(sources)
  const operations: Operation[] = []
  for (const document of documents) {
    if (document.kind === 'openapi') operations.push(...readPublicOperations(document, documents, schemas))
    else operations.push(...readInternalOperations(document, documents, schemas, problems))
  }
  for (const operation of operations) {
    operation.errors = [...new Set([...operation.ownErrors, ...operation.refs.map(ref => notFoundReason(ref.resource))])].sort()
  }
  const errors = { ...missingReasons(operations, resources), ...sources.errors }
  operations.sort((a, b) => (a.id < b.id ? -1 : 1))
  const { events, consumed } = readEvents(documents, schemas, problems)
  if (problems.length > 0) throw new ContractError(problems)
  const services = [...new Set(documents.map(document => document.service))].filter(name => !sharedDocuments.has(name)).sort()
  return { services, documents, errors, reasonFiles, schemas, schemaOwner: sources.schemas, operations, events, consumed, resources }
}

export const notFoundReason = (resource: string): string => `${resource.toUpperCase()}_NOT_FOUND`

/** What an id of nothing answers. A service with more to say declares the reason itself, in `x-reasons`. */
export const missingReason = (resource: string): ErrorReason => ({
  status: 'NOT_FOUND',
  message: `There is no such ${resource.replaceAll('_', ' ')}.`,
  action: 'Check the id.',
})

function missingReasons(operations: readonly Operation[], resources: Model['resources']): Record<string, ErrorReason> {
  const answered = new Set(operations.flatMap(operation => operation.errors))
  const names = [...resources.keys()].filter(resource => answered.has(notFoundReason(resource)))
  return Object.fromEntries(names.map(resource => [notFoundReason(resource), missingReason(resource)]))
}

const flatName = (name: string): string => name.replaceAll('_', '').toLowerCase()

/** A resource is a schema with an `id` that some `x-ref` names. */
function findResources(sources: Sources): Model['resources'] {
  const byFlatName = new Map([...sources.schemas].map(([name, { service }]) => [flatName(name), { schema: name, service }]))
  const wanted = new Set<string>()
  const visit = (node: Json): void => {
    if (node === null || typeof node !== 'object') return
    if (!Array.isArray(node) && typeof node['x-ref'] === 'string' && node['x-ref'] !== 'none') wanted.add(node['x-ref'])
    for (const child of Object.values(node)) visit(child)
  }
  for (const document of sources.documents) visit(document.content)
  const found = new Map<string, { schema: string; service: string }>()
  for (const resource of [...wanted].sort()) {
    const schema = byFlatName.get(flatName(resource))
    if (schema) found.set(resource, schema)
  }
  return found
}

function readPublicOperations(document: Document, documents: Document[], schemas: Schemas): PublicOperation[] {
  const found: PublicOperation[] = []
  for (const [httpPath, item] of Object.entries((document.content.paths ?? {}) as Record<string, Record<string, Json>>)) {
    for (const method of methods) {
      const raw = item[method.toLowerCase()] as Record<string, Json> | undefined
      if (!raw) continue
      const parameters = [...((item.parameters ?? []) as Json[]), ...((raw.parameters ?? []) as Json[])].map(
        node => deref(node, documents, 'openapi') as unknown as Parameter,
      )
      found.push(publicOperation({ document, httpPath, method, raw, parameters, schemas }))
    }
  }
  return found
}

interface Parameter {
  name: string
  in: string
  required?: boolean
  schema: Schema
  description?: string
}

/** Replaces a reference to anything but a schema by its target, searched in all documents of the kind. */
export function deref(node: Json, documents: Document[], kind: Document['kind']): Json {
  if (node === null || typeof node !== 'object' || Array.isArray(node) || typeof node.$ref !== 'string') return node
  const pointer = node.$ref.slice(1)
  for (const document of documents) {
    const target = document.kind === kind ? lookup(document.content, pointer) : undefined
    if (target !== undefined) return deref(target, documents, kind)
  }
  throw new Error(`reference ${node.$ref} leads nowhere`)
}

interface Source {
  document: Document
  httpPath: string
  method: Method
  raw: Record<string, Json>
  parameters: Parameter[]
  schemas: Schemas
}

function publicOperation({ document, httpPath, method, raw, parameters, schemas }: Source): PublicOperation {
  const field = (p: Parameter): Field => ({
    name: p.name,
    schema: p.description && !p.schema.description ? { ...p.schema, description: p.description } : p.schema,
    required: p.required === true,
  })
  const path = parameters.filter(p => p.in === 'path').map(field)
  const query = parameters.filter(p => p.in === 'query').map(field)
  const requestBody = raw.requestBody as { required?: boolean; content?: Record<string, { schema: Schema }> } | undefined
  const json = requestBody?.content?.['application/json']?.schema
  const body = json && { schema: json, required: requestBody?.required === true }
  const responses = (raw.responses ?? {}) as Record<string, { content?: Record<string, { schema: Schema }> }>
  const status = Number(Object.keys(responses).find(code => code.startsWith('2')) ?? 0)
  return {
    kind: 'public',
    id: text(raw.operationId),
    service: document.service,
    file: document.file,
    where: `${method} ${httpPath}`,
    method,
    httpPath,
    route: httpPath.replace(/^\/v1\.0\//, '/v1/'),
    tag: text((raw.tags as Json[] | undefined)?.[0]),
    summary: text(raw.summary),
    description: text(raw.description),
    path,
    query,
    body,
    output: responses[status]?.content?.['application/json']?.schema,
    status,
    permission: text(raw['x-permission']),
    owner: text(raw['x-owner']),
    rateLimit: text(raw['x-rate-limit']),
    ownErrors: (raw['x-errors'] ?? []) as string[],
    errors: [],
    refs: findRefs({ path, query, body }, schemas),
    override: raw['x-override'] === true,
    rpc: typeof raw['x-rpc'] === 'string' ? raw['x-rpc'] : undefined,
    idempotent: method === 'POST' && status === 201,
    sdkName: typeof raw['x-sdk'] === 'string' ? raw['x-sdk'] : undefined,
    timeout_ms: Number(raw['x-timeout'] ?? 30) * 1000,
    raw,
  }
}

export const text = (value: Json | undefined): string => (typeof value === 'string' ? value : '')

/** Every place of a request that holds the id of a resource. */
export function findRefs(request: Pick<OperationBase, 'path' | 'query' | 'body'>, schemas: Schemas): Ref[] {
  const refs: Ref[] = []
  const add = (where: Ref['in'], base: string, schema: Schema): void => {
    for (const place of places(schema, schemas)) {
      const resource = place.schema['x-ref']
      const path = base + place.path
      if (resource === undefined || resource === 'none') continue
      if (!refs.some(ref => ref.in === where && ref.path === path && ref.resource === resource)) refs.push({ in: where, path, resource })
    }
  }
  for (const field of request.path) add('path', `/${field.name}`, field.schema)
  for (const field of request.query) add('query', `/${field.name}`, field.schema)
  if (request.body) add('body', '', request.body.schema)
  return refs
}

/** The fields of a handler's input in the order path, query, body. Undefined when the body is a union, which has no fixed fields. */
export function inputFields(operation: Operation, schemas: Schemas): Field[] | undefined {
  const fields = [...operation.path, ...operation.query]
  if (!operation.body) return fields
  const body = asObject(operation.body.schema, schemas)
  if (!body) return undefined
  const required = new Set(operation.body.required ? body.required : [])
  for (const [name, schema] of Object.entries(body.properties ?? {})) fields.push({ name, schema, required: required.has(name) })
  return fields
}

/** Whether a handler sees the field always: required, or filled with a default. */
export const alwaysThere = (field: Field, schemas: Schemas): boolean =>
  field.required || resolve(field.schema, schemas).default !== undefined
