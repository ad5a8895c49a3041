import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { Transform } from 'node:stream'
import { decrypt, encrypt, type KeyRing } from './crypto.ts'

/** A stored object is a row of sealed chunks: each of these many bytes, encrypted by itself, so that any part can be read alone. */
export const objectChunk = 64 * 1024
const tagBytes = 16
const sealedChunk = objectChunk + tagBytes

/** A new object's own key, and the same wrapped by the installation key: the wrapped one is stored in the object's row. */
export function newObjectKey(keys?: KeyRing): { key: Buffer; wrapped: string } {
  const key = randomBytes(32)
  return { key, wrapped: encrypt(key, { ...(keys && { keys }), bound: 'object' }) }
}
export const openObjectKey = (wrapped: string, keys?: KeyRing): Buffer => decrypt(wrapped, { ...(keys && { keys }), bound: 'object' })

/** Stored bytes for so many plain bytes, and back. An empty object is one empty chunk, so that it is authenticated too. */
export const sealedSize = (plain: number): number => plain + chunksOf(plain) * tagBytes
export function plainSize(sealed: number): number {
  const chunks = Math.max(1, Math.ceil(sealed / sealedChunk))
  const plain = sealed - chunks * tagBytes
  if (plain < 0) throw new Error('a stored object is too short')
  return plain
}
const chunksOf = (plain: number) => Math.max(1, Math.ceil(plain / objectChunk))

// The key is used for one object only, so the chunk's number is a nonce that never comes twice.
function nonce(index: number): Buffer {
  const bytes = Buffer.alloc(12)
  bytes.writeBigUInt64BE(BigInt(index), 4)
  return bytes
}
/** Number and end mark are authenticated: chunks cannot be swapped, and cutting the object at a chunk's edge shows. */
const mark = (last: boolean) => Buffer.from([last ? 1 : 0])

function seal(key: Buffer, index: number, last: boolean, plain: Uint8Array): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, nonce(index)).setAAD(mark(last))
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}
function unseal(key: Buffer, index: number, last: boolean, sealed: Uint8Array): Buffer {
  if (sealed.length < tagBytes) throw new Error('a stored object is cut off')
  const decipher = createDecipheriv('aes-256-gcm', key, nonce(index)).setAAD(mark(last))
  decipher.setAuthTag(sealed.subarray(-tagBytes))
  return Buffer.concat([decipher.update(sealed.subarray(0, -tagBytes)), decipher.final()])
}

/** Encrypts what flows through it. Holds one chunk in memory; plain bytes never reach the disk. */
export function encryptObject(key: Buffer): Transform {
  let index = 0
  let held = Buffer.alloc(0)
  return new Transform({
    transform(data: Buffer, _encoding, done) {
      held = held.length === 0 ? Buffer.from(data) : Buffer.concat([held, data])
      // The last full chunk is held back: only the end tells whether it was the last.
      let from = 0
      while (held.length - from > objectChunk) {
        this.push(seal(key, index++, false, held.subarray(from, from + objectChunk)))
        from += objectChunk
      }
      held = held.subarray(from)
      done()
    },
    flush(done) {
      this.push(seal(key, index, true, held))
      done()
    },
  })
}

export interface ObjectSource {
  /** Stored bytes in all. */
  sealed_size: number
  /** Stored bytes `offset … offset + length`. */
  read(offset: number, length: number): Promise<Uint8Array>
}

/**
 * Plain bytes `start` (default 0) up to and including `end` (default the last), chunk by chunk; reads only the chunks it needs.
 * Throws when the object was changed or cut. RFC 9110 ranges: the caller has checked them against `plainSize`.
 */
export async function* decryptObject(
  key: Buffer,
  source: ObjectSource,
  range: { start?: number; end?: number } = {},
): AsyncGenerator<Buffer> {
  const size = plainSize(source.sealed_size)
  const { start = 0, end = size - 1 } = range
  const lastChunk = chunksOf(size) - 1
  const stop = Math.min(end, size - 1)
  if (size > 0 && (start < 0 || start > stop)) throw new RangeError(`bytes ${start}-${end} are outside an object of ${size}`)
  for (let index = Math.floor(start / objectChunk); index <= Math.max(0, Math.floor(stop / objectChunk)); index++) {
    const offset = index * sealedChunk
    const sealed = await source.read(offset, Math.min(sealedChunk, source.sealed_size - offset))
    const plain = unseal(key, index, index === lastChunk, sealed)
    const first = index * objectChunk
    const part = plain.subarray(Math.max(0, start - first), stop + 1 - first)
    if (part.length > 0) yield part
  }
}
