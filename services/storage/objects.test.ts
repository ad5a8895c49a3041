import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { newObjectKey, objectChunk, parseKeyRing, setInstallationKey, uuid7 } from '@voipbin/kernel'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { diskStore } from './disk-store.ts'
import { type ObjectStore, readSealed, streamSealed, writeSealed } from './objects.ts'
import { isSigned, signatureOf } from './signatures.ts'

let folder: string
let store: ObjectStore
beforeAll(async () => {
  setInstallationKey(Buffer.alloc(32, 7).toString('base64'))
  folder = await mkdtemp(join(tmpdir(), 'objects-'))
  store = diskStore(folder)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function* pieces(bytes: Buffer, size = 10_000): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}
async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const part of source) parts.push(part)
  return Buffer.concat(parts)
}
const filesIn = async () => (await readdir(folder, { recursive: true, withFileTypes: true })).filter(entry => entry.isFile())

/** What every store of objects must do. */
describe('a store', () => {
  const bytes = randomBytes(100_000)
  test('gives back what was put, whole and in ranges', async () => {
    const key = uuid7()
    await store.put(key, pieces(bytes))
    expect(await store.head(key)).toEqual({ size: bytes.length })
    expect(Buffer.from(await store.get(key, { offset: 0, length: bytes.length })).equals(bytes)).toBe(true)
    expect(Buffer.from(await store.get(key, { offset: 99_990, length: 100 })).equals(bytes.subarray(99_990))).toBe(true)
  })
  test('replaces an object at once and deletes it without complaint', async () => {
    const key = uuid7()
    await store.put(key, pieces(bytes))
    await store.put(key, pieces(Buffer.from('new')))
    expect(Buffer.from(await store.get(key, { offset: 0, length: 10 })).toString()).toBe('new')
    await store.delete(key)
    await store.delete(key)
    expect(await store.head(key)).toBeNull()
    await expect(store.get(key, { offset: 0, length: 1 })).rejects.toThrow(/ENOENT/)
  })
  test('sweeps what a writer that was killed has left, and nothing else', async () => {
    const key = uuid7()
    await store.put(key, pieces(bytes))
    const [whole] = (await filesIn()).filter(entry => entry.name === key)
    const left = join(whole?.parentPath ?? '', `${key}.0198.part`)
    await writeFile(left, 'half')
    const going = join(whole?.parentPath ?? '', `${key}.0199.part`)
    await writeFile(going, 'half')
    const longAgo = new Date(Date.now() - 7_200_000)
    for (const path of [left, join(whole?.parentPath ?? '', key)]) await utimes(path, longAgo, longAgo)
    expect(await store.sweep(new Date(Date.now() - 3_600_000))).toBe(1)
    expect((await filesIn()).map(entry => entry.name).filter(name => name.startsWith(key))).toEqual([key, `${key}.0199.part`])
    expect(await store.sweep(new Date(Date.now() + 60_000))).toBe(1)
    expect(await store.head(key)).toEqual({ size: bytes.length })
  })
  test('keeps nothing of what breaks off', async () => {
    const key = uuid7()
    const before = (await filesIn()).length
    const broken = async function* () {
      yield bytes
      throw new Error('the line went dead')
    }
    await expect(store.put(key, broken())).rejects.toThrow('the line went dead')
    expect(await store.head(key)).toBeNull()
    expect(await filesIn()).toHaveLength(before)
  })
  test.each(['../../etc/passwd', '', 'a/b', '.hidden-file'])('takes no key %s', async key => {
    await expect(store.put(key, pieces(bytes))).rejects.toThrow('no object key')
  })
})

describe('a sealed object', () => {
  const seal = async (plain: Buffer) => {
    const sealed = { object_key: uuid7(), secret_key: newObjectKey().wrapped }
    await writeSealed(store, sealed, pieces(plain))
    return sealed
  }
  test.each([0, 1, objectChunk - 1, objectChunk, objectChunk + 1, 3 * objectChunk + 5])('of %i bytes comes back', async size => {
    const plain = randomBytes(size)
    const sealed = await seal(plain)
    expect((await collect(streamSealed(store, sealed))).equals(plain)).toBe(true)
    for (const offset of [0, 1, objectChunk - 1, objectChunk, size - 1, size, size + 10].filter(at => at >= 0)) {
      const part = await readSealed(store, sealed, { offset, length: objectChunk + 7 })
      expect(part.equals(plain.subarray(offset, offset + objectChunk + 7))).toBe(true)
    }
  })
  test('shows nothing of its content on the disk', async () => {
    const plain = Buffer.alloc(200_000, 'very secret text ')
    const { object_key } = await seal(plain)
    const entry = (await filesIn()).find(file => file.name === object_key)
    expect((await readFile(join(entry?.parentPath ?? '', object_key))).includes('secret')).toBe(false)
  })
  test('is written as it comes, never held as a whole', async () => {
    let made = 0
    let written = 0
    let furthest = 0
    const source = async function* () {
      for (; made < 200; made++) yield randomBytes(262_144)
    }
    const slow: ObjectStore = {
      ...store,
      put: async (_key, encrypted) => {
        for await (const bytes of encrypted) {
          written += bytes.length
          furthest = Math.max(furthest, made * 262_144 - written)
        }
      },
    }
    await writeSealed(slow, { object_key: uuid7(), secret_key: newObjectKey().wrapped }, source())
    expect(written).toBeGreaterThan(200 * 262_144)
    expect(furthest).toBeLessThan(8 * 1024 * 1024)
    // 50 MB are encrypted: on a busy machine that takes its time.
  })
})

describe('a signature', () => {
  const key = (byte: number) => Buffer.alloc(32, byte).toString('base64')
  const id = uuid7()
  test.each([
    { when: 'it is right', change: {}, want: true },
    { when: 'another file is asked for', change: { id: uuid7() }, want: false },
    { when: 'the time was changed', change: { expires: 2_000_000_001 }, want: false },
    { when: 'it was changed', change: { signature: 'ab'.repeat(32) }, want: false },
    { when: 'it is empty', change: { signature: '' }, want: false },
  ])('holds or not when $when', ({ change, want }) => {
    const url = { id, expires: 2_000_000_000, signature: signatureOf(id, 2_000_000_000) }
    expect(isSigned({ ...url, ...change })).toBe(want)
  })
  test('outlives a change of keys', () => {
    const signature = signatureOf(id, 2_000_000_000, parseKeyRing(key(1)))
    expect(isSigned({ id, expires: 2_000_000_000, signature }, parseKeyRing(`${key(2)},${key(1)}`))).toBe(true)
    expect(isSigned({ id, expires: 2_000_000_000, signature }, parseKeyRing(key(2)))).toBe(false)
  })
})
