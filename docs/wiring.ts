import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'

const root = join(import.meta.dirname, '..')

/** `caller` asks `answerer` for `operation` over RPC. */
export interface CallLine {
  caller: string
  answerer: string
  operation: string
}
/** `listener` hears `event`, which `sender` sends. */
export interface EventLine {
  sender: string
  event: string
  listener: string
}
export interface Wiring {
  calls: CallLine[]
  events: EventLine[]
  publicOperations: number
  /** Public events, and how many of them the webhook service hears. */
  publicEvents: number
  deliverable: number
}

interface Reference {
  $ref: string
}
interface Operation {
  action: 'send' | 'receive'
  messages?: Reference[]
  'x-route'?: string
}
interface AsyncDocument {
  'x-receives'?: { except?: string[] }
  channels?: Record<string, { address: string | null; messages?: Record<string, unknown> }>
  operations?: Record<string, Operation>
  components?: { messages?: Record<string, { 'x-internal'?: boolean }> }
}
interface OpenDocument {
  paths?: Record<string, Record<string, { operationId?: string; 'x-override'?: boolean; 'x-rpc'?: string }>>
}

/** What the contract calls `asterisk` runs as `asterisk-proxy`. */
const partOf = (document: string): string => (document === 'asterisk' ? 'asterisk-proxy' : document)

const documents = <T>(folder: string): [string, T][] =>
  readdirSync(join(root, 'contracts', folder))
    .filter(name => name.endsWith('.yaml'))
    .sort()
    .map(name => [partOf(name.slice(0, -5)), parse(readFileSync(join(root, 'contracts', folder, name), 'utf8')) as T])

/** Reads the contracts for what there is, and the sources for who uses it. */
export function readWiring(): Wiring {
  const open = documents<OpenDocument>('openapi')
  const bus = documents<AsyncDocument>('asyncapi')
  const answerers = new Map<string, string>()
  let publicOperations = 0
  for (const [part, { paths = {} }] of open) {
    for (const { operationId, 'x-override': override, 'x-rpc': other } of Object.values(paths).flatMap(path => Object.values(path))) {
      if (!operationId) continue
      publicOperations++
      if (!override && !other) answerers.set(operationId, part)
    }
  }
  for (const [part, { operations = {} }] of bus) {
    for (const [name, operation] of Object.entries(operations)) if (operation['x-route']) answerers.set(name, part)
  }
  const sent = sentEvents(bus)
  const isPublic = new Set([...sent].filter(([, { internal }]) => !internal).map(([event]) => event))
  const events = [
    ...bus.flatMap(([part, document]) => [...heard(part, document), ...heardAll(part, document, sent)]),
    ...heardByProxy(sent),
  ]
  return {
    calls: unique(sources().flatMap(([caller, text]) => callsIn(caller, text, answerers))),
    events: unique(events.filter(({ listener }) => listener !== 'webhook')),
    publicOperations,
    publicEvents: isPublic.size,
    deliverable: new Set(events.filter(({ listener, event }) => listener === 'webhook' && isPublic.has(event)).map(({ event }) => event))
      .size,
  }
}

interface Sent {
  sender: string
  /** Never leaves the bus. */
  internal: boolean
}

/** Every event by type. */
function sentEvents(bus: readonly [string, AsyncDocument][]): Map<string, Sent> {
  const found = new Map<string, Sent>()
  for (const [sender, { channels = {}, components }] of bus) {
    for (const [name, { messages = {} }] of Object.entries(channels)) {
      if (!/\.events?$/.test(name)) continue
      for (const event of Object.keys(messages))
        found.set(event, { sender, internal: components?.messages?.[event]?.['x-internal'] === true })
    }
  }
  return found
}

function heard(listener: string, { operations = {} }: AsyncDocument): EventLine[] {
  const references = Object.values(operations).flatMap(({ action, messages = [] }) => (action === 'receive' ? messages : []))
  return references.flatMap(({ $ref }) => {
    const match = /^(?:\.\/(\w+)\.yaml)?#\/channels\/[\w.]+\.events?\/messages\/([\w.]+)$/.exec($ref)
    return match ? [{ sender: match[1] ? partOf(match[1]) : listener, event: match[2] ?? '', listener }] : []
  })
}

/** `x-receives`: every public event but those excepted. */
function heardAll(listener: string, { 'x-receives': receives }: AsyncDocument, sent: ReadonlyMap<string, Sent>): EventLine[] {
  if (!receives) return []
  const wanted = [...sent].filter(([event, { internal }]) => !internal && !receives.except?.includes(event))
  return wanted.map(([event, { sender }]) => ({ sender, event, listener }))
}

/** The proxy of Kamailio has no document: it answers nothing and says in its code what it hears. */
function heardByProxy(sent: ReadonlyMap<string, Sent>): EventLine[] {
  const text = readFileSync(join(root, 'voip/proxies/kamailio/main.ts'), 'utf8')
  const names = [...text.matchAll(/'([a-z_]+\.[a-z_]+)'/g)].map(match => match[1] ?? '')
  return names.flatMap(event => {
    const known = sent.get(event)
    return known ? [{ sender: known.sender, event, listener: 'kamailio-proxy' }] : []
  })
}

/** Every hand-written source of a part that calls others, without its tests. */
function sources(): [string, string][] {
  const folders = readdirSync(join(root, 'services'), { withFileTypes: true }).filter(
    entry => entry.isDirectory() && entry.name !== 'node_modules',
  )
  const parts: [string, string][] = [
    ...folders.map(({ name }): [string, string] => [name, `services/${name}`]),
    ['gateway', 'server/gateway/src'],
    ['asterisk-proxy', 'voip/proxies/asterisk'],
  ]
  return parts.flatMap(([part, folder]) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter(entry => entry.isFile() && /\.ts$/.test(entry.name) && !/(\.test|-fixture|-process|-suite)\.ts$/.test(entry.name))
      .map((entry): [string, string] => [part, readFileSync(join(entry.parentPath, entry.name), 'utf8')]),
  )
}

function callsIn(caller: string, text: string, answerers: ReadonlyMap<string, string>): CallLine[] {
  const found: CallLine[] = []
  for (const match of text.matchAll(/\.call\(([^;]{0,160}?)'(\w+)'/g)) {
    const operation = match[2] ?? ''
    const answerer = answerers.get(operation)
    if (answerer && answerer !== caller) found.push({ caller, answerer, operation })
  }
  return found
}

function unique<T extends object>(lines: readonly T[]): T[] {
  const known = new Map(lines.map(line => [JSON.stringify(line), line]))
  return [...known.keys()].sort().flatMap(key => known.get(key) ?? [])
}
