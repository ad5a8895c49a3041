import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { decryptObject, encryptObject, objectChunk, openObjectKey, plainSize, sealedSize } from '@voipbin/kernel'

/** Where encrypted objects lie. Shaped like S3, so that a bucket can take the place of a disk. */
export interface ObjectStore {
  /** Writes a whole object, or nothing: readers see the old one until the new one is complete. Rejects when `source` does. */
  put(key: string, source: AsyncIterable<Uint8Array>): Promise<void>
  /** `length` bytes from `offset`; fewer at the end. Rejects when there is no such object. */
  get(key: string, range: { offset: number; length: number }): Promise<Uint8Array>
  /** Size in bytes; `null` when there is none. */
  head(key: string): Promise<{ size: number } | null>
  /** One that is gone already is no error. */
  delete(key: string): Promise<void>
  /** Removes what writers that died have left unfinished and nobody has touched since `before`. Answers how many. */
  sweep(before: Date): Promise<number>
}

/** An object and the key it is encrypted with, wrapped by the installation's key. */
export interface Sealed {
  object_key: string
  secret_key: string
}

/** Encrypts what comes and stores it; holds one chunk in memory. */
export async function writeSealed(store: ObjectStore, { object_key, secret_key }: Sealed, plain: AsyncIterable<Uint8Array>): Promise<void> {
  await pipeline(Readable.from(plain, { objectMode: true }), encryptObject(openObjectKey(secret_key)), encrypted =>
    store.put(object_key, encrypted),
  )
}

/** Plain bytes `offset … offset + length` of an object; empty past its end. Reads the stored bytes at once, so keep `length` small. */
export async function readSealed(
  store: ObjectStore,
  { object_key, secret_key }: Sealed,
  { offset, length }: { offset: number; length: number },
): Promise<Buffer> {
  const stored = await store.head(object_key)
  if (!stored) throw new Error(`object ${object_key} is not there`)
  const size = plainSize(stored.size)
  if (offset >= size || length <= 0) return Buffer.alloc(0)
  const end = Math.min(offset + length, size) - 1
  const [first, last] = [Math.floor(offset / objectChunk), Math.floor(end / objectChunk)]
  const base = first * sealedSize(objectChunk)
  const bytes = await store.get(object_key, { offset: base, length: (last - first + 1) * sealedSize(objectChunk) })
  const source = { sealed_size: stored.size, read: async (at: number, count: number) => bytes.subarray(at - base, at - base + count) }
  const parts: Buffer[] = []
  for await (const part of decryptObject(openObjectKey(secret_key), source, { start: offset, end })) parts.push(part)
  return Buffer.concat(parts)
}

/** The plain bytes of a whole object, chunk by chunk. */
export async function* streamSealed(store: ObjectStore, { object_key, secret_key }: Sealed): AsyncGenerator<Buffer> {
  const stored = await store.head(object_key)
  if (!stored) throw new Error(`object ${object_key} is not there`)
  const source = { sealed_size: stored.size, read: (offset: number, length: number) => store.get(object_key, { offset, length }) }
  if (plainSize(stored.size) > 0) yield* decryptObject(openObjectKey(secret_key), source)
}
