import { setTimeout as delay } from 'node:timers/promises'

/** Polls until `probe` gives something other than undefined or false. A probe that throws counts as "not yet"; the last error is reported. */
export async function until<T>(
  what: string,
  probe: () => Promise<T | undefined | false> | T | undefined | false,
  timeout_ms = 30_000,
): Promise<T> {
  const end = Date.now() + timeout_ms
  let last: unknown
  while (Date.now() < end) {
    try {
      const value = await probe()
      if (value !== undefined && value !== false) return value
      last = undefined
    } catch (error) {
      last = error
    }
    await delay(20)
  }
  throw new Error(`waited ${timeout_ms} ms for ${what}`, { cause: last })
}
