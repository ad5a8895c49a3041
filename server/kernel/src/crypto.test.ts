import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { decrypt, encrypt, parseKeyRing, randomToken, sameText, tokenHash } from './crypto.ts'
import { decryptObject, encryptObject, newObjectKey, objectChunk, openObjectKey, plainSize, sealedSize } from './object-crypto.ts'
import { checkPassword, hashPassword, isOutdated } from './password.ts'

const newKey = () => randomBytes(32).toString('base64')

describe('encrypt', () => {
  const keys = parseKeyRing(newKey())
  test('comes back, and is different every time', () => {
    const sealed = encrypt('secret ☎', { keys })
    expect(decrypt(sealed, { keys }).toString()).toBe('secret ☎')
    expect(encrypt('secret ☎', { keys })).not.toBe(sealed)
  })
  test('a changed text, another key and another binding are refused', () => {
    const sealed = encrypt('secret', { keys, bound: 'a' })
    const at = sealed.length - 3
    const changed = sealed.slice(0, at) + (sealed[at] === 'A' ? 'B' : 'A') + sealed.slice(at + 1)
    expect(() => decrypt(changed, { keys, bound: 'a' })).toThrow()
    expect(() => decrypt(sealed, { keys, bound: 'b' })).toThrow()
    expect(() => decrypt(sealed, { keys: parseKeyRing(newKey()), bound: 'a' })).toThrow('no installation key')
    expect(() => decrypt('plain', { keys })).toThrow('not an encrypted value')
  })
  test('a new current key still reads what the old one wrote', () => {
    const old = newKey()
    const sealed = encrypt('secret', { keys: parseKeyRing(old) })
    const rotated = parseKeyRing(`${newKey()},${old}`)
    expect(decrypt(sealed, { keys: rotated }).toString()).toBe('secret')
    expect(encrypt('secret', { keys: rotated })).not.toContain(sealed.split('.')[1])
  })
  test.each(['', 'short', Buffer.alloc(31).toString('base64')])('refuses the key %j', text =>
    expect(() => parseKeyRing(text)).toThrow(TypeError),
  )
})

test('tokens', () => {
  expect(randomToken()).toMatch(/^[A-Za-z0-9]{32}$/)
  expect(randomToken()).not.toBe(randomToken())
  expect(tokenHash('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
  expect(sameText('a', 'a')).toBe(true)
  expect(sameText('a', 'ab')).toBe(false)
})

test('passwords', async () => {
  const stored = await hashPassword('correct horse')
  expect(stored).toMatch(/^\$argon2id\$/)
  expect(await checkPassword(stored, 'correct horse')).toBe(true)
  expect(await checkPassword(stored, 'wrong')).toBe(false)
  expect(await checkPassword(null, 'correct horse')).toBe(false)
  expect(isOutdated(stored)).toBe(false)
  expect(isOutdated(stored.replace('m=19456', 'm=4096'))).toBe(true)
})

describe('stored objects', () => {
  const keys = parseKeyRing(newKey())
  const { key, wrapped } = newObjectKey(keys)

  const collect = async (parts: AsyncIterable<Buffer>) => {
    const all: Buffer[] = []
    for await (const part of parts) all.push(part)
    return Buffer.concat(all)
  }
  const store = async (plain: Buffer, pieces = 7_001) => {
    const input = Readable.from(
      Array.from({ length: Math.ceil(plain.length / pieces) }, (_, n) => plain.subarray(n * pieces, (n + 1) * pieces)),
    )
    return collect(input.pipe(encryptObject(key)))
  }
  const source = (sealed: Buffer) => {
    const reads: number[] = []
    const read = async (offset: number, length: number) => {
      reads.push(offset)
      return sealed.subarray(offset, offset + length)
    }
    return { sealed_size: sealed.length, read, reads }
  }
  const load = async (sealed: Buffer, range = {}) => collect(decryptObject(key, source(sealed), range))

  test('the wrapped key opens', () => expect(openObjectKey(wrapped, keys)).toEqual(key))

  test.each([0, 1, objectChunk - 1, objectChunk, objectChunk + 1, 3 * objectChunk, 3 * objectChunk + 500])(
    '%i bytes come back',
    async size => {
      const plain = randomBytes(size)
      const sealed = await store(plain)
      expect(sealed.length).toBe(sealedSize(size))
      expect(plainSize(sealed.length)).toBe(size)
      expect(await load(sealed)).toEqual(plain)
      if (size > 100) expect(sealed.includes(plain.subarray(0, 64))).toBe(false)
    },
  )

  test('a range reads only its chunks', async () => {
    const plain = randomBytes(4 * objectChunk)
    const stored = source(await store(plain))
    const start = objectChunk + 10
    const end = 2 * objectChunk + 5
    const part = await collect(decryptObject(key, stored, { start, end }))
    expect(part).toEqual(plain.subarray(start, end + 1))
    expect(stored.reads).toHaveLength(2)
    expect(await load(await store(plain), { start: plain.length - 1 })).toEqual(plain.subarray(-1))
    await expect(load(await store(plain), { start: plain.length })).rejects.toThrow(RangeError)
  })

  test('a cut, a swap and a flipped bit are noticed', async () => {
    const sealed = await store(randomBytes(3 * objectChunk))
    const chunk = objectChunk + 16
    await expect(load(sealed.subarray(0, 2 * chunk))).rejects.toThrow()
    const swapped = Buffer.concat([sealed.subarray(chunk, 2 * chunk), sealed.subarray(0, chunk), sealed.subarray(2 * chunk)])
    await expect(load(swapped)).rejects.toThrow()
    const flipped = Buffer.from(sealed)
    flipped.writeUInt8(flipped.readUInt8(100) ^ 1, 100)
    await expect(load(flipped)).rejects.toThrow()
  })
})
