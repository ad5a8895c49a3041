import { bodyOf } from './code-samples.ts'
import type { Model, PublicOperation } from './model.ts'
import { tagOrder } from './openapi.ts'
import type { Schema } from './schema.ts'
import { resolve } from './schema.ts'
import { methodName } from './sdk.ts'
import { camel, type Output } from './text.ts'

const head = `# VoIPBIN

> A communication platform you can own: calls, a browser softphone, call flows, recordings and billing behind one REST API, with events over
> WebSocket and signed webhooks.

- Base path: \`/v1.0\` of the gateway that serves this file; \`/auth/*\` has no prefix.
- Credentials: \`Authorization: AccessKey ak_…\`, or \`Authorization: Bearer <token>\` with the token of \`POST /auth/login\`.
- JSON in snake_case; unknown fields in a request are a 400; ids are UUIDs; \`tm_*\` are RFC 3339 in UTC with microseconds.
- Lists return \`{"result": […], "next_page_token": ""}\`, newest first; pass \`page_size\` (at most 100) and \`page_token\`, the answer's \`next_page_token\`, with the same filters.
- Errors return \`{"error": {"status", "reason", "message", "request_id", "details"}}\`; branch on \`reason\`.
- Creates take an \`Idempotency-Key\`: the same key and body return the same response for 24 hours. Retry on 408, 429, 500, 503 and 504, after \`Retry-After\` where it is sent.
- Phone numbers are E.164 with a plus. An address is \`{"type": "tel" | "sip" | "extension" | "agent", "target": "…"}\`.
- Webhooks are signed: \`X-VoIPBIN-Signature: sha256=<hex HMAC-SHA256(secret, timestamp + "." + body)>\` with \`X-VoIPBIN-Timestamp\` as timestamp, and also by the
  headers of Standard Webhooks. The body is \`{id, type, created, data}\`.
- WebSocket: connect to \`/ws?accesskey=ak_…\`, send \`{"type":"subscribe","id":"1","topics":["customer_id:<customer id>:call"]}\`; events are frames
  \`{"type":"event","seq","event_id","event_type","resource_type","resource_id","data"}\`. The \`ack\` of the connection has the \`customer_id\`.
- A call's life: \`call.created\`, \`call.ringing\`, \`call.answered\`, \`call.hungup\`. Creating one returns before it rings; wait for \`call.answered\` before you control it.
- TypeScript: \`npm install @voipbin/sdk\`, then \`new VoIPBIN({ accessKey, baseUrl })\`; every operation below names its method. Path parameters come first, then the body or the query
  as one object. Lists are async iterables.

## Documents

- [openapi.json](/openapi.json): OpenAPI 3.1, every operation with schemas, examples and code samples
- [asyncapi.json](/asyncapi.json): AsyncAPI 3.0, every event and every frame of the WebSocket at \`/ws\`
- [Reference of the REST API](/docs)
- [Reference of the events](/docs/events)
`

/** `llms.txt` (llmstxt.org): the whole API on one page, for programs that write programs. */
export function llmsFile(model: Model): Output {
  const operations = model.operations.filter(operation => operation.kind === 'public')
  const byTag = Map.groupBy(operations, operation => operation.tag)
  const sections = tagOrder(model).map(tag => `## ${tag}\n\n${(byTag.get(tag) ?? []).map(operation => line(operation, model)).join('')}`)
  const events = model.events.filter(event => !event.internal)
  const heard = events.map(event => `- \`${event.type}\`: ${event.summary}\n`)
  const intro =
    'On the WebSocket under these names; webhooks carry them with an underscore instead of the dot. `data` is the resource, as `GET` returns it.'
  const text = [head, ...sections, `## Events\n\n${intro}\n\n${heard.join('')}`].join('\n')
  return { path: 'llms.txt', text }
}

function line(operation: PublicOperation, model: Model): string {
  const sdk = `client.${camel(operation.tag)}.${methodName(operation, model)}`
  const parts = [
    `- \`${operation.method} ${operation.httpPath}\` (\`${sdk}\`): ${operation.summary}.`,
    fieldList(
      'Query',
      operation.query.filter(({ name }) => !/^page_(?:size|token)$/.test(name)).map(({ name, required }) => (required ? name : `${name}?`)),
    ),
    fieldList('Body', operation.body ? bodyFields(operation.body.schema, model) : []),
    example(operation),
    operation.errors.length > 0 && `Reasons: ${operation.errors.join(', ')}.`,
  ]
  return `${parts.filter(Boolean).join(' ')}\n`
}

const fieldList = (title: string, names: readonly string[]): string | false => names.length > 0 && `${title}: ${names.join(', ')}.`

/** The fields of a body; a question mark behind those that may be left out. */
function bodyFields(schema: Schema, model: Model): string[] {
  const { properties = {}, required = [] } = resolve(schema, model.schemas)
  return Object.keys(properties).map(name => (required.includes(name) ? name : `${name}?`))
}

/** The example of a create: what a program would otherwise have to put together from schemas. */
function example(operation: PublicOperation): string | false {
  const body = bodyOf(operation)
  return body !== undefined && operation.method === 'POST' && `Example: \`${JSON.stringify(body)}\`.`
}
