import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { uuid7 } from '@voipbin/kernel'
import { until } from '@voipbin/kernel/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadService } from '../registry.ts'
import { type TestApp, testApp } from '../test-app.ts'
import { engineVersions, speak } from './engines.ts'
import tts from './service.ts'
import { chooseVoice, type Voice } from './voices.ts'

const mine = { customer_id: uuid7() }
let folder: string
let runner: string
let now = Date.now()
let app: TestApp

/** A program that notes each run and passes on to the one that enters the rootfs. */
async function writeRunner(inroot: string): Promise<string> {
  const path = join(folder, 'runner')
  await mkdir(join(folder, 'srv'))
  await writeFile(path, `#!/bin/sh\nexport INST='${join(folder, 'srv')}'\nexec '${inroot}' "$@"\n`)
  await chmod(path, 0o755)
  return path
}

beforeAll(async () => {
  const inroot = process.env.VOIPBIN_INROOT
  if (!inroot) throw new Error('VOIPBIN_INROOT must name the wrapper that runs a command inside the rootfs')
  folder = await mkdtemp(join(tmpdir(), 'tts-'))
  runner = await writeRunner(inroot)
  const env = {
    STORAGE_DIR: join(folder, 'objects'),
    PUBLIC_URL: 'https://api.example.com',
    MEDIA_URL: 'http://127.0.0.1:9999/',
    SPEECH_RUNNER: runner,
  }
  app = await testApp({ services: [tts, await loadService('storage')], env, now: () => new Date(now) })
})
afterAll(async () => {
  await app.close()
  await rm(folder, { recursive: true, force: true })
})

const speech = (text: string, { language = 'en-US', voice = null as string | null, as = mine } = {}) =>
  app.call('createSpeech', { text, language, voice }, as)
async function wavAt(uri: string): Promise<Buffer> {
  const url = new URL(uri)
  const signed = {
    id: url.pathname.split('/')[3] ?? '',
    expires: Number(url.searchParams.get('expires')),
    signature: url.searchParams.get('signature') ?? '',
  }
  return Buffer.from((await app.call('readSignedFile', { ...signed, offset: 0, length: 1_048_576 })).content, 'base64')
}
/** Energy of a tone among the samples (Goertzel), relative to all of it. */
const loudness = (samples: Buffer): number => {
  let sum = 0
  for (let at = 0; at + 1 < samples.length; at += 2) sum += samples.readInt16LE(at) ** 2
  return Math.sqrt(sum / (samples.length / 2))
}

describe('createSpeech', () => {
  test('speaks English with flite and other languages with espeak-ng, as Asterisk can play it', async () => {
    for (const { language, text, engine, spoken } of [
      { language: 'en-US', text: 'Hello, press 1 for sales.', engine: 'flite', spoken: 'en-US' },
      { language: 'de-DE', text: 'Guten Tag, drücken Sie die Eins.', engine: 'espeak-ng', spoken: 'de' },
    ]) {
      const made = await speech(text, { language })
      expect(made).toMatchObject({ engine, language: spoken, cached: false, file_id: expect.any(String) })
      expect(made.media_uri).toMatch(
        /^http:\/\/127\.0\.0\.1:9999\/v1\.0\/storage_files\/[0-9a-f-]{36}\/content\?expires=\d+&signature=[0-9a-f]{64}$/,
      )
      expect(made.duration_ms).toBeGreaterThan(800)
      expect(made.duration_ms).toBeLessThan(6_000)
      const wav = await wavAt(made.media_uri)
      expect(wav.subarray(0, 16).toString('latin1')).toMatch(/^RIFF....WAVEfmt /s)
      expect([wav.readUInt16LE(22), wav.readUInt32LE(24), wav.readUInt16LE(34)]).toEqual([1, 8_000, 16])
      expect((wav.length - 44) / 16).toBeCloseTo(made.duration_ms, -1)
      expect(loudness(wav.subarray(44))).toBeGreaterThan(500)
    }
    await until(() => app.events.some(event => event.event_type === 'storage_file.created'))
  })

  test('remembers what it has spoken, by text, voice, language and customer', async () => {
    const first = await speech('Please hold the line.')
    const again = await speech('Please hold the line.')
    expect(again).toEqual({ ...first, cached: true })
    const others = [
      await speech('Please hold the line!'),
      await speech('Please hold the line.', { voice: 'female' }),
      await speech('Please hold the line.', { as: { customer_id: uuid7() } }),
    ]
    for (const other of others) expect(other).toMatchObject({ cached: false })
    expect(new Set([first, ...others].map(one => one.file_id)).size).toBe(4)
  })

  test('keeps the URL for hours, then makes a new one in time', async () => {
    const first = await speech('One moment.')
    now += 18 * 3_600_000
    expect((await speech('One moment.')).media_uri).toBe(first.media_uri)
    now += 3_600_000
    const renewed = await speech('One moment.')
    expect(renewed).toMatchObject({ cached: true, file_id: first.file_id })
    expect(renewed.media_uri).not.toBe(first.media_uri)
    now = Date.now()
  })

  test('follows the gateway to another address', async () => {
    const first = await speech('Please hold the line.')
    await app.query("UPDATE tts_speeches SET media_uri = REPLACE(media_uri, '127.0.0.1:9999', '127.0.0.1:9998')")
    const again = await speech('Please hold the line.')
    expect(again).toMatchObject({ cached: true, file_id: first.file_id })
    expect(new URL(again.media_uri).host).toBe('127.0.0.1:9999')
  })

  test('speaks again when the file was deleted', async () => {
    const first = await speech('Good bye.')
    await app.call('deleteStorageFile', { id: first.file_id ?? '' }, mine)
    const again = await until(async () => {
      const next = await speech('Good bye.')
      return next.cached ? undefined : next
    })
    expect(again.file_id).not.toBe(first.file_id)
    expect(await speech('Good bye.')).toMatchObject({ cached: true, file_id: again.file_id })
  })

  test('asked for the same at once makes one', async () => {
    const made = await Promise.all(Array.from({ length: 6 }, () => speech('All lines are busy.')))
    expect(new Set(made.map(one => one.file_id)).size).toBe(1)
    const { result } = await app.call('listStorageFiles', { page_size: 100, reference_type: 'speech' }, mine)
    await Promise.all(made.map(async one => expect((await wavAt(one.media_uri)).length).toBeGreaterThan(1_000)))
    expect(result.filter(file => file.id === made[0]?.file_id)).toHaveLength(1)
  })

  test('the same request twice is answered the same', async () => {
    const message_id = uuid7()
    const input = { text: 'Twice.', language: 'en-US', voice: null }
    const first = await app.call('createSpeech', input, mine, { message_id })
    expect(await app.call('createSpeech', input, mine, { message_id })).toMatchObject({
      file_id: first.file_id,
      media_uri: first.media_uri,
    })
  })

  test.each([
    { text: '-o /srv/x --help' },
    { text: '$(touch /srv/x); `id` "quotes\' \\' },
    { text: '?!' },
    { text: '\n' },
    { text: 'ünïcödé 你好' },
    { text: 'word '.repeat(200) },
  ])('speaks any text: $text', async ({ text }) => {
    const made = await speech(text)
    expect(made.duration_ms).toBeGreaterThanOrEqual(100)
    expect((await wavAt(made.media_uri)).length).toBeGreaterThan(1_000)
  })

  test('says which language nobody speaks', async () => {
    await expect(speech('x', { language: 'tlh' })).rejects.toMatchObject({
      reason: 'LANGUAGE_NOT_SUPPORTED',
      details: [{ field: '/language' }],
    })
  })
})

describe('an engine', () => {
  const english = chooseVoice('en', null) as Voice
  const signal = new AbortController().signal
  const fake = async (body: string) => {
    const path = join(folder, `fake-${uuid7()}`)
    await writeFile(path, `#!/bin/sh\n${body}\n`)
    await chmod(path, 0o755)
    return path
  }
  const alive = (pid: number) => {
    try {
      return process.kill(pid, 0)
    } catch {
      return false
    }
  }

  test('that hangs is killed with everything it started', async () => {
    const note = join(folder, 'pids')
    const hangs = await fake(`sleep 1000 & echo $! > '${note}'; wait`)
    await expect(speak('x', english, { runner: hangs, signal, limit_ms: 3_000 })).rejects.toThrow('took longer than 3000 ms')
    const pid = Number(await readFile(note, 'utf8'))
    await until(() => !alive(pid))
  })
  test('that nobody waits for is killed too', async () => {
    const abort = new AbortController()
    const speaking = speak('x', english, { runner: await fake('exec sleep 1000'), signal: abort.signal })
    abort.abort()
    await expect(speaking).rejects.toThrow('nobody waits')
  })
  test.each([
    { when: 'it fails', body: 'cat > /dev/null; echo no voice >&2; exit 3', message: /ended with 3: no voice/ },
    { when: 'it reads nothing', body: 'exit 4', message: /ended with 4/ },
    { when: 'it never stops', body: 'yes', message: /did not stop/ },
  ])('says why when $when', async ({ body, message }) => {
    await expect(speak('x'.repeat(5_000), english, { runner: await fake(body), signal })).rejects.toThrow(message)
  })
  test('that is not installed says so', async () => {
    await expect(speak('x', english, { runner: '/nonexistent/runner', signal })).rejects.toThrow('ENOENT')
    await expect(engineVersions({ runner: '/nonexistent/runner', signal })).rejects.toThrow('ENOENT')
  })
  test('tells its version', async () => {
    expect(await engineVersions({ runner, signal })).toMatch(/flite-\d[\s\S]*eSpeak NG/)
  })
})
