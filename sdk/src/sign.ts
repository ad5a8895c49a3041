/** Signatures of webhooks: HMAC-SHA256 by WebCrypto, without a dependency, on every runtime that has `crypto.subtle`. */

export interface SignOptions {
  /** The event id; the same in every attempt. */
  id: string
  /** Webhook type, for example `call_created`. */
  type: string
  /** Time of this attempt. Now unless said. */
  timestamp?: Date
  /** Secrets as shown (`whsec_…`); several while one replaces the other. */
  secrets: readonly string[]
}

/** Makes the headers of one delivery: those of VoIPBIN and those of Standard Webhooks, signed with every secret. */
export async function signHeaders(
  body: string,
  { id, type, timestamp = new Date(), secrets }: SignOptions,
): Promise<Record<string, string>> {
  const iso = timestamp.toISOString()
  const seconds = Math.floor(timestamp.getTime() / 1000)
  const own = await Promise.all(secrets.map(async secret => `sha256=${hex(await hmac(ownKey(secret), `${iso}.${body}`))}`))
  const standard = await Promise.all(
    secrets.map(async secret => `v1,${base64(await hmac(standardKey(secret), `${id}.${seconds}.${body}`))}`),
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

export interface VerifyOptions {
  /** How far the timestamp may be from now, in seconds. 300 unless said. */
  toleranceSeconds?: number
  now?: Date
}

/** Why a delivery was refused. */
export class SignatureError extends Error {
  override readonly name = 'SignatureError'
}

/**
 * Checks one delivery against any of the secrets, by whichever of the two signature styles it carries.
 * @throws SignatureError when a header is missing, the timestamp is too far from now, or no signature fits.
 */
export async function verifyHeaders(
  body: string,
  header: (name: string) => string | undefined,
  secrets: readonly string[],
  options: VerifyOptions = {},
): Promise<void> {
  const { toleranceSeconds = 300, now = new Date() } = options
  const style = standardStyle(body, header) ?? ownStyle(body, header)
  if (!style) throw new SignatureError('The signature headers are missing.')
  const seconds = Math.abs(now.getTime() - style.time) / 1000
  if (!(seconds <= toleranceSeconds)) throw new SignatureError(`The timestamp is too far from now: ${Math.round(seconds)} s.`)
  for (const secret of secrets) {
    const key = await importKey(style.key(secret), 'verify')
    for (const signature of style.signatures) {
      // The comparison inside `verify` takes the same time wherever the first difference is.
      if (await crypto.subtle.verify('HMAC', key, signature, encode(style.signed))) return
    }
  }
  throw new SignatureError('The signature does not fit the body.')
}

interface Style {
  time: number
  signed: string
  signatures: Bytes[]
  key(secret: string): Bytes
}

function standardStyle(body: string, header: (name: string) => string | undefined): Style | undefined {
  const [id, seconds, list] = [header('webhook-id'), header('webhook-timestamp'), header('webhook-signature')]
  if (id === undefined || seconds === undefined || list === undefined) return undefined
  const signatures = list
    .split(' ')
    .filter(part => part.startsWith('v1,'))
    .map(part => fromBase64(part.slice(3)))
  return { time: Number(seconds) * 1000, signed: `${id}.${seconds}.${body}`, signatures, key: standardKey }
}

function ownStyle(body: string, header: (name: string) => string | undefined): Style | undefined {
  const [iso, list] = [header('x-voipbin-timestamp'), header('x-voipbin-signature')]
  if (iso === undefined || list === undefined) return undefined
  const signatures = list
    .split(',')
    .filter(part => part.startsWith('sha256='))
    .map(part => fromHex(part.slice(7)))
  return { time: Date.parse(iso), signed: `${iso}.${body}`, signatures, key: ownKey }
}

type Bytes = Uint8Array<ArrayBuffer>
const encode = (text: string): Bytes => new TextEncoder().encode(text)
/** The VoIPBIN style signs with the secret exactly as shown. */
const ownKey = (secret: string): Bytes => encode(secret)
/** Standard Webhooks signs with the bytes behind `whsec_`. */
const standardKey = (secret: string): Bytes => fromBase64(secret.replace(/^whsec_/, ''))

const importKey = (key: Bytes, use: 'sign' | 'verify'): ReturnType<typeof crypto.subtle.importKey> =>
  crypto.subtle.importKey('raw', key, { name: 'HMAC', hash: 'SHA-256' }, false, [use])
const hmac = async (key: Bytes, text: string): Promise<Bytes> =>
  new Uint8Array(await crypto.subtle.sign('HMAC', await importKey(key, 'sign'), encode(text)))

const hex = (bytes: Bytes): string => Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('')
const fromHex = (text: string): Bytes => Uint8Array.from(text.match(/../g) ?? [], pair => Number.parseInt(pair, 16))
const base64 = (bytes: Bytes): string => btoa(String.fromCharCode(...bytes))

/** Text that is no base64 gives no bytes, which no signature equals. */
function fromBase64(text: string): Bytes {
  try {
    return Uint8Array.from(atob(text), letter => letter.charCodeAt(0))
  } catch (error) {
    if (error instanceof DOMException) return new Uint8Array()
    throw error
  }
}
