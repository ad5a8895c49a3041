import type { Model, PublicOperation } from './model.ts'
import { methodName } from './sdk.ts'
import { byName, camel, type Output } from './text.ts'

const head = `# VoIPBIN

> A communication platform one can own: calls, a browser softphone, call flows, recordings and billing behind one REST API, with events over
> WebSocket and signed webhooks.

- Base path: \`/v1.0\` of the gateway that serves this file; \`/auth/*\` has no prefix.
- Credentials: \`Authorization: AccessKey ak_…\`, or \`Authorization: Bearer <token>\` with the token of \`POST /auth/login\`.
- JSON in snake_case; ids are UUIDs; \`tm_*\` are RFC 3339 in UTC with microseconds.
- Lists answer \`{"result": […], "next_page_token": ""}\`, newest first; pass \`page_size\` (at most 100) and \`page_token\`.
- Errors answer \`{"error": {"status", "reason", "message", "request_id", "details"}}\`; branch on \`reason\`.
- Creates take an \`Idempotency-Key\`: the same key and body give the same answer for 24 hours. Repeat on 408, 429, 503 and 504, after \`Retry-After\`.
- Phone numbers are E.164 with a plus. An address is \`{"type": "tel" | "sip" | "extension" | "agent", "target": "…"}\`.
- Webhooks are signed: \`X-VoIPBIN-Signature: sha256=<hex HMAC-SHA256(secret, timestamp + "." + body)>\` with \`X-VoIPBIN-Timestamp\`, and by the headers of
  Standard Webhooks.
- TypeScript: \`npm install @voipbin/sdk\`, then \`new VoIPBIN({ accessKey, baseUrl })\`; every operation below names its method.

## Documents

- [openapi.json](/openapi.json): OpenAPI 3.1, every operation with schemas, examples and code samples
- [asyncapi.json](/asyncapi.json): AsyncAPI 3.0, every event and every frame of the WebSocket at \`/ws\`
- [Reference of the REST API](/docs)
- [Reference of the events](/docs/events)
`

/** `llms.txt` (llmstxt.org): the whole API on one page, for programs that write programs. */
export function llmsFile(model: Model): Output {
  const operations = model.operations.filter(operation => operation.kind === 'public')
  const tags = byName(Map.groupBy(operations, operation => operation.tag))
  const sections = tags.map(([tag, own]) => `## ${tag}\n\n${own.map(operation => line(operation, model)).join('')}`)
  const events = model.events.filter(event => !event.internal)
  const heard = events.map(event => `- \`${event.type}\`: ${event.summary}\n`)
  const intro = 'On the WebSocket under these names; webhooks carry them with an underscore instead of the dot. `data` is the resource.'
  const text = [head, ...sections, `## Events\n\n${intro}\n\n${heard.join('')}`].join('\n')
  return { path: 'llms.txt', text }
}

function line(operation: PublicOperation, model: Model): string {
  const sdk = `client.${camel(operation.tag)}.${methodName(operation, model)}`
  const fields = operation.errors.length > 0 ? ` Reasons: ${operation.errors.join(', ')}.` : ''
  return `- \`${operation.method} ${operation.httpPath}\` (\`${sdk}\`): ${operation.summary}${fields}\n`
}
