import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'

/** Asterisk keeps every sound it has fetched, and forgets none. One that is gone is fetched again; one that plays is read to its end. */
const bounds = { max_age_ms: 3_600_000, max_bytes: 268_435_456 }
const pause_ms = 10_000

/** Removes fetched sounds that are old, and the oldest beyond a number of bytes in all. Answers how many went. */
export async function sweepSounds(folder: string, now: number, { max_age_ms, max_bytes } = bounds): Promise<number> {
  const names = await readdir(folder)
  const found = await Promise.all(names.map(async name => ({ path: join(folder, name), ...(await sizeOf(join(folder, name))) })))
  let bytes = 0
  let removed = 0
  for (const { path, size, mtimeMs } of found.toSorted((a, b) => b.mtimeMs - a.mtimeMs)) {
    bytes += size
    if (bytes <= max_bytes && now - mtimeMs <= max_age_ms) continue
    await rm(path, { force: true })
    removed++
  }
  return removed
}

async function sizeOf(path: string): Promise<{ size: number; mtimeMs: number }> {
  try {
    return await stat(path)
  } catch (error) {
    // Asterisk replaces files by renaming them.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { size: 0, mtimeMs: Number.POSITIVE_INFINITY }
    throw error
  }
}

/** Sweeps now and then, until stopped. */
export function keepSounds(folder: string, onFault: (error: unknown) => void): { stop(): void } {
  let sweeping = false
  const timer = setInterval(async () => {
    if (sweeping) return
    sweeping = true
    try {
      await sweepSounds(folder, Date.now())
    } catch (error) {
      onFault(error)
    } finally {
      sweeping = false
    }
  }, pause_ms)
  return { stop: () => clearInterval(timer) }
}
