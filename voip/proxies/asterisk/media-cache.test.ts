import { mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { sweepSounds } from './media-cache.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'voipbin-sounds-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const now = 1_800_000_000_000
const sound = (name: string, { size, age_s }: { size: number; age_s: number }): void => {
  writeFileSync(join(folder, name), Buffer.alloc(size))
  utimesSync(join(folder, name), now / 1_000 - age_s, now / 1_000 - age_s)
}

test('sounds go when they are old, and the oldest when they are too many', async () => {
  sound('old.wav', { size: 1, age_s: 101 })
  sound('first.wav', { size: 60, age_s: 30 })
  sound('second.wav', { size: 60, age_s: 20 })
  sound('third.wav', { size: 40, age_s: 10 })
  expect(await sweepSounds(folder, now, { max_age_ms: 100_000, max_bytes: 100 })).toBe(2)
  expect(readdirSync(folder).sort()).toEqual(['second.wav', 'third.wav'])
  expect(await sweepSounds(folder, now, { max_age_ms: 100_000, max_bytes: 100 })).toBe(0)
})
