import type { EventDefinition, Model } from './model.ts'
import { projectorName } from './project.ts'
import { refName, schemasWithInternals } from './schema.ts'
import { header, importLine, key, literal, type Output, quote } from './text.ts'
import { tsType } from './ts.ts'

/** `events/index.ts`: every event of the platform, for services, gateway and webhook delivery. */
export function eventsFile(model: Model): Output {
  const { events } = model
  const open = events.filter(event => !event.internal)
  const inside = { schemas: model.schemas, used: new Set<string>() }
  const outside = { ...inside, publicViews: schemasWithInternals(model.schemas) }
  const map = (list: EventDefinition[]): string =>
    list.map(event => `  ${quote(event.type)}: ${tsType(event.data, event.internal ? inside : outside)}\n`).join('')
  const rows = events.map(event => {
    const row = { service: event.service, domain: event.domain, resource: event.resource, internal: event.internal }
    return `  ${key(event.type)}: ${literal(row)},\n`
  })
  const projections = projectionRows(open)
  const body = [
    `/** Public event type → its data. */\nexport interface PublicEventMap {\n${map(open)}}\n`,
    `/** Event type → its data, those for the bus only included. */\nexport interface EventMap extends PublicEventMap {\n${map(events.filter(event => event.internal))}}\n`,
    'export type EventType = keyof EventMap\nexport type PublicEventType = keyof PublicEventMap\n',
    'export interface EventInfo {\n  readonly service: string\n  /** The exchange is `<domain>.events`. */\n  readonly domain: string\n  readonly resource: string\n  /** Bus only: never on a WebSocket or in a webhook. */\n  readonly internal: boolean\n}\n',
    `export const events: Readonly<Record<EventType, EventInfo>> = {\n${rows.join('')}}\n`,
    `export const publicEvents: readonly PublicEventType[] = ${literal(open.map(event => event.type))}\n`,
    `/** Domains with events; each has an exchange \`<domain>.events\`. */\nexport const domains: readonly string[] = ${literal([...new Set(events.map(event => event.domain))].sort())}\n`,
    `/** Resources that public events are about: what a topic may name. */\nexport const eventResources: readonly string[] = ${literal([...new Set(open.map(event => event.resource))].sort())}\n`,
    'export const isPublicEvent = (type: string): type is PublicEventType => Object.hasOwn(projections, type)\n',
    `/** Drops what the outside may not see from the data of a public event: internal fields and fields the contract does not know. */\nexport const projectEvent = <T extends PublicEventType>(type: T, data: EventMap[T]): PublicEventMap[T] => projections[type](data as never) as PublicEventMap[T]\n`,
    `const projections: { readonly [T in PublicEventType]: (data: never) => unknown } = {\n${projections.rows.join('')}}\n`,
  ]
  const imports = [importLine(projections.used, '../project.ts', 'value'), importLine(inside.used, '../schemas.ts')]
  return { path: 'events/index.ts', text: `${header}${imports.join('')}\n${body.join('\n')}` }
}

function projectionRows(events: EventDefinition[]): { rows: string[]; used: Set<string> } {
  const used = new Set<string>()
  const rows = events.map(event => {
    if (event.data.$ref === undefined) throw new Error(`${event.type}: data must name a schema`)
    const name = projectorName(refName(event.data.$ref))
    used.add(name)
    return `  ${key(event.type)}: ${name},\n`
  })
  return { rows, used }
}
