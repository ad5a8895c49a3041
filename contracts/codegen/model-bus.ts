import { type Document, deref, type Problem, text } from './document.ts'
import { type Json, lookup, unescapeStep } from './json.ts'
import { type EventDefinition, type Field, findRefs, type InternalOperation, type Method, sharedDocuments } from './model.ts'
import { asObject, refName, type Schema, type Schemas } from './schema.ts'

type Node = Record<string, Json>
interface Message {
  payload: Schema
  summary?: string
  'x-internal'?: boolean
  'x-example'?: Record<string, Json>
}

/** `#/channels/<key>` or `#/channels/<key>/messages/<name>` -> its parts. */
const channelKey = (node: Json | undefined): string => unescapeStep(text((node as Node | undefined)?.$ref).split('/')[2] ?? '')
const messageKey = (node: Json): string => unescapeStep(refName(text((node as Node).$ref)))

const domainOf = (address: string): string | undefined => /^(.+)\.events?$/.exec(address)?.[1]

/** Operations over RPC that only other services may call: `action: receive` with `x-route`. */
export function readInternalOperations(
  document: Document,
  documents: Document[],
  schemas: Schemas,
  problems: Problem[],
): InternalOperation[] {
  const found: InternalOperation[] = []
  for (const [id, raw] of Object.entries((document.content.operations ?? {}) as Record<string, Node>)) {
    if (raw['x-route'] === undefined) continue
    const where = `operations/${id}`
    const complain = (message: string): void => void problems.push({ file: document.file, where, message })
    const channel = deref(raw.channel ?? null, documents, 'asyncapi') as Node | null
    const payload = payloadOf(raw.messages, documents)
    const output = payloadOf((raw.reply as Node | undefined)?.messages, documents)
    if (!channel || !payload || !output) {
      complain('an internal operation needs channel, one message (the input) and reply with one message (the output)')
      continue
    }
    const input = asObject(payload, schemas)
    if (!input) {
      complain('the input of an internal operation must be an object')
      continue
    }
    found.push(internalOperation({ id, raw, document, queue: text(channel.address), input, payload, output, schemas }))
  }
  return found
}

interface Source {
  id: string
  raw: Node
  document: Document
  queue: string
  input: Schema
  payload: Schema
  output: Schema
  schemas: Schemas
}

function internalOperation({ id, raw, document, queue, input, payload, output, schemas }: Source): InternalOperation {
  const route = text(raw['x-route'])
  const method = text(raw['x-method']) as Method
  const inPath = [...route.matchAll(/\{(\w+)\}/g)].map(match => match[1] ?? '')
  const required = new Set(input.required)
  const fields: Field[] = Object.entries(input.properties ?? {}).map(([name, schema]) => ({ name, schema, required: required.has(name) }))
  const path = inPath.map(name => fields.find(field => field.name === name) ?? { name, schema: { type: 'string' }, required: true })
  const rest = fields.filter(field => !inPath.includes(field.name))
  const inQuery = method === 'GET' || method === 'DELETE'
  const query = inQuery ? rest : []
  const body = inQuery || rest.length === 0 ? undefined : { schema: bodyOf(payload, input, rest, path.length === 0), required: true }
  return {
    kind: 'internal',
    id,
    service: document.service,
    file: document.file,
    where: `operations/${id}`,
    method,
    route,
    queue,
    summary: text(raw.summary),
    description: text(raw.description),
    path,
    query,
    body,
    output,
    ownErrors: (raw['x-errors'] ?? []) as string[],
    errors: [],
    refs: findRefs({ path, query, body }, schemas),
    timeout_ms: Number(raw['x-timeout'] ?? 30) * 1000,
    raw,
  }
}

function bodyOf(payload: Schema, input: Schema, rest: Field[], whole: boolean): Schema {
  if (whole) return payload
  const properties = Object.fromEntries(rest.map(field => [field.name, field.schema]))
  return { ...input, properties, required: rest.filter(field => field.required).map(field => field.name) }
}

/** The payload of the one message of a list; undefined when there is not exactly one. */
function payloadOf(messages: Json | undefined, documents: Document[]): Schema | undefined {
  if (!Array.isArray(messages) || messages.length !== 1) return undefined
  const message = deref(messages[0] ?? null, documents, 'asyncapi') as unknown as Message | null
  return message?.payload
}

interface Events {
  events: EventDefinition[]
  consumed: Map<string, EventDefinition[]>
}

/** Events sent (`action: send`) and received (`action: receive` without `x-route`) by every service. */
export function readEvents(documents: Document[], schemas: Schemas, problems: Problem[]): Events {
  const events: EventDefinition[] = []
  for (const document of documents) {
    if (document.kind !== 'asyncapi' || sharedDocuments.has(document.service)) continue
    for (const operation of Object.values((document.content.operations ?? {}) as Record<string, Node>)) {
      if (operation.action !== 'send') continue
      events.push(...sentEvents(document, channelKey(operation.channel), documents, schemas, problems))
    }
  }
  events.sort((a, b) => (a.type < b.type ? -1 : 1))
  return { events, consumed: readConsumed(documents, new Map(events.map(event => [event.type, event])), problems) }
}

function sentEvents(document: Document, key: string, documents: Document[], schemas: Schemas, problems: Problem[]): EventDefinition[] {
  const channel = ((document.content.channels ?? {}) as Record<string, Node>)[key]
  if (!channel) {
    problems.push({
      file: document.file,
      where: 'operations',
      message: `a send operation names channel ${key}, which this file does not define`,
    })
    return []
  }
  const domain = domainOf(text(channel.address))
  if (domain === undefined) {
    problems.push({ file: document.file, where: `channels/${key}`, message: 'events leave by a channel with the address <domain>.events' })
    return []
  }
  return Object.entries((channel.messages ?? {}) as Record<string, Json>).flatMap(([type, node]) => {
    const message = deref(node, documents, 'asyncapi') as unknown as Message
    const complain = (rule: string): void => void problems.push({ file: document.file, where: `channels/${key}/${type}`, message: rule })
    const { data, event_type } = (message?.payload && asObject(message.payload, schemas)?.properties) ?? {}
    if (data?.$ref === undefined) {
      complain('the payload of an event is allOf [EventEnvelope, { event_type, data }], its data a named schema')
      return []
    }
    if (event_type?.const !== type) complain(`event_type is { const: ${type} }, as the message is called`)
    return {
      type,
      service: document.service,
      file: document.file,
      domain,
      resource: type.split('.')[0] ?? '',
      internal: message['x-internal'] === true,
      summary: message.summary ?? '',
      data,
      example: message['x-example'] ?? {},
    }
  })
}

function readConsumed(
  documents: Document[],
  known: ReadonlyMap<string, EventDefinition>,
  problems: Problem[],
): Map<string, EventDefinition[]> {
  const consumed = new Map<string, EventDefinition[]>()
  // Those whose definition is faulty have been complained about.
  const faulty = new Set(problems.map(({ where }) => where.split('/').at(-1)))
  for (const document of documents) {
    if (document.kind !== 'asyncapi' || sharedDocuments.has(document.service)) continue
    const own: EventDefinition[] = []
    for (const [id, operation] of Object.entries((document.content.operations ?? {}) as Record<string, Node>)) {
      if (operation.action !== 'receive' || operation['x-route'] !== undefined) continue
      const channel = findChannel(documents, channelKey(operation.channel))
      const types = Array.isArray(operation.messages) ? operation.messages.map(messageKey) : Object.keys((channel?.messages ?? {}) as Node)
      for (const type of types) {
        const event = known.get(type)
        if (event) own.push(event)
        else if (!faulty.has(type))
          problems.push({ file: document.file, where: `operations/${id}`, message: `receives ${type}, which no service sends` })
      }
    }
    own.sort((a, b) => (a.type < b.type ? -1 : 1))
    consumed.set(document.service, own)
  }
  return consumed
}

function findChannel(documents: Document[], key: string): Node | undefined {
  for (const document of documents) {
    const channel = document.kind === 'asyncapi' ? lookup(document.content, '/channels') : undefined
    const found = (channel as Node | undefined)?.[key]
    if (found) return found as Node
  }
  return undefined
}
