import { createCipheriv, createDecipheriv, createHash, randomBytes, timingSafeEqual } from 'node:crypto'

/** The installation's keys. The first one encrypts; all of them decrypt, so that a key can be changed while rows under the old one live on. */
export interface KeyRing {
  readonly current: string
  readonly keys: ReadonlyMap<string, Buffer>
}

/** Reads `INSTALLATION_KEY`: one or more base64 keys of 32 bytes, separated by commas, the current one first. */
export function parseKeyRing(text: string): KeyRing {
  const keys = new Map<string, Buffer>()
  for (const part of text.split(',')) {
    const key = Buffer.from(part.trim(), 'base64')
    if (key.length !== 32) throw new TypeError('an installation key is 32 bytes in base64')
    keys.set(createHash('sha256').update(key).digest('hex').slice(0, 8), key)
  }
  const [current] = keys.keys()
  if (current === undefined) throw new TypeError('at least one installation key is needed')
  return { current, keys }
}

let installed: KeyRing | undefined
/** Gives the process its keys, once, at boot; `secretText` columns and stored objects use them. */
export function setInstallationKey(text: string): void {
  installed = parseKeyRing(text)
}
export function installationKeys(): KeyRing {
  if (!installed) throw new Error('INSTALLATION_KEY is not set: secrets cannot be read or written')
  return installed
}

const version = 'v1'
const ivBytes = 12
const tagBytes = 16

/** AES-256-GCM (NIST SP 800-38D), random 96-bit nonce: `v1.<key id>.<base64url of nonce, text and tag>`. `bound` must be the same to decrypt. */
export function encrypt(
  plain: string | Uint8Array,
  { keys = installationKeys(), bound = '' }: { keys?: KeyRing; bound?: string } = {},
): string {
  const key = keys.keys.get(keys.current)
  if (!key) throw new Error('the current key is not in the ring')
  const iv = randomBytes(ivBytes)
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(bound))
  const sealed = Buffer.concat([iv, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
  return `${version}.${keys.current}.${sealed.toString('base64url')}`
}

/** The bytes that `encrypt` was given. Throws when the text was changed, the key is unknown or `bound` differs. */
export function decrypt(text: string, { keys = installationKeys(), bound = '' }: { keys?: KeyRing; bound?: string } = {}): Buffer {
  const [form, keyId, body] = text.split('.')
  const key = form === version && keyId !== undefined ? keys.keys.get(keyId) : undefined
  if (!key || body === undefined) throw new Error(form === version ? `no installation key ${keyId}` : 'not an encrypted value')
  const sealed = Buffer.from(body, 'base64url')
  if (sealed.length < ivBytes + tagBytes) throw new Error('an encrypted value is too short')
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, ivBytes)).setAAD(Buffer.from(bound))
  decipher.setAuthTag(sealed.subarray(-tagBytes))
  return Buffer.concat([decipher.update(sealed.subarray(ivBytes, -tagBytes)), decipher.final()])
}

/** `encrypt` and `decrypt` for text. */
export const encryptText = (plain: string): string => encrypt(plain)
export const decryptText = (text: string): string => decrypt(text).toString('utf8')

/** How credentials are stored and looked up: SHA-256, hex. For random tokens only; passwords go through argon2id. */
export const tokenHash = (token: string): string => createHash('sha256').update(token).digest('hex')

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
/** Random letters and digits; 32 of them carry 190 bits. */
export function randomToken(length = 32): string {
  let token = ''
  while (token.length < length) {
    // 248 = 4 × 62: bytes above would make some letters likelier than others.
    for (const byte of randomBytes(length)) if (byte < 248 && token.length < length) token += alphabet[byte % 62]
  }
  return token
}

/** Compares without telling by its time where two texts differ. */
export function sameText(a: string, b: string): boolean {
  const hash = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(hash(a), hash(b))
}
