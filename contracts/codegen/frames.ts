import { deref } from './document.ts'
import type { Json } from './json.ts'
import { type EventDefinition, type Model, webhookName } from './model.ts'
import { publicSchema, reachable, refName, type Schema } from './schema.ts'
import { readStates } from './states.ts'
import { camel, doc, header, importLine, key, literal, type Output, quote } from './text.ts'
import { tsDeclaration, tsType } from './ts.ts'

/** Schema names of the frames of one direction, in the order of the contract. */
export function frameNames(model: Model, operation: 'receiveClientFrames' | 'sendServerFrames'): string[] {
  const document = model.documents.find(one => one.service === 'websocket')
  const operations = (document?.content.operations ?? {}) as Record<string, { messages?: Json[] }>
  return (operations[operation]?.messages ?? []).map(link => {
    const message = deref(link, model.documents, 'asyncapi') as unknown as { payload: Schema }
    return refName(message.payload.$ref ?? '')
  })
}

/** Frames that are typed per event and per state, not by their schema. */
const eventFrame = 'EventFrame'
const stateFrame = 'StateFrame'
const publicEvents = (model: Model): EventDefinition[] => model.events.filter(event => !event.internal)

/** `sdk/realtime.ts`: the frames of the WebSocket and the data of every event, with no import but the public types. */
export function sdkRealtimeFile(model: Model, known: ReadonlySet<string>): Output {
  const client = frameNames(model, 'receiveClientFrames')
  const server = frameNames(model, 'sendServerFrames')
  const events = publicEvents(model)
  const options = { schemas: model.schemas, used: new Set<string>(), sending: true }
  const states = readStates(model)
  const roots = [...client, ...server].filter(name => name !== eventFrame && name !== stateFrame).map(name => ({ $ref: `#/${name}` }))
  const own = [...reachable(roots, model.schemas)].filter(name => !known.has(name)).sort()
  const frames = own.map(name => tsDeclaration(name, model.schemas.get(name) ?? {}, options))
  const map = events.map(event => `${doc(event.summary, '  ')}  ${quote(event.type)}: ${tsType(publicSchema(event.data), options)}\n`)
  const stateRows = states.map(state => `${doc(state.summary, '  ')}  ${quote(state.type)}: ${tsType(state.data, options)}\n`)
  const stateNames = [
    ...reachable(
      states.map(state => state.data),
      model.schemas,
    ),
  ]
    .filter(name => !known.has(name) && !own.includes(name))
    .sort()
  const body = [
    ...frames,
    ...stateNames.map(name => tsDeclaration(name, model.schemas.get(name) ?? {}, options)),
    `/** Event type → its data. */\nexport interface EventMap {\n${map.join('')}}\nexport type EventType = keyof EventMap\n`,
    `/** What events are about, and topics name. */\nexport type EventResource = ${[...new Set(events.map(event => quote(event.resource)))].sort().join(' | ') || 'never'}\n`,
    envelope(model),
    '/** Every event; narrows by `event_type`. */\nexport type AnyEvent = { [T in EventType]: EventEnvelope<T> }[EventType]\n',
    `/** An event of some types, of any unless said, with the sequence number its customer gave it; narrows by \`event_type\`. */\nexport type ${eventFrame}<T extends EventType = EventType> = { [K in T]: EventFrameOf<K> }[T]\nexport interface EventFrameOf<T extends EventType> extends EventEnvelope<T> {\n  type: 'event'\n  seq: number\n}\n`,
    `/** Name of a state → its data. */\nexport interface StateMap {\n${stateRows.join('')}}\nexport type StateType = keyof StateMap\n`,
    `${doc(model.schemas.get(stateFrame)?.description ?? '')}export type ${stateFrame} = { [T in StateType]: StateOf<T> }[StateType]\nexport interface StateOf<T extends StateType> ${stateBlock(model, options)}\n`,
    closeCodes(model),
    `export type ClientFrame = ${client.join(' | ') || 'never'}\nexport type ServerFrame = ${server.join(' | ') || 'never'}\n`,
    `export const eventTypes: readonly EventType[] = ${literal(events.map(event => event.type))}\n`,
  ]
  const imports = importLine(
    [...options.used].filter(name => known.has(name)),
    './types.ts',
  )
  return { path: 'sdk/realtime.ts', text: `${header}${imports}\n${body.join('\n')}` }
}

function stateBlock(model: Model, options: Parameters<typeof tsType>[1]): string {
  const schema = model.schemas.get(stateFrame)
  const required = new Set(schema?.required)
  const fields = Object.entries(schema?.properties ?? {}).map(([name, field]) => {
    const type = name === 'state_type' ? 'T' : name === 'data' ? 'StateMap[T]' : tsType(field, options)
    return `${doc(field.description ?? '', '  ')}  ${key(name)}${required.has(name) ? '' : '?'}: ${type}\n`
  })
  return `{\n${fields.join('')}}`
}

/** The codes a socket is closed with, by name. */
function closeCodes(model: Model): string {
  const document = model.documents.find(one => one.service === 'websocket')
  const channel = (document?.content.channels as Record<string, Json> | undefined)?.websocket as Record<string, Json> | undefined
  const rows = (channel?.['x-close-codes'] ?? []) as { code: number; name: string; description: string }[]
  const lines = rows.map(({ code, name, description }) => `${doc(description, '  ')}  ${camel(name)}: ${code},\n`)
  return `/** Why the server closed the socket. */\nexport const closeCodes = {\n${lines.join('')}} as const\n`
}

function envelope(model: Model): string {
  const properties = model.schemas.get('EventEnvelope')?.properties ?? {}
  const options = { schemas: model.schemas, used: new Set<string>() }
  const fields = Object.entries(properties).map(([name, schema]) => {
    const type = name === 'event_type' ? 'T' : name === 'data' ? 'EventMap[T]' : tsType(schema, options)
    return `${doc(schema.description ?? '', '  ')}  ${key(name)}: ${type}\n`
  })
  return `/** What surrounds the data of an event. */\nexport interface EventEnvelope<T extends EventType = EventType> {\n${fields.join('')}}\n`
}

/** `realtime/index.ts`: the frames, and the validator of what clients send. */
export function realtimeFile(model: Model): Output {
  const states = readStates(model).map(({ type, resource, fields }) => `  ${quote(type)}: ${literal({ resource, fields })},\n`)
  const text = `${header}import type { ZodType } from 'zod'
import type { ClientFrame, StateType } from '../sdk/realtime.ts'
import { ClientFrame as validator } from '../validators/websocket.ts'

export type * from '../sdk/realtime.ts'
export { closeCodes } from '../sdk/realtime.ts'

/** Accepts one parsed client frame and nothing else. */
export const clientFrame: ZodType<ClientFrame> = validator as ZodType<ClientFrame>

/** Every state: the resource it is about, and its own fields besides \`customer_id\`, \`<resource>_id\` and \`timestamp\`. */
export const states: Readonly<Record<StateType, { readonly resource: string; readonly fields: readonly string[] }>> = {
${states.join('')}}
`
  return { path: 'realtime/index.ts', text }
}

/** `sdk/webhooks.ts`: what arrives at an endpoint. */
export function sdkWebhooksFile(model: Model): Output {
  const events = publicEvents(model)
  const options = { schemas: model.schemas, used: new Set<string>(), sending: true, prefix: 'schemas.' }
  const map = events.map(event => `${doc(event.summary, '  ')}  ${webhookName(event)}: ${tsType(publicSchema(event.data), options)}\n`)
  const body = [
    `/** Webhook type → its data. */\nexport interface WebhookMap {\n${map.join('')}}\nexport type WebhookType = keyof WebhookMap\n`,
    '/** The body of a webhook of one type. */\nexport interface WebhookBody<T extends WebhookType> {\n  /** The event id: the same in every attempt and to every endpoint. */\n  id: string\n  type: T\n  /** RFC 3339 in UTC, with milliseconds. */\n  created: string\n  data: WebhookMap[T]\n}\n',
    '/** The webhooks of some types, of all unless said; narrows by `type`. */\nexport type WebhookPayload<T extends WebhookType = WebhookType> = { [K in T]: WebhookBody<K> }[T]\n/** Every webhook; narrows by `type`. */\nexport type AnyWebhook = WebhookPayload\n',
  ]
  return { path: 'sdk/webhooks.ts', text: `${header}import type * as schemas from './types.ts'\n\n${body.join('\n')}` }
}
