import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { tryLock } from '../lock.mjs'
import { createProgress } from '../progress.mjs'
import { archiveKey, debianMirror } from '../provision.mjs'
import { at, decode, encode } from './bencode.ts'
import { parseFlags } from './flags.ts'
import { pathsOf } from './paths.ts'
import { portsOf } from './ports.ts'
import { identify, isAlive, signal } from './proc.ts'
import { readVitest, totals } from './report.ts'
import { loadSecrets } from './secrets.ts'
import { parseAnswer, responseTime } from './selftest.ts'
import { newState, readState, stateSchema, writeState } from './state.ts'
import { decodeUlaw, encodeUlaw, toneShare } from './tone.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'voipbin-pieces-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('debianMirror', () => {
  const etc = (files: Record<string, string>) => {
    mkdirSync(path.join(folder, 'sources.list.d'))
    for (const [name, text] of Object.entries(files)) writeFileSync(path.join(folder, name), text)
    return folder
  }

  it('reads deb822, past comments, disabled stanzas and foreign repositories', () => {
    const text = [
      'Types: deb\nURIs: https://other.example/node\nSuites: nodistro\nComponents: main\n',
      'Enabled: no\nTypes: deb\nURIs: http://off.example/debian\nSuites: bookworm\nComponents: main\n',
      'Types: deb\n# a comment\nURIs: http://mirror.example/debian\nSuites: bookworm\n bookworm-updates\nComponents: main\n',
    ].join('\n')
    expect(debianMirror(etc({ 'sources.list.d/debian.sources': text }))).toBe('http://mirror.example/debian')
  })

  it('reads one-line sources with options, not the security ones', () => {
    const text =
      '# deb http://no.example/ bookworm main\ndeb http://sec.example/ bookworm-security main\ndeb [signed-by=/k.gpg arch=amd64] https://mirror.example/debian trixie main contrib\n'
    expect(debianMirror(etc({ 'sources.list': text }))).toBe('https://mirror.example/debian')
  })

  it('says what to add when there is none', () => {
    expect(() => debianMirror(etc({}))).toThrow(/add one/)
  })
})

it('the two archives have different, stable keys', () => {
  expect(archiveKey('rootfs')).toMatch(/^[0-9a-f]{16}$/)
  expect(archiveKey('rootfs')).toBe(archiveKey('rootfs'))
  expect(archiveKey('rootfs')).not.toBe(archiveKey('browser'))
})

describe('state.json', () => {
  const state = () => newState(parseFlags([]), portsOf(parseFlags([])), identify(process.pid))

  it('survives writing and reading, for root only', () => {
    const paths = pathsOf(folder)
    writeState(paths, state())
    expect(readState(paths)).toEqual(state().tm_start ? expect.objectContaining({ status: 'starting' }) : undefined)
    expect(statSync(paths.stateFile).mode & 0o777).toBe(0o600)
  })

  it('has every field that programs rely on', () => {
    const parsed = stateSchema.parse(state())
    expect(parsed).toMatchObject({
      api_url: 'http://127.0.0.1:8080/v1.0',
      auth_url: 'http://127.0.0.1:8080/auth',
      ws_url: 'ws://127.0.0.1:8080/ws',
      sip: { wss_url: 'wss://127.0.0.1:18012', udp: '127.0.0.1:18010', domain: 'voipbin.test' },
      ports: { http: 8080, mariadb: 18_001 },
    })
  })

  it('is refused with unknown or wrong fields', () => {
    expect(stateSchema.safeParse({ ...state(), surprise: 1 }).success).toBe(false)
    expect(stateSchema.safeParse({ ...state(), ports: { http: 99_999 } }).success).toBe(false)
  })
})

it('secrets are made once, for root only, and a missing one is added', () => {
  const paths = pathsOf(folder)
  const first = loadSecrets(paths)
  expect(statSync(paths.secretsFile).mode & 0o777).toBe(0o600)
  expect(loadSecrets(paths)).toEqual(first)
  const { ari_password: _, ...rest } = first
  writeFileSync(paths.secretsFile, JSON.stringify(rest))
  const again = loadSecrets(paths)
  expect(again).toMatchObject(rest)
  expect(again.ari_password).toMatch(/^[0-9a-f]{48}$/)
})

it('damaged secrets are refused with the field and what to do', () => {
  const paths = pathsOf(folder)
  writeFileSync(paths.secretsFile, '{"ari_password": 5}')
  expect(() => loadSecrets(paths)).toThrow(/ari_password.*[\s\S]*Put back a copy/)
  writeFileSync(paths.secretsFile, '{')
  expect(() => loadSecrets(paths)).toThrow(/secrets\.json is damaged/)
})

it('a lock has one holder, and is free after it', async () => {
  const file = path.join(folder, 'a.lock')
  const release = await tryLock(file)
  expect(await tryLock(file)).toBeUndefined()
  expect(readFileSync(file, 'utf8').trim()).toBe(String(process.pid))
  await release?.()
  const again = await tryLock(file)
  expect(again).toBeDefined()
  await again?.()
})

it.each([0, -0, 1, -1, Number.NaN])('no signal ever goes to process %s', pid => {
  expect(() => signal(pid, 'SIGKILL')).toThrow(/refusing/)
})

it('a process is told from a later one with its number', () => {
  const self = identify(process.pid)
  expect(isAlive(self)).toBe(true)
  expect(isAlive({ ...self, started: '1' })).toBe(false)
})

it('progress prints one plain line per step on a dumb terminal', () => {
  let text = ''
  const progress = createProgress({ write: part => (text += part), isTTY: true }, { TERM: 'dumb' })
  progress.step('packages').done('911 of them')
  progress.step('servers').fail()
  expect(text).toMatch(/^ {2}✓ packages +0\.0 s {2}911 of them\n {2}✗ servers +0\.0 s\n$/)
})

describe('bencode', () => {
  it('encodes keys in order', () => {
    expect(encode({ command: 'query', 'call-id': 'a' })).toBe('d7:call-id1:a7:command5:querye')
  })
  it('decodes what rtpengine answers', () => {
    const value = decode(`d6:result2:ok4:tagsd1:ad6:mediasld7:streamsld5:statsd7:packetsi50e${'e'.repeat(9)}`)
    expect(at(value, 'tags', 'a', 'medias', 0, 'streams', 0, 'stats', 'packets')).toBe(50)
    expect(at(value, 'tags', 'b', 'medias')).toBeUndefined()
  })
  it('refuses garbage', () => {
    expect(() => decode('x')).toThrow(/bencode/)
  })
})

describe('tone', () => {
  const tone = (hz: number) =>
    Array.from({ length: 8000 }, (_, n) => decodeUlaw(encodeUlaw(8000 * Math.sin((2 * Math.PI * hz * n) / 8000))))

  it('µ-law keeps a sample within its step', () => {
    for (const sample of [-32_000, -1000, -5, 0, 7, 300, 12_345, 32_000]) {
      expect(Math.abs(decodeUlaw(encodeUlaw(sample)) - sample)).toBeLessThanOrEqual(Math.max(8, Math.abs(sample) * 0.04))
    }
  })
  it('a tone is nearly all of its signal, and nothing of another', () => {
    expect(toneShare(tone(440), 440)).toBeGreaterThan(0.98)
    expect(toneShare(tone(440), 1004)).toBeLessThan(0.01)
    expect(toneShare([], 440)).toBe(0)
  })
})

describe('SIPp traces', () => {
  const trace = [
    '----------------------------------------------- 2026-01-01T00:00:00.000000Z',
    'UDP message received [1] bytes:\r\n\r\nSIP/2.0 100 trying\r\nCSeq: 1 INVITE\r\n\r\n',
    '----------------------------------------------- 2026-01-01T00:00:00.000000Z',
    'UDP message received [1] bytes:\r\n\r\nSIP/2.0 200 OK\r\nCSeq: 1 INVITE\r\nContact: <sip:127.0.0.1:18022>\r\n\r\nm=audio 19086 RTP/AVP 0\r\nc=IN IP4 127.0.0.1\r\n',
  ]
  it('finds where the media goes and who answered', () => {
    expect(parseAnswer(trace.join('\n'))).toEqual({ media: { ip: '127.0.0.1', port: 19_086 }, contactPort: 18_022 })
    expect(parseAnswer(trace.slice(0, 2).join('\n'))).toBeUndefined()
  })
  it('reads the response time in milliseconds', () => {
    expect(responseTime('A;ResponseTime1(C);B\n0;00:00:00:005000;0\n0;00:00:01:012400;0\n')).toBe(1012)
  })
})

describe('test report', () => {
  it('counts a file that fails without a test, and a run without a report', () => {
    const file = path.join(folder, 'report.json')
    const result = (status: string, states: string[]) => ({
      name: '/x',
      startTime: 0,
      endTime: 5,
      status,
      assertionResults: states.map(s => ({ status: s })),
    })
    writeFileSync(file, JSON.stringify({ testResults: [result('passed', ['passed', 'pending']), result('failed', [])] }))
    expect(totals(readVitest(file, 1))).toEqual({ passed: 1, failed: 1, skipped: 1 })
    expect(totals(readVitest(path.join(folder, 'none'), 1))).toEqual({ passed: 0, failed: 1, skipped: 0 })
  })
})
