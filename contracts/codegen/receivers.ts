import type { Document, Problem } from './document.ts'
import { type Json, lookup } from './json.ts'

type Node = Record<string, Json>

/**
 * Writes out `x-receives: { events: public, except: […] }` of an AsyncAPI document: one `receive` operation for each channel with public events,
 * so that whoever hears all of them needs no line for the next one.
 */
export function addReceivers(documents: readonly Document[], problems: Problem[]): void {
  const channels = documents.flatMap(eventChannels)
  for (const { file, kind, content } of documents) {
    if (kind !== 'asyncapi' || content['x-receives'] === undefined) continue
    const { events, except = [] } = content['x-receives'] as { events?: Json; except?: string[] }
    const complain = (message: string): void => void problems.push({ file, where: 'x-receives', message })
    if (events !== 'public') complain('it is { events: public, except: [<event>…] }')
    for (const name of except)
      if (!channels.some(({ types }) => types.includes(name))) complain(`there is no public event ${name} to except`)
    const own = (content.operations ?? {}) as Node
    for (const { channel, types } of channels) {
      const heard = types.filter(type => !except.includes(type))
      const pointer = `#/channels/${channel}`
      const messages = heard.map(type => ({ $ref: `${pointer}/messages/${type}` }))
      if (heard.length > 0) own[`receivePublic.${channel}`] = { action: 'receive', channel: { $ref: pointer }, messages }
    }
    content.operations = own
  }
}

interface EventChannel {
  channel: string
  types: string[]
}

/** The channels of a document that carry events, with those the outside may see. */
function eventChannels({ kind, content }: Document): EventChannel[] {
  if (kind !== 'asyncapi') return []
  const messages = (lookup(content, '/components/messages') ?? {}) as Record<string, Node>
  return Object.entries((content.channels ?? {}) as Record<string, Node>)
    .filter(([channel]) => channel.endsWith('.events'))
    .map(([channel, node]) => {
      const types = Object.entries((node.messages ?? {}) as Record<string, Node>).filter(([type, message]) => {
        const target = message.$ref === undefined ? message : messages[type]
        return target?.['x-internal'] !== true
      })
      return { channel, types: types.map(([type]) => type) }
    })
}
