import type { Document } from './document.ts'
import type { Json } from './json.ts'
import type { ErrorReason } from './load.ts'
import { asObject, places, resolve, type Schema, type Schemas } from './schema.ts'

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
  /** Takes an `Idempotency-Key`: every POST that does not say why it may be repeated without one. */
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
  /** What an example of the event has otherwise than its resource's. */
  example: Record<string, Json>
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

/** Operations that travel over RPC: internal ones, and public ones that the gateway neither handles itself nor maps elsewhere. */
export const isRpc = (operation: Operation): boolean =>
  operation.kind === 'internal' || (!operation.override && operation.rpc === undefined)

export const queueOf = (operation: Operation): string =>
  operation.kind === 'internal' ? operation.queue : `bin-manager.${operation.service}.request`

export const notFoundReason = (resource: string): string => `${resource.toUpperCase()}_NOT_FOUND`

/** What an id of nothing answers. A service with more to say declares the reason itself, in `x-reasons`. */
export const missingReason = (resource: string): ErrorReason => ({
  status: 'NOT_FOUND',
  message: `There is no such ${resource.replaceAll('_', ' ')}.`,
  action: 'Check the id.',
})

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

/** Whether an answer is a page of rows. */
export function isList(operation: PublicOperation, model: Model): boolean {
  const object = operation.output && asObject(operation.output, model.schemas)
  return operation.method === 'GET' && object?.properties?.result !== undefined && object.properties.next_page_token !== undefined
}

/** The ways English makes a plural of a resource name. */
export const pluralsOf = (resource: string): string[] => [`${resource}s`, `${resource}es`, resource.replace(/y$/, 'ies')]

/** What an event is called in webhooks. */
export const webhookName = (event: Pick<EventDefinition, 'type'>): string => event.type.replaceAll('.', '_')
