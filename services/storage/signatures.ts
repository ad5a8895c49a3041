import { createHmac } from 'node:crypto'
import { installationKeys, type KeyRing, sameText } from '@voipbin/kernel'

const sign = (key: Buffer, id: string, expires: number): string =>
  createHmac('sha256', key).update(`storage_file ${id} ${expires}`).digest('hex')

/** HMAC-SHA256 (RFC 2104) over the file and the time its URL expires, by the current installation key; hex. */
export function signatureOf(id: string, expires: number, keys: KeyRing = installationKeys()): string {
  const key = keys.keys.get(keys.current)
  if (!key) throw new Error('the current key is not in the ring')
  return sign(key, id, expires)
}

/** True for a signature by any key of the ring: URLs outlive a change of keys. */
export const isSigned = (
  { id, expires, signature }: { id: string; expires: number; signature: string },
  keys: KeyRing = installationKeys(),
): boolean => [...keys.keys.values()].some(key => sameText(sign(key, id, expires), signature))
