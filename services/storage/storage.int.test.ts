import { createHash, randomBytes } from 'node:crypto'
import { access, mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { asteriskContract } from '@voipbin/generated/rpc/asterisk'
import type { StorageFile } from '@voipbin/generated/schemas'
import { AppError, uuid7 } from '@voipbin/kernel'
import { until } from '@voipbin/kernel/testing'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { standIn, type TestApp, testApp } from '../test-app.ts'
import storage from './service.ts'

let mine: { customer_id: string }
const theirs = { customer_id: uuid7() }
const missing = uuid7()
let now = Date.now()
let folder: string
let app: TestApp
/** What a process that was killed has left. */
const abandoned = () => join(folder, 'ab', 'cd', `${missing}.1.part`)

/** Recordings on an Asterisk by name, as its proxy hands them out. */
const recordings = new Map<string, Buffer>()
let reads = 0
/** Makes the proxy fail once, at this read. */
let failAt: number | undefined
const asterisk = standIn<'readRecording' | 'deleteStoredRecording'>(asteriskContract, {
  readRecording: async (ctx, { name, offset, length }) => {
    if (++reads === failAt) throw ctx.error('UNAVAILABLE')
    const bytes = recordings.get(name)
    if (!bytes) throw new AppError('RECORDING_FILE_NOT_FOUND', 'NOT_FOUND')
    const part = bytes.subarray(offset, offset + length)
    return { data: part.toString('base64'), size: bytes.length, eof: offset + part.length >= bytes.length }
  },
  deleteStoredRecording: async (_ctx, { name }) => {
    recordings.delete(name)
    return { done: true } as never
  },
})

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'storage-'))
  await mkdir(dirname(abandoned()), { recursive: true })
  await writeFile(abandoned(), 'half')
  await utimes(abandoned(), 0, 0)
  const env = { STORAGE_DIR: folder, PUBLIC_URL: 'https://api.example.com' }
  app = await testApp({ services: [storage], standIns: [asterisk], env, instance: { asterisk_id: 'ast-1' }, now: () => new Date(now) })
})
afterAll(async () => {
  await app.close()
  await rm(folder, { recursive: true, force: true })
})
beforeEach(() => {
  mine = { customer_id: uuid7() }
  now = Date.now()
  reads = 0
  failAt = undefined
})

/** Of this test's customer: events of a test before may still come. */
const sent = (as = mine) => app.events.filter(event => event.customer_id === as.customer_id).map(event => event.event_type)
const objects = async () =>
  (await readdir(folder, { recursive: true, withFileTypes: true })).filter(entry => entry.isFile()).map(entry => entry.name)
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
const put = (id: string, bytes: Buffer, { offset = 0, last = true, as = mine } = {}) =>
  app.call(
    'putFile',
    {
      id,
      reference_type: 'normal',
      reference_id: null,
      name: 'n',
      filename: 'n.bin',
      content_type: 'application/x-test',
      offset,
      content: bytes.toString('base64'),
      last,
    },
    as,
  )
async function read(id: string, as = mine): Promise<Buffer> {
  const parts: Buffer[] = []
  for (let offset = 0; ; ) {
    const part = Buffer.from((await app.call('readFile', { id, offset, length: 1_048_576 }, as)).content, 'base64')
    if (part.length === 0) return Buffer.concat(parts)
    parts.push(part)
    offset += part.length
  }
}

describe('a recording', () => {
  const fetch = (name: string, recording_id = uuid7(), options = {}) => {
    const input = {
      recording_id,
      asterisk_id: 'ast-1',
      name,
      filename: 'r.wav',
      content_type: 'audio/wav',
      owner_type: 'customer' as const,
      owner_id: mine.customer_id,
    }
    return app.call('createFileFromRecording', input, { ...mine, deadline: Date.now() + 60_000 }, options)
  }

  test.each([0, 1_000, 262_144, 3_000_001])('of %i bytes is fetched, encrypted, and deleted where it was', async size => {
    const name = uuid7()
    const bytes = randomBytes(size)
    recordings.set(name, bytes)
    const recording_id = uuid7()
    const file = await fetch(name, recording_id)
    expect(file).toMatchObject({
      customer_id: mine.customer_id,
      reference_type: 'recording',
      reference_id: recording_id,
      filename: 'r.wav',
      filesize: size,
      sha256: sha256(bytes),
      status: 'available',
    })
    expect((await read(file.id)).equals(bytes)).toBe(true)
    expect(recordings.has(name)).toBe(false)
    await until(() => sent().length === 1)
    expect(sent()).toEqual(['storage_file.created'])
    expect(JSON.stringify(app.events)).not.toMatch(/object_key|secret_key/)
  })

  test('is fetched once, whoever asks how often', async () => {
    const name = uuid7()
    const recording_id = uuid7()
    const bytes = randomBytes(600_000)
    recordings.set(name, bytes)
    const message_id = uuid7()
    const first = await fetch(name, recording_id, { message_id })
    expect(await fetch(name, recording_id, { message_id })).toEqual(first)
    expect(await fetch(name, recording_id)).toEqual(first)
    expect((await read(first.id)).equals(bytes)).toBe(true)
    await until(() => sent().length > 0)
    expect(sent()).toEqual(['storage_file.created'])
  })

  test('two at once make one file', async () => {
    const name = uuid7()
    const recording_id = uuid7()
    const bytes = randomBytes(900_000)
    recordings.set(name, bytes)
    const made = (await Promise.allSettled([fetch(name, recording_id), fetch(name, recording_id)])).flatMap(one =>
      one.status === 'fulfilled' ? [one.value] : [],
    )
    expect(made.length).toBeGreaterThan(0)
    expect(new Set(made.map(file => file.id)).size).toBe(1)
    expect((await read(made[0]?.id ?? '')).equals(bytes)).toBe(true)
  })

  test('that broke off goes on when it is asked for again', async () => {
    const name = uuid7()
    const recording_id = uuid7()
    const bytes = randomBytes(1_000_000)
    recordings.set(name, bytes)
    failAt = 3
    await expect(fetch(name, recording_id)).rejects.toMatchObject({ status: 'UNAVAILABLE' })
    const [pending] = (await app.call('listStorageFiles', { page_size: 50, reference_id: recording_id }, mine)).result
    expect(pending).toMatchObject({ status: 'pending' })
    await expect(app.call('readFile', { id: pending?.id ?? '', offset: 0, length: 1 }, mine)).rejects.toMatchObject({
      reason: 'STORAGE_FILE_UNAVAILABLE',
    })
    await expect(app.call('createDownloadUrl', { id: pending?.id ?? '' }, mine)).rejects.toMatchObject({
      reason: 'STORAGE_FILE_UNAVAILABLE',
    })
    expect(await fetch(name, recording_id)).toMatchObject({ id: pending?.id, status: 'available', sha256: sha256(bytes) })
  })

  test('that is not there is said to be lost', async () => {
    const recording_id = uuid7()
    await expect(fetch('nothing', recording_id)).rejects.toMatchObject({ reason: 'RECORDING_FILE_UNAVAILABLE' })
    expect((await app.call('listStorageFiles', { page_size: 50, reference_id: recording_id }, mine)).result).toMatchObject([
      { status: 'failed' },
    ])
    expect(sent()).toEqual([])
  })
})

describe('putFile', () => {
  test('in one part', async () => {
    const bytes = randomBytes(1_048_576)
    const id = uuid7()
    expect(await put(id, bytes)).toMatchObject({
      id,
      status: 'available',
      filesize: bytes.length,
      sha256: sha256(bytes),
      owner_type: 'customer',
      owner_id: mine.customer_id,
    })
    expect((await read(id)).equals(bytes)).toBe(true)
    expect(await put(id, bytes)).toMatchObject({ id, status: 'available' })
    await until(() => sent().length > 0)
    expect(sent()).toEqual(['storage_file.created'])
    expect(await app.ownerOf('storage', 'storage_file', id)).toBe(mine.customer_id)
  })

  test('in several parts, some of them twice', async () => {
    const bytes = randomBytes(250_000)
    const id = uuid7()
    const part = (from: number, to: number, last = false) => put(id, bytes.subarray(from, to), { offset: from, last })
    expect(await part(0, 100_000)).toMatchObject({ status: 'pending', filesize: 100_000, sha256: null })
    expect(await part(0, 100_000)).toMatchObject({ status: 'pending', filesize: 100_000 })
    await expect(part(150_000, 250_000)).rejects.toMatchObject({ reason: 'STORAGE_OFFSET_WRONG' })
    expect(await part(100_000, 200_000)).toMatchObject({ status: 'pending', filesize: 200_000 })
    expect(await part(200_000, 250_000, true)).toMatchObject({ status: 'available', filesize: 250_000, sha256: sha256(bytes) })
    expect(await part(200_000, 250_000, true)).toMatchObject({ status: 'available' })
    expect((await read(id)).equals(bytes)).toBe(true)
    const [{ object_key } = { object_key: '' }] = await app.query<{ object_key: string }>(
      'SELECT object_key FROM storage_files WHERE id = ?',
      [id],
    )
    const parts = await app.query<{ object_key: string }>('SELECT object_key FROM storage_parts WHERE file_id = ?', [id])
    expect(parts).toHaveLength(3)
    await until(async () => {
      const stored = await objects()
      return stored.includes(object_key) && parts.every(one => !stored.includes(one.object_key))
    })
  })

  test('takes nobody else’s id', async () => {
    const id = uuid7()
    await put(id, Buffer.from('mine'))
    await expect(put(id, Buffer.from('theirs'), { as: theirs })).rejects.toMatchObject({ reason: 'CONFLICT' })
    expect((await read(id)).toString()).toBe('mine')
  })
})

describe('a file', () => {
  const signed = (uri: string) => {
    const url = new URL(uri)
    return {
      id: url.pathname.split('/')[3] ?? '',
      expires: Number(url.searchParams.get('expires')),
      signature: url.searchParams.get('signature') ?? '',
    }
  }

  test('is downloaded by a signed URL until it expires', async () => {
    const id = uuid7()
    await put(id, Buffer.from('content'))
    const made = await app.call('createDownloadUrl', { id, expire: 60 }, mine)
    expect(made).toMatchObject({
      filename: 'n.bin',
      content_type: 'application/x-test',
      filesize: 7,
      tm_expire: expect.stringMatching(/000000Z$/),
    })
    expect(made.uri).toMatch(
      new RegExp(`^https://api\\.example\\.com/v1\\.0/storage_files/${id}/content\\?expires=\\d+&signature=[0-9a-f]{64}$`),
    )
    const url = signed(made.uri)
    const part = { offset: 3, length: 100 }
    expect(await app.call('readSignedFile', { ...url, ...part })).toEqual({
      filename: 'n.bin',
      content_type: 'application/x-test',
      filesize: 7,
      offset: 3,
      content: Buffer.from('tent').toString('base64'),
    })
    await expect(app.call('readSignedFile', { ...url, ...part, expires: url.expires + 1 })).rejects.toMatchObject({
      reason: 'SIGNATURE_INVALID',
    })
    await expect(app.call('readSignedFile', { ...url, ...part, id: missing })).rejects.toMatchObject({ reason: 'SIGNATURE_INVALID' })
    now += 61_000
    await expect(app.call('readSignedFile', { ...url, ...part })).rejects.toMatchObject({ reason: 'SIGNATURE_EXPIRED' })
  })

  test('is erased when it is deleted', async () => {
    const id = uuid7()
    await put(id, Buffer.from('content'))
    const { uri } = await app.call('createDownloadUrl', { id }, mine)
    const [{ object_key } = { object_key: '' }] = await app.query<{ object_key: string }>(
      'SELECT object_key FROM storage_files WHERE id = ?',
      [id],
    )
    expect(await objects()).toContain(object_key)
    expect(await app.call('deleteStorageFile', { id }, mine)).toMatchObject({ id, status: 'deleted', tm_delete: expect.any(String) })
    await until(async () => !(await objects()).includes(object_key))
    await expect(app.call('readSignedFile', { ...signed(uri), offset: 0, length: 1 })).rejects.toMatchObject({
      reason: 'STORAGE_FILE_NOT_FOUND',
    })
    await until(() => sent().length === 2)
    expect(sent()).toEqual(['storage_file.created', 'storage_file.deleted'])
    expect(JSON.stringify(await app.query('SELECT old, new FROM kernel_audits WHERE resource_id = ?', [id]))).not.toMatch(
      /v1\.[0-9a-f]{8}\./,
    )
  })

  test.each([
    { operation: 'getStorageFile' as const, more: {} },
    { operation: 'deleteStorageFile' as const, more: {} },
    { operation: 'createDownloadUrl' as const, more: {} },
    { operation: 'readFile' as const, more: { offset: 0, length: 1 } },
  ])('$operation: a foreign one looks like a missing one', async ({ operation, more }) => {
    const id = uuid7()
    await put(id, Buffer.from('content'))
    await expect(app.call(operation, { id, ...more } as never, theirs)).rejects.toMatchObject({ reason: 'STORAGE_FILE_NOT_FOUND' })
    await expect(app.call(operation, { id: missing, ...more } as never, mine)).rejects.toMatchObject({ reason: 'STORAGE_FILE_NOT_FOUND' })
    expect((await app.call('listStorageFiles', { page_size: 50 }, theirs)).result).toEqual([])
  })

  test('goes with its customer', async () => {
    const as = { customer_id: uuid7() }
    const made: StorageFile[] = []
    for (const last of [true, true, false]) made.push(await put(uuid7(), randomBytes(100), { last, as }))
    const stored = await app.query<{ object_key: string }>(
      'SELECT object_key FROM storage_files WHERE customer_id = ? UNION SELECT object_key FROM storage_parts WHERE customer_id = ?',
      [as.customer_id, as.customer_id],
    )
    expect(stored.length).toBe(4)
    await app.publish('customer', { event_type: 'customer.deleted', data: { id: as.customer_id } })
    await until(async () => (await app.call('listStorageFiles', { page_size: 50 }, as)).result.length === 0)
    await until(async () => {
      const left = await objects()
      return stored.every(one => !left.includes(one.object_key))
    })
    await until(() => sent(as).filter(type => type === 'storage_file.deleted').length === made.length)
  })
})

test('what a killed writer has left half written is swept, once for all of an hour', async () => {
  for (const id of [uuid7(), uuid7()]) await put(id, randomBytes(100))
  const timers = () => app.query<{ tm_due: string }>("SELECT timer_key FROM storage_timers WHERE name = 'sweep'")
  expect((await timers()).length).toBeLessThan(3)
  await access(abandoned())
  await app.query("UPDATE storage_timers SET tm_due = '2020-01-01' WHERE name = 'sweep'")
  await until(async () => (await timers()).length === 0)
  await expect(access(abandoned())).rejects.toThrow(/ENOENT/)
})
