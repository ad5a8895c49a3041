import { codeSamples, sampleOrigin } from './code-samples.ts'
import type { Json } from './json.ts'
import { type EventDefinition, type Field, type Method, type Model, type PublicOperation, webhookName } from './model.ts'
import { httpStatus, reasonsOf } from './reasons.ts'
import { publicSchema, reachable, refName, type Schema } from './schema.ts'
import { byName, type Output, pascal } from './text.ts'

type Node = Record<string, Json>

const keptExtensions = ['x-permission', 'x-owner', 'x-rate-limit', 'x-idempotent']
const description = `Make and control calls, build call flows, and manage numbers, recordings, webhooks and billing.

- **Credentials.** Send an access key as \`Authorization: AccessKey ak_…\`, or the token of [a login](#tag/auth/POST/auth/login) as \`Authorization: Bearer …\`.
- **Format.** JSON in snake_case. Ids are UUIDs. Times are RFC 3339 in UTC. Phone numbers are E.164 with a plus.
- **Lists.** \`{ "result": […], "next_page_token": "…" }\`, newest first. Pass the token as \`page_token\`, with the same filters, to get the next page; it is empty on the last one.
- **Errors.** Every error has the same body. Branch on \`reason\`; \`details\` names each invalid field. Quote \`request_id\` when you ask for help.
- **Safe retries.** Send an \`Idempotency-Key\` with every request that must not happen twice: the same key and body return the same response for 24 hours.
- **Events.** Calls change after the response. [The events](/docs/events) tell you, by WebSocket or webhook.`

/** `openapi.json`: one public document with everything expanded that the contract files leave to convention. */
export function openapiFile(document: Node): Output {
  return { path: 'openapi.json', text: `${JSON.stringify(document, null, 1)}\n` }
}

export function openapiDocument(model: Model): Node {
  const operations = model.operations.filter(operation => operation.kind === 'public')
  const errors = new ErrorResponses(model)
  const paths: Record<string, Node> = {}
  for (const [path, own] of byName(Map.groupBy(operations, operation => operation.httpPath))) {
    const sorted = own.toSorted((a, b) => methodOrder.indexOf(a.method) - methodOrder.indexOf(b.method))
    paths[path] = Object.fromEntries(sorted.map(operation => [operation.method.toLowerCase(), operationNode(operation, model, errors)]))
  }
  const events = model.events.filter(event => !event.internal)
  const webhooks = Object.fromEntries(events.map(event => [webhookName(event), webhookNode(event, model)]))
  const used = reachable([...schemasIn(paths), ...schemasIn(webhooks), { $ref: '#/components/schemas/ErrorResponse' }], publicView(model))
  const schemas = Object.fromEntries([...used].sort().map(name => [name, publicSchema(model.schemas.get(name) ?? {}) as Json]))
  return {
    openapi: '3.1.0',
    info: { title: 'VoIPBIN API', version: '1.0.0', description, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    servers: [
      { url: sampleOrigin, description: 'A platform started by npm start.' },
      { url: 'https://api.voipbin.net', description: 'The hosted platform.' },
    ],
    security: [{ token: [] }, { accesskey: [] }, { token_query: [] }, { accesskey_query: [] }],
    ...(tagsOf(model) as unknown as Node),
    paths,
    webhooks,
    components: { schemas, responses: errors.responses(), examples: errors.examples(), headers, parameters, securitySchemes },
  }
}

/** As one comes to need them, and the list beside the create. */
const methodOrder: readonly string[] = ['POST', 'GET', 'PUT', 'DELETE']

interface TagGroup {
  name: string
  tags: string[]
}

/** The groups and the tags, in the order of the contract (`openapi/common.yaml`); what that does not name comes last. */
function tagsOf(model: Model): { tags: { name: string }[]; 'x-tagGroups': TagGroup[] } {
  const used = [...new Set(model.operations.flatMap(operation => (operation.kind === 'public' ? [operation.tag] : [])))].sort()
  const shared = model.documents.find(({ content }) => 'x-tagGroups' in content)?.content
  const listed = (shared?.['x-tagGroups'] ?? []) as unknown as TagGroup[]
  const described = new Map(((shared?.tags ?? []) as unknown as { name: string }[]).map(tag => [tag.name, tag]))
  const rest = used.filter(name => !listed.some(({ tags }) => tags.includes(name)))
  const groups = [...listed, { name: 'More', tags: rest }]
    .map(({ name, tags }) => ({ name, tags: tags.filter(tag => used.includes(tag)) }))
    .filter(({ tags }) => tags.length > 0)
  const tags = groups.flatMap(group => group.tags)
  return {
    tags: tags.map(name => described.get(name) ?? { name, description: `Operations on ${name.replaceAll('_', ' ')}.` }),
    'x-tagGroups': groups,
  }
}

/** The tags in the order of the reference. */
export const tagOrder = (model: Model): string[] => tagsOf(model).tags.map(({ name }) => name)

const publicView = (model: Model): ReadonlyMap<string, Schema> =>
  new Map([...model.schemas].map(([name, schema]) => [name, publicSchema(schema)]))

/** Every schema that a document part mentions. */
function schemasIn(node: unknown): Schema[] {
  const found: Schema[] = []
  const visit = (value: unknown): void => {
    if (value === null || typeof value !== 'object') return
    if ('schema' in value) found.push(value.schema as Schema)
    for (const child of Object.values(value)) visit(child)
  }
  visit(node)
  return found
}

const rateLimitHeaders = ['RateLimit-Limit', 'RateLimit-Remaining', 'RateLimit-Reset']
const linkHeaders = (names: string[]): Node => Object.fromEntries(names.map(name => [name, { $ref: `#/components/headers/${name}` }]))

const headers: Node = {
  'X-Request-ID': { description: 'Names this request in logs and support cases.', schema: { type: 'string' } },
  'RateLimit-Limit': { description: 'Requests per minute.', schema: { type: 'integer' } },
  'RateLimit-Remaining': { description: 'Requests left right now.', schema: { type: 'integer' } },
  'RateLimit-Reset': { description: 'Seconds until the limit is full again.', schema: { type: 'integer' } },
  'Retry-After': { description: 'Seconds to wait before trying again.', schema: { type: 'integer' } },
}
const parameters: Node = {
  IdempotencyKey: {
    name: 'Idempotency-Key',
    in: 'header',
    description: 'Makes the request safe to repeat: the same key and body give the stored answer for 24 hours.',
    schema: { type: 'string', minLength: 1, maxLength: 255 },
  },
}
const securitySchemes: Node = {
  token: {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: 'A session token from `POST /auth/login`, or an access key (`ak_…`).',
  },
  accesskey: { type: 'apiKey', in: 'header', name: 'Authorization', description: '`AccessKey ak_…`' },
  token_query: { type: 'apiKey', in: 'query', name: 'token', description: 'For clients that cannot set headers.' },
  accesskey_query: { type: 'apiKey', in: 'query', name: 'accesskey', description: 'For clients that cannot set headers.' },
}

/** The schema of a parameter, and its description where viewers look for it. */
function described({ schema: { description: said, ...schema } }: Field): Node {
  const resource = schema['x-ref'] as string | undefined
  const text = said ?? (resource && resource !== 'none' ? `Id of the ${resource.replaceAll('_', ' ')}.` : undefined)
  return { ...(text && { description: text }), schema: schema as Json }
}

function operationNode(operation: PublicOperation, model: Model, errors: ErrorResponses): Node {
  const { raw } = operation
  const extensions = Object.fromEntries(keptExtensions.filter(name => name in raw).map(name => [name, raw[name] ?? null]))
  const fields: Json[] = [
    ...operation.path.map(field => ({ name: field.name, in: 'path', required: true, ...described(field) })),
    ...operation.query.map(field => ({ name: field.name, in: 'query', ...(field.required && { required: true }), ...described(field) })),
    ...(operation.idempotent ? [{ $ref: '#/components/parameters/IdempotencyKey' }] : []),
  ]
  const success = ((raw.responses ?? {}) as Record<string, Node>)[operation.status] ?? {}
  return {
    operationId: operation.id,
    tags: [operation.tag],
    summary: operation.summary,
    ...(operation.description && { description: operation.description }),
    ...extensions,
    'x-codeSamples': codeSamples(operation, model) as unknown as Json,
    ...(operation.permission === 'public' && { security: [] }),
    ...(fields.length > 0 && { parameters: fields }),
    ...(raw.requestBody !== undefined && { requestBody: raw.requestBody }),
    responses: {
      [operation.status]: {
        ...success,
        headers: { ...linkHeaders(['X-Request-ID', ...rateLimitHeaders]), ...((success.headers ?? {}) as Node) },
      },
      ...errors.of(operation),
    },
  }
}

/** Error answers: one example per reason, shared responses where an operation has no reason of its own. */
class ErrorResponses {
  readonly #model: Model
  readonly #shared = new Map<string, Node>()
  readonly #reasons = new Set<string>()

  constructor(model: Model) {
    this.#model = model
  }

  of(operation: PublicOperation): Node {
    const own = new Set(operation.errors)
    const groups = Map.groupBy(
      reasonsOf(operation).filter(reason => reason in this.#model.errors),
      reason => String(this.#code(reason)),
    )
    return Object.fromEntries(
      byName(groups).map(([code, reasons]) => [
        code,
        this.#response(
          reasons,
          reasons.some(reason => own.has(reason)),
        ),
      ]),
    )
  }

  #code(reason: string): number {
    return httpStatus[this.#model.errors[reason]?.status ?? ''] ?? 500
  }

  #response(reasons: string[], own: boolean): Node {
    for (const reason of reasons) this.#reasons.add(reason)
    const code = this.#code(reasons[0] ?? '')
    const retry = code === 429 || code === 503 ? ['Retry-After'] : []
    const response: Node = {
      description: reasons.map(reason => `\`${reason}\`: ${this.#model.errors[reason]?.message}`).join(' '),
      headers: linkHeaders(['X-Request-ID', ...(code === 429 ? rateLimitHeaders : []), ...retry]),
      content: {
        'application/json': {
          schema: { $ref: '#/components/schemas/ErrorResponse' },
          examples: Object.fromEntries(reasons.map(reason => [reason, { $ref: `#/components/examples/${reason}` }])),
        },
      },
    }
    if (own) return response
    const name = reasons.map(reason => pascal(reason.toLowerCase())).join('Or')
    this.#shared.set(name, response)
    return { $ref: `#/components/responses/${name}` }
  }

  responses(): Node {
    return Object.fromEntries(byName(this.#shared))
  }

  examples(): Node {
    return Object.fromEntries([...this.#reasons].sort().map(reason => [reason, this.#example(reason)]))
  }

  #example(reason: string): Node {
    const row = this.#model.errors[reason]
    const details = reason === 'INVALID_ARGUMENT' ? [{ field: '/name', rule: 'required', expected: 'string' }] : []
    const error = {
      status: row?.status ?? '',
      reason,
      message: row?.message ?? '',
      request_id: '01980000-0000-7000-8000-0000000000ff',
      details,
    }
    return { summary: row?.action ?? '', value: { error } }
  }
}

function webhookNode(event: EventDefinition, model: Model): Node {
  const name = webhookName(event)
  const example = eventExample(event, model)
  const schema = {
    type: 'object',
    required: ['id', 'type', 'created', 'data'],
    properties: {
      id: { type: 'string', format: 'uuid', description: 'The event id: the same in every attempt and to every endpoint.' },
      type: { const: name },
      created: { type: 'string', format: 'date-time' },
      data: publicSchema(event.data) as Json,
    },
  }
  const content = {
    schema,
    ...(example !== undefined && {
      example: { id: '01980000-0000-7000-8000-0000000000ee', type: name, created: '2026-01-20T12:00:00.000Z', data: example },
    }),
  }
  return {
    post: {
      operationId: `on${pascal(name)}`,
      tags: ['webhooks'],
      summary: event.summary || `Sent on ${event.type}.`,
      security: [],
      requestBody: { required: true, content: { 'application/json': content } },
      responses: {
        '2XX': { description: 'Received. Anything else is tried again.' },
        '410': { description: 'Gone: the endpoint is switched off.' },
      },
    },
  }
}

/** An example of a schema: its own, or that of an operation that answers with it, one of the `method` rather than another. */
function exampleOf(schema: Schema, model: Model, method: Method): Json | undefined {
  const name = schema.$ref && refName(schema.$ref)
  const own = schema.example ?? (name ? model.schemas.get(name)?.example : undefined)
  if (own !== undefined || !name) return own
  const examples = model.operations.flatMap(operation => {
    if (operation.kind !== 'public' || operation.output?.$ref === undefined || refName(operation.output.$ref) !== name) return []
    const responses = operation.raw.responses as Record<string, { content?: Record<string, { example?: Json }> }>
    const example = responses[operation.status]?.content?.['application/json']?.example
    return example === undefined ? [] : [{ method: operation.method, example }]
  })
  return (examples.find(one => one.method === method) ?? examples[0])?.example
}

/** The data of an event as it may come: the example of its resource, with what the event says of it in `x-example`. */
export function eventExample({ type, data, example }: EventDefinition, model: Model): Json | undefined {
  const isDeleted = type.endsWith('.deleted')
  const base = exampleOf(data, model, isDeleted ? 'DELETE' : 'GET')
  if (typeof base !== 'object' || base === null || Array.isArray(base)) return base
  const { tm_delete, tm_update = null } = base
  return { ...base, ...(isDeleted && tm_delete === null && { tm_delete: tm_update }), ...example }
}
