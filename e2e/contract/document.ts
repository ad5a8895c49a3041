/** The parts of an OpenAPI document that the generated tests need. Read from the running platform: it is what integrators see. */
export interface Schema {
  $ref?: string
  type?: string | string[]
  properties?: Record<string, Schema>
  required?: string[]
  items?: Schema
  allOf?: Schema[]
  oneOf?: Schema[]
  anyOf?: Schema[]
  enum?: unknown[]
  const?: unknown
  format?: string
  pattern?: string
  maxLength?: number
  minLength?: number
  maximum?: number
  minimum?: number
  maxItems?: number
  additionalProperties?: boolean | Schema
  default?: unknown
  'x-ref'?: string
}
interface Parameter {
  name: string
  in: 'path' | 'query' | 'header'
  required?: boolean
  schema: Schema
}
interface RawOperation {
  operationId: string
  parameters?: (Parameter | { $ref: string })[]
  requestBody?: { required?: boolean; content: { 'application/json': { schema: Schema; example?: unknown } } }
  responses: Record<string, Response | { $ref: string }>
  'x-permission': string
  'x-owner': string
  'x-idempotent'?: string
}
interface Response {
  content?: { 'application/json'?: { schema?: Schema; examples?: Record<string, unknown> } }
}
export interface Document {
  paths: Record<string, Record<string, RawOperation>>
  components: { schemas: Record<string, Schema>; parameters: Record<string, Parameter>; responses: Record<string, Response> }
}

export interface Operation {
  id: string
  method: string
  path: string
  permission: string
  owner: string
  parameters: Parameter[]
  body: { schema: Schema; required: boolean; example: unknown } | undefined
  /** Takes an `Idempotency-Key`. */
  idempotent: boolean
  /** A POST that takes none says why asking twice does no harm. */
  harmless: boolean
  /** HTTP code of success. */
  success: number
  /** Every reason it may be refused with: the names of the examples of its error responses. */
  reasons: ReadonlySet<string>
}

/** An id of a resource somewhere in a request. */
export interface Ref {
  in: 'path' | 'query' | 'body'
  /** Steps from the top; `*` for each element. */
  path: string[]
  resource: string
}

const methods = ['get', 'post', 'put', 'patch', 'delete']

export function operationsOf(document: Document): Operation[] {
  return Object.entries(document.paths).flatMap(([path, item]) =>
    methods.flatMap(method => {
      const raw = item[method]
      if (!raw) return []
      const parameters = (raw.parameters ?? [])
        .map(one => ('$ref' in one ? document.components.parameters[lastStep(one.$ref)] : one))
        .filter(one => one !== undefined)
      const json = raw.requestBody?.content['application/json']
      const body = json && { schema: json.schema, required: raw.requestBody?.required === true, example: json.example }
      return [
        {
          id: raw.operationId,
          method: method.toUpperCase(),
          path,
          permission: raw['x-permission'],
          owner: raw['x-owner'],
          parameters,
          body,
          idempotent: parameters.some(({ in: where, name }) => where === 'header' && name === 'Idempotency-Key'),
          harmless: raw['x-idempotent'] !== undefined,
          success: Number(Object.keys(raw.responses).find(code => code.startsWith('2'))),
          reasons: reasonsOf(raw, document),
        },
      ]
    }),
  )
}

function reasonsOf({ responses }: RawOperation, document: Document): ReadonlySet<string> {
  const refusals = Object.entries(responses).flatMap(([code, response]) => (Number(code) >= 400 ? [response] : []))
  const examples = refusals.flatMap(one => {
    const response = '$ref' in one ? document.components.responses[lastStep(one.$ref)] : one
    return Object.keys(response?.content?.['application/json']?.examples ?? {})
  })
  return new Set(examples)
}

const lastStep = (ref: string): string => ref.slice(ref.lastIndexOf('/') + 1)

/** Follows references and merges `allOf`. */
export function resolve(schema: Schema, document: Document): Schema {
  if (schema.$ref !== undefined) {
    const { $ref, ...siblings } = schema
    return { ...resolve(document.components.schemas[lastStep($ref)] ?? {}, document), ...siblings }
  }
  if (!schema.allOf) return schema
  const parts = schema.allOf.map(part => resolve(part, document))
  return {
    ...schema,
    type: 'object',
    properties: Object.assign({}, ...parts.map(part => part.properties), schema.properties),
    required: [...new Set([...parts.flatMap(part => part.required ?? []), ...(schema.required ?? [])])],
  }
}

export const typesOf = (schema: Schema): string[] =>
  schema.type === undefined ? [] : Array.isArray(schema.type) ? schema.type : [schema.type]

/** Every place of an operation's request that holds the id of a resource. */
export function refsOf(operation: Operation, document: Document): Ref[] {
  const refs: Ref[] = []
  for (const { name, in: where, schema } of operation.parameters) if (where !== 'header') collect(schema, where, [name], document, refs, 0)
  if (operation.body) collect(operation.body.schema, 'body', [], document, refs, 0)
  return refs
}

function collect(schema: Schema, where: Ref['in'], path: string[], document: Document, refs: Ref[], depth: number): void {
  if (depth > 12) return
  const node = resolve(schema, document)
  const resource = schema['x-ref'] ?? node['x-ref']
  if (resource !== undefined && resource !== 'none' && node.items === undefined) refs.push({ in: where, path, resource })
  for (const [name, property] of Object.entries(node.properties ?? {})) collect(property, where, [...path, name], document, refs, depth + 1)
  if (node.items) collect(node.items, where, [...path, '*'], document, refs, depth + 1)
  // Variants are told apart by a constant, which a request needs beside the id; their refs are listed under the variant itself.
  for (const variant of [...(node.oneOf ?? []), ...(node.anyOf ?? [])]) collect(variant, where, path, document, refs, depth + 1)
}

/** A sound value for a parameter that has no example. */
export function sampleOf(schema: Schema, document: Document): string {
  const node = resolve(schema, document)
  if (node.default !== undefined) return String(node.default)
  if (node.enum) return String(node.enum[0])
  if (node.format === 'uuid') return '01980000-0000-7000-8000-000000000001'
  if (typesOf(node).includes('integer') || typesOf(node).includes('number')) return String(node.minimum ?? 1)
  if (typesOf(node).includes('boolean')) return 'true'
  if (node.format === 'date-time') return '2026-01-20T12:00:00.000000Z'
  if (node.pattern?.includes('0-9a-f')) return 'ab'
  if (node.pattern?.startsWith('^\\+')) return '+15551234567'
  return 'sample'
}
