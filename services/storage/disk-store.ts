import { randomUUID } from 'node:crypto'
import { glob, mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { ObjectStore } from './objects.ts'

const keyForm = /^[0-9a-z-]{8,64}$/

/**
 * Objects as files under one folder, fanned out over 65,536 subfolders. A new file is written under another name, flushed to the disk and renamed, so
 * that a crash leaves the old object or the new one.
 */
export function diskStore(folder: string): ObjectStore {
  const pathOf = (key: string): string => {
    if (!keyForm.test(key)) throw new Error(`no object key: ${key}`)
    // Keys are UUIDv7: their end is random, their beginning is the time.
    return join(folder, key.slice(-2), key.slice(-4, -2), key)
  }
  return {
    put: async (key, source) => {
      const path = pathOf(key)
      await mkdir(dirname(path), { recursive: true, mode: 0o700 })
      const written = `${path}.${randomUUID()}${unfinished}`
      try {
        await write(written, source)
        await rename(written, path)
        await sync(dirname(path))
      } catch (error) {
        await rm(written, { force: true })
        throw error
      }
    },
    get: async (key, { offset, length }) => {
      const file = await open(pathOf(key), 'r')
      try {
        const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, offset)
        return buffer.subarray(0, bytesRead)
      } finally {
        await file.close()
      }
    },
    head: async key => {
      try {
        return { size: (await stat(pathOf(key))).size }
      } catch (error) {
        if (isMissing(error)) return null
        throw error
      }
    },
    delete: key => rm(pathOf(key), { force: true }),
    sweep: before => sweep(folder, before),
  }
}

const unfinished = '.part'

/** A write that goes on touches its file with every chunk. */
async function sweep(folder: string, before: Date): Promise<number> {
  let removed = 0
  for await (const name of glob(`*/*/*${unfinished}`, { cwd: folder })) {
    const path = join(folder, name)
    try {
      if ((await stat(path)).mtime >= before) continue
      await rm(path)
      removed++
    } catch (error) {
      // Finished meanwhile, or swept by somebody else.
      if (!isMissing(error)) throw error
    }
  }
  return removed
}

async function write(path: string, source: AsyncIterable<Uint8Array>): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    for await (const bytes of source) await file.writeFile(bytes)
    await file.sync()
  } finally {
    await file.close()
  }
}

async function sync(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

const isMissing = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'ENOENT'
