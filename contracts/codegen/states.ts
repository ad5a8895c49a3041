import { deref } from './document.ts'
import type { Json } from './json.ts'
import type { Model } from './model.ts'
import { asObject, type Schema } from './schema.ts'

/** One message of the fast path. */
export interface StateDefinition {
  type: string
  summary: string
  data: Schema
  resource: string
  /** Events whose commit sends it. */
  from: string[]
  /** Fields taken from the event's data by name. */
  fields: string[]
}

/** Fields that do not come from the row: the envelope tells them. */
const own = (resource: string): ReadonlySet<string> => new Set(['customer_id', 'timestamp', `${resource}_id`])

/** The messages of `zmq.yaml`, in the order of their names. */
export function readStates(model: Model): StateDefinition[] {
  const document = model.documents.find(one => one.service === 'zmq')
  const messages = ((document?.content.components as Record<string, Json> | undefined)?.messages ?? {}) as Record<string, Json>
  return Object.entries(messages)
    .map(([type, node]) => {
      const message = deref(node, model.documents, 'asyncapi') as unknown as { summary?: string; payload: Schema; 'x-from'?: string[] }
      const resource = type.split('.')[0] ?? ''
      const names = Object.keys(asObject(message.payload, model.schemas)?.properties ?? {})
      const from = message['x-from'] ?? []
      if (from.length === 0) throw new Error(`zmq.yaml: nothing sends ${type}; name the events it follows in x-from, or take it out`)
      for (const event of from) {
        if (!model.events.some(({ type }) => type === event))
          throw new Error(`zmq.yaml: ${type} comes from ${event}, which no service sends`)
      }
      return {
        type,
        summary: message.summary ?? '',
        data: message.payload,
        resource,
        from,
        fields: names.filter(name => !own(resource).has(name)),
      }
    })
    .sort((a, b) => (a.type < b.type ? -1 : 1))
}
