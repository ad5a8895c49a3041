import { createHmac, createSecretKey, hash, type KeyObject } from 'node:crypto'
import { type PublicEventType, publicEvents } from '@voipbin/generated/events/index'

/** Whether an endpoint's filters name an event type. */
export const wants = (filters: readonly string[], event_type: string): boolean =>
  filters.some(filter => filter === '*' || filter === event_type || (filter.endsWith('.*') && event_type.startsWith(filter.slice(0, -1))))

/** The event of a test; sent to one endpoint only, whatever its filters. */
export const pingType = 'webhook.ping' satisfies PublicEventType

/** The first filter that no event can ever fit, if any. */
export const unknownFilter = (filters: readonly string[]): string | undefined =>
  filters.find(filter => !publicEvents.some(type => wants([filter], type)))

/** `call.hungup` as a webhook spells it: the mechanical mapping of `DECISIONS.md` 12. */
export const webhookType = (event_type: string): string => event_type.replace('.', '_')

/** Exactly what is sent and signed. */
export const payload = (event: { event_id: string; event_type: string; timestamp: string; data: unknown }): string =>
  JSON.stringify({ id: event.event_id, type: webhookType(event.event_type), created: event.timestamp, data: event.data })

/** When the next attempt is due, in milliseconds from now; `undefined` after the last one. Up to a tenth is added, so that endpoints recover gently. */
export function nextDelay(schedule: readonly number[], attempts: number, random = Math.random()): number | undefined {
  const seconds = schedule[attempts]
  return seconds === undefined ? undefined : Math.round(seconds * 1000 * (1 + random / 10))
}

/**
 * The id of an event's delivery to a place: the same whenever the event comes again, so that it is inserted once. It begins with the time of the
 * event, as every UUIDv7, so that rows lie in the order they are made.
 */
export const deliveryId = (event_id: string, place: string): string => shapedId(event_id.slice(0, 13), `${event_id} ${place}`)

/** The id of an attempt that begins now; without random numbers, which cost more than a hash. */
export function attemptId(now: Date, delivery_id: string, attempt: number): string {
  const time = now.getTime().toString(16).padStart(12, '0')
  return shapedId(`${time.slice(0, 8)}-${time.slice(8)}`, `${delivery_id} ${attempt} ${time}`)
}

/** A UUIDv7 (RFC 9562) with the hash of a text where it has random bits. `time`: its first 13 characters. */
function shapedId(time: string, seed: string): string {
  const text = hash('sha256', seed)
  const variant = ((Number.parseInt(text.slice(3, 4), 16) & 3) | 8).toString(16)
  return `${time}-7${text.slice(0, 3)}-${variant}${text.slice(4, 7)}-${text.slice(7, 19)}`
}

export interface SignedHeaders {
  id: string
  type: string
  timestamp: Date
  secrets: readonly string[]
}

interface Keys {
  own: KeyObject
  standard: KeyObject
}
const keys = new Map<string, Keys>()
const maxKeys = 10_000

/** Made once for each secret: a key given as bytes costs more than the signature. */
function keysOf(secret: string): Keys {
  const known = keys.get(secret)
  if (known) return known
  if (keys.size >= maxKeys) keys.clear()
  const made = {
    own: createSecretKey(Buffer.from(secret)),
    standard: createSecretKey(Buffer.from(secret.replace(/^whsec_/, ''), 'base64')),
  }
  keys.set(secret, made)
  return made
}

/** The headers `signHeaders` of the SDK makes, by Node's own HMAC: WebCrypto costs a hundred times as much for texts this short. */
export function signedHeaders(body: string, { id, type, timestamp, secrets }: SignedHeaders): Record<string, string> {
  const iso = timestamp.toISOString()
  const seconds = Math.floor(timestamp.getTime() / 1000)
  const own = secrets.map(secret => `sha256=${createHmac('sha256', keysOf(secret).own).update(`${iso}.${body}`).digest('hex')}`)
  const standard = secrets.map(
    secret => `v1,${createHmac('sha256', keysOf(secret).standard).update(`${id}.${seconds}.${body}`).digest('base64')}`,
  )
  return {
    'x-voipbin-timestamp': iso,
    'x-voipbin-event': type,
    'x-voipbin-signature': own.join(','),
    'webhook-id': id,
    'webhook-timestamp': String(seconds),
    'webhook-signature': standard.join(' '),
  }
}

const signature = /signature$/i

/** Headers as the record shows them: enough of a signature to compare, too little to use. */
export const shortened = (headers: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, signature.test(name) ? `${value.slice(0, 16)}…` : value]))

const maxHeaders = 4_096

/** The first headers of an answer, 4 KiB of them: who answers decides how many there are. */
export function firstHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  const kept: Record<string, string> = {}
  let room = maxHeaders
  for (const [name, value] of Object.entries(headers)) {
    room -= name.length + value.length
    if (room < 0) break
    kept[name] = value
  }
  return kept
}

/** A secret that a newer one has replaced; payloads are signed with it, too, until `tm_end`, RFC 3339. */
export interface OldSecret {
  secret: string
  tm_end: string
}
interface Secrets {
  secret: string
  old_secrets: string | null
}
/** With the current one as many as a payload is signed with at most. */
const maxOldSecrets = 4

const oldSecretsOf = ({ old_secrets }: Secrets, now: Date): OldSecret[] =>
  old_secrets === null ? [] : (JSON.parse(old_secrets) as OldSecret[]).filter(({ tm_end }) => Date.parse(tm_end) > now.getTime())

/** Every secret payloads are signed with now, the newest first. */
export const activeSecrets = (row: Secrets, now: Date): string[] => [row.secret, ...oldSecretsOf(row, now).map(({ secret }) => secret)]

/** What is kept of the old secrets when a new one takes over; `overlap` in seconds, 0 ends all of them at once. */
export function retireSecret(
  row: Secrets,
  now: Date,
  overlap: number,
): { old_secrets: string | null; tm_secret_overlap_end: string | null } {
  if (overlap <= 0) return { old_secrets: null, tm_secret_overlap_end: null }
  const tm_end = new Date(now.getTime() + overlap * 1000).toISOString()
  const olds = [{ secret: row.secret, tm_end }, ...oldSecretsOf(row, now)].slice(0, maxOldSecrets)
  const ends = olds.map(old => old.tm_end).sort()
  return { old_secrets: JSON.stringify(olds), tm_secret_overlap_end: ends.at(-1) ?? tm_end }
}
