import type { Json } from './json.ts'
import type { Model } from './model.ts'
import { eventExample } from './openapi.ts'
import { mapSchema, publicSchema, reachable, type Schema } from './schema.ts'
import { byName, type Output } from './text.ts'

type Node = Record<string, Json>
interface Message {
  payload?: Schema
  summary?: string
  description?: string
  [field: string]: unknown
}
interface Parts {
  channels: Node
  operations: Node
  messages: Record<string, Message>
}

const description = `Every change on the platform is an event. There are two ways to receive them, with the same \`data\`:

- **WebSocket.** Connect to \`/ws?accesskey=ak_…\` and send \`{"type":"subscribe","id":"1","topics":["customer_id:<your customer id>:call"]}\`. Each event comes as a frame of type \`event\`. All frames are under _WebSocket frames_.
- **Webhook.** Create an endpoint with [\`POST /v1.0/webhooks\`](/docs#tag/webhooks/POST/v1.0/webhooks). Each event comes as a signed POST of \`{ id, type, created, data }\`. There the type has an underscore: \`call.created\` is \`call_created\`.

\`data\` is the resource, as \`GET\` would return it. Both ways deliver at least once: ignore an \`event_id\` that you have already handled.`

/** All AsyncAPI files as one document: what the parser checks and the generator's template reads. Nothing is left out. */
export function busDocument(model: Model): Node {
  return document(
    merge(model, () => true),
    model,
    schema => schema,
  )
}

/** `asyncapi.json`: the WebSocket and the public events. */
export function asyncapiFile(model: Model): Output {
  const hidden = new Set(model.events.filter(event => event.internal).map(event => event.type))
  const merged = merge(model, name => !hidden.has(name))
  const open = Object.entries(merged.channels).filter(([name, channel]) => isPublicChannel(name, channel as Node))
  const rank = ([name]: [string, Json]): number => channelOrder.indexOf(name) + 1 || channelOrder.length + 1
  const sorted = open.toSorted((a, b) => rank(a) - rank(b))
  const channels = Object.fromEntries(sorted.map(([name, channel]) => [name, titled(name, channel as Node)]))
  const operations = Object.fromEntries(
    Object.entries(merged.operations).filter(([, operation]) => {
      const { action, channel } = operation as { action?: string; channel?: { $ref: string } }
      const name = channel?.$ref.slice('#/channels/'.length) ?? ''
      return name === 'websocket' || (action === 'send' && name in channels)
    }),
  )
  const used = new Set(Object.values(channels).flatMap(channel => Object.keys((channel as { messages: Node }).messages)))
  const messages = Object.fromEntries(Object.entries(merged.messages).filter(([name]) => used.has(name)))
  const servers = { websocket: { host: 'api.voipbin.net', protocol: 'wss', description: 'The gateway of an installation.' } }
  const shown = Object.fromEntries(Object.entries(messages).map(([name, message]) => [name, withExample(name, message, model)]))
  const text = JSON.stringify({ ...document({ channels, operations, messages: shown }, model, publicSchema), servers }, null, 1)
  return { path: 'asyncapi.json', text: `${text}\n` }
}

/** An event under its own name, with the example of its resource. */
function withExample(name: string, message: Message, model: Model): Message {
  const event = model.events.find(one => one.type === name)
  const data = event && eventExample(event, model)
  if (!event || data === undefined) return message
  const { id, customer_id = '' } = data as { id?: string; customer_id?: string }
  const payload = {
    event_id: '01980a4e-5d00-7a11-8c3e-1f2a3b4c5dee',
    event_type: name,
    timestamp: '2026-01-20T12:00:00.000Z',
    customer_id,
    resource_type: event.resource,
    resource_id: id ?? (data as Record<string, string>)[`${event.resource}_id`] ?? '',
    resource_seq: 1,
    request_id: '01980000-0000-7000-8000-0000000000ff',
    data,
  }
  const { 'x-example': _, ...shown } = message
  const description = [message.summary, message.description].filter(Boolean).join(' ')
  return { title: name, ...shown, description, examples: [{ name, summary: message.summary, payload }] }
}

/** As a reader needs them; others follow by name. */
const channelOrder = ['websocket', 'call.events', 'flow.events', 'number.events', 'registrar.events', 'storage.events', 'webhook.events']

/** A channel as a reader sees it: by what its events are about, and how to ask for them. */
function titled(name: string, channel: Node): Node {
  if (name === 'websocket') return { title: 'WebSocket frames', ...channel }
  const resources = [...new Set(Object.keys(channel.messages as Node).map(event => event.split('.')[0] ?? ''))].sort()
  const list = (form: (resource: string) => string): string => resources.map(resource => `\`${form(resource)}\``).join(', ')
  const text = `Topics: ${list(resource => `customer_id:<id>:${resource}`)}. Webhook filters: ${list(resource => `${resource}.*`)}.`
  const title = `${resources.join(', ').replaceAll('_', ' ')} events`
  return { title: title.charAt(0).toUpperCase() + title.slice(1), description: text, ...channel }
}

const isPublicChannel = (name: string, channel: Node): boolean =>
  name === 'websocket' || (name.endsWith('.events') && Object.keys((channel.messages ?? {}) as Node).length > 0)

function document({ channels, operations, messages }: Parts, model: Model, view: (schema: Schema) => Schema): Node {
  const info = { title: 'VoIPBIN events', version: '1.0.0', description, license: { name: 'Apache-2.0' } }
  const payloads = Object.entries(messages).map(([name, message]) => [
    name,
    { name, ...message, payload: plainSchema(view(message.payload ?? {})) },
  ])
  const names = [
    ...reachable(
      payloads.map(([, message]) => (message as Message).payload ?? {}),
      model.schemas,
    ),
  ].sort()
  const schemas = Object.fromEntries(names.map(name => [name, plainSchema(view(model.schemas.get(name) ?? {}))]))
  const components = { messages: Object.fromEntries(payloads), schemas } as unknown as Json
  return { asyncapi: '3.0.0', info, defaultContentType: 'application/json', channels, operations, components }
}

/** Channels, operations and messages of all files, sorted by name; messages that are not wanted leave every list. */
function merge(model: Model, wanted: (message: string) => boolean): Parts {
  const channels: [string, Json][] = []
  const operations: [string, Json][] = []
  const messages: [string, Message][] = []
  for (const { kind, content } of model.documents) {
    if (kind !== 'asyncapi') continue
    const named = ((content.components as Node | undefined)?.messages ?? {}) as unknown as Record<string, Message>
    messages.push(...Object.entries(named).filter(([name]) => wanted(name)))
    for (const [name, channel] of Object.entries((content.channels ?? {}) as Record<string, Node>)) {
      const own = Object.entries((channel.messages ?? {}) as unknown as Record<string, Message>).filter(([message]) => wanted(message))
      // Messages written into a channel move to components, so that every message has one place.
      messages.push(...own.filter(([, message]) => message.$ref === undefined))
      const links = own.map(([message, node]) => [message, { $ref: node.$ref ?? `#/components/messages/${message}` }])
      channels.push([name, { ...channel, messages: Object.fromEntries(links) as Json }])
    }
    for (const [id, operation] of Object.entries((content.operations ?? {}) as Record<string, Node>)) {
      const list = operation.messages as { $ref: string }[] | undefined
      const kept = list?.filter(({ $ref }) => wanted($ref.slice($ref.lastIndexOf('/') + 1)))
      operations.push([id, kept ? { ...operation, messages: kept } : operation])
    }
  }
  return {
    channels: Object.fromEntries(byName(channels)),
    operations: Object.fromEntries(byName(operations)),
    messages: Object.fromEntries(byName(messages)),
  }
}

/** AsyncAPI knows `examples`, not `example`, and a discriminator of another form, which says nothing that the variants do not say. */
const plainSchema = (schema: Schema): Schema =>
  mapSchema(schema, ({ example, discriminator: _, ...rest }) =>
    example === undefined ? rest : ({ ...rest, examples: [example] } as Schema),
  )
