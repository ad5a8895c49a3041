import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { serve } from '../server-fixture.ts'
import { readArguments } from './arguments.ts'
import { builtIns } from './catalogue.ts'
import { world } from './io-fixture.ts'
import { writeProfile } from './profiles.ts'

// Blocks marked `run` are run against a platform by e2e/journeys/9-cli.e2e.test.ts; the others must at least be understood.
const page = readFileSync(path.resolve(import.meta.dirname, '../../../docs/cli.md'), 'utf8')
const lines = [...page.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].flatMap(match => (match[1] ?? '').trim().split('\n'))

test('docs/cli.md has samples, and every one is a command', () => {
  expect(lines.length).toBeGreaterThan(10)
  expect(lines.filter(line => !line.startsWith('voipbin '))).toEqual([])
})

test.each(lines)('%s', async line => {
  const script = `voipbin() { for word; do printf '%s\\037' "$word"; done; }\n${line}`
  const words = spawnSync('sh', ['-c', script], { encoding: 'utf8' }).stdout.split('\u001f').slice(0, -1)
  const [first = ''] = words
  // These would ask or go on for ever; what they do has tests of its own.
  if (first in builtIns) return expect(readArguments(words.slice(1), builtIns[first]?.flags ?? {}).values.has('help')).toBe(false)
  const { url, seen } = await serve({ status: 200, body: { result: [], next_page_token: '' } })
  const env = { VOIPBIN_ACCESS_KEY: 'ak_test', VOIPBIN_BASE_URL: url }
  const place = world({ env })
  writeProfile(place.io.env, 'staging', { base_url: url, access_key: 'ak_staging' })
  expect(await place.run(...words)).toMatchObject({ code: 0, err: '' })
  expect(seen).toHaveLength(1)
})
