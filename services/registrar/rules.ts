import { createHash } from 'node:crypto'
import type { Extension, ExtensionContact } from '@voipbin/generated/schemas'
import type { ExtensionRow } from './schema.ts'

export const domainOf = (customer_id: string, base: string): string => `${customer_id}.registrar.${base}`

/** What the edge checks a digest against (RFC 2617, section 3.2.2.2). */
export const ha1Of = ({ extension, domain }: Pick<Extension, 'extension' | 'domain'>, password: string): string =>
  createHash('md5').update(`${extension}:${domain}:${password}`).digest('hex')

/** One row of the edge's table `location`. Times are RFC 3339. */
export interface Location {
  ruid: string
  username: string
  domain: string | null
  contact: string
  received: string | null
  path: string | null
  socket: string | null
  user_agent: string
  expires: string
}

const uriParts = /^sips?:(?:[^@;?]*@)?(\[[^\]]+\](?::\d+)?|[^;?>]+)(.*)$/i

/** Host with port, and the transport a SIP URI names. */
function partsOf(uri: string): { host: string; transport: string | undefined } {
  const [, host = '', rest = ''] = uriParts.exec(uri) ?? []
  return { host, transport: /;transport=([a-z]+)/i.exec(rest)?.[1]?.toLowerCase() }
}

const transports: readonly string[] = ['udp', 'tcp', 'tls', 'ws', 'wss']
const isTransport = (text: string | undefined): text is ExtensionContact['transport'] => text !== undefined && transports.includes(text)

/** A WebSocket on a TLS listener is `wss`: in URIs both are called `ws` (RFC 7118). */
function transportOf(named: string | undefined, socket: string | null): ExtensionContact['transport'] {
  const listener = socket?.split(':')[0]?.toLowerCase()
  if (named === 'ws' && (listener === 'tls' || listener === 'wss')) return 'wss'
  if (isTransport(named)) return named
  return isTransport(listener) ? listener : 'udp'
}

/** A registered phone as the contract knows it. */
export function contactOf({ contact, received, path, socket, user_agent, expires }: Location): ExtensionContact {
  // What the edge saw the registration come from; a phone's own idea of its address is the second best.
  const from = partsOf(received ?? contact)
  return {
    uri: contact,
    user_agent,
    source: from.host,
    transport: transportOf(from.transport, socket),
    ...(path !== null && { path }),
    tm_expire: expires,
  }
}

/** An extension with its phones. A deleted one has none any more. */
export function shownExtension(row: ExtensionRow, locations: readonly Location[]): Extension {
  const { ha1, version, ...extension } = row
  const contacts = row.tm_delete === null ? locations.map(contactOf) : []
  return { ...extension, username: row.extension, registered: contacts.length > 0, contacts }
}

export interface Known {
  ruid: string
  extension_id: string | null
}

/** What has come and gone between what was told before and what is there now. */
export function difference<T extends { ruid: string }>(known: readonly Known[], live: readonly T[]): { come: T[]; gone: Known[] } {
  const before = new Set(known.map(({ ruid }) => ruid))
  const now = new Set(live.map(({ ruid }) => ruid))
  return { come: live.filter(({ ruid }) => !before.has(ruid)), gone: known.filter(({ ruid }) => !now.has(ruid)) }
}
