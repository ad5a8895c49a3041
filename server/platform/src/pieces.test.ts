import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { sine } from '../../../voip/testing/audio.ts'
import { tryLock } from '../lock.mjs'
import { createProgress } from '../progress.mjs'
import { archiveKey, debianMirror } from '../provision.mjs'
import { at, decode, encode } from './bencode.ts'
import { parseAnswer, responseTime, speechIn } from './carrier-call.ts'
import { run } from './chroot.ts'
import { sourceOf } from './commands/logs.ts'
import { privateFolder } from './files.ts'
import { parseFlags } from './flags.ts'
import { checkHome, pathsOf, ROOT } from './paths.ts'
import { portsOf } from './ports.ts'
import { identify, isAlive, signal } from './proc.ts'
import { benchRows, benchTable, failureLines, readVitest, totals } from './report.ts'
import { loadSecrets } from './secrets.ts'
import { isSoftphoneCurrent } from './softphone.ts'
import { newState, readState, stateSchema, writeState } from './state.ts'
import { checkOutcomes } from './static-checks.ts'
import { examples, summary } from './summary.ts'

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

it('logs are nobody else’s, also those of an earlier version', () => {
  const logs = path.join(folder, 'log')
  mkdirSync(logs, { mode: 0o755 })
  privateFolder(logs)
  expect(statSync(logs).mode & 0o777).toBe(0o700)
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

describe('what the carrier hears', () => {
  const silence = new Float64Array(8000)
  const noise = Float64Array.from({ length: 8000 }, (_, n) => 0.2 * Math.sin(n * n))
  const together = (...parts: Float64Array[]) => Float64Array.from(parts.flatMap(part => [...part]))

  it('is speech, so long and so loud', () => {
    const { seconds, level_db } = speechIn(together(silence, noise, silence))
    expect(seconds).toBeCloseTo(1, 1)
    expect(level_db).toBeCloseTo(-17, 0)
  })
  it('is not silence, and not what the carrier sent', () => {
    expect(() => speechIn(silence)).toThrow(/no speech/)
    expect(() => speechIn(new Float64Array())).toThrow(/no speech/)
    expect(() => speechIn(sine(440, 2000))).toThrow(/its own tone/)
  })
})

it('the softphone is built again when a source is younger', () => {
  const [dist, source] = [path.join(folder, 'dist'), path.join(folder, 'source')]
  mkdirSync(dist)
  mkdirSync(path.join(source, 'deep'), { recursive: true })
  writeFileSync(path.join(source, 'deep/a.ts'), '')
  expect(isSoftphoneCurrent(dist, [source])).toBe(false)
  writeFileSync(path.join(dist, 'index.html'), '')
  utimesSync(path.join(source, 'deep/a.ts'), 1000, 1000)
  expect(isSoftphoneCurrent(dist, [source])).toBe(true)
  const soon = Date.now() / 1000 + 10
  utimesSync(path.join(source, 'deep/a.ts'), soon, soon)
  expect(isSoftphoneCurrent(dist, [source])).toBe(false)
})

it('the summary tells addresses, credentials and three examples', () => {
  const demo = {
    customer_id: crypto.randomUUID(),
    username: 'demo@voipbin.example',
    password: 'p w',
    accesskey: 'ak_x',
    webhook_secret: 'whsec_x',
    extensions: [{ extension: '1001', username: '1001', password: 'q&r', domain: 'a.registrar.voipbin.test' }],
    number: '+12025550100',
  }
  const state = { ...newState(parseFlags([]), portsOf(parseFlags([])), identify(process.pid)), demo }
  const { curl, sdk, browser } = examples(state, demo)
  const text = summary(state, { took: '9.9 s', detached: true })
  for (const part of [curl, sdk, browser, state.api_url, state.ws_url, 'p w', 'ak_x', '+12025550100', '127.0.0.31'])
    expect(text).toContain(part)
  expect(browser).toBe(
    'http://127.0.0.1:8080/softphone/#username=demo%40voipbin.example&password=p+w&extension=1001&extension_password=q%26r',
  )
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
  it('has a row for each source check, and one for a run that broke off', () => {
    const text = 'ok   types (tsc)      1.5 s\nFAIL biome   0.2 s\n       ok   not a line of its own 1 s\nok   drift   1.0 s'
    expect(checkOutcomes(text, { ok: false, ms: 2000 })).toEqual([
      { name: 'check: types (tsc)', ms: 1500, passed: 1, failed: 0, skipped: 0 },
      {
        name: 'check: biome',
        ms: 200,
        passed: 0,
        failed: 1,
        skipped: 0,
        failures: [{ title: 'ok   not a line of its own 1 s', message: '' }],
      },
      { name: 'check: drift', ms: 1000, passed: 1, failed: 0, skipped: 0 },
    ])
    expect(totals(checkOutcomes('ok   biome   0.2 s', { ok: false, ms: 1 }))).toEqual({ passed: 1, failed: 1, skipped: 0 })
    expect(totals(checkOutcomes('', { ok: true, ms: 1 }))).toEqual({ passed: 1, failed: 0, skipped: 0 })
  })
  it('counts and explains what fails: a test, a file without one, a run without a report', () => {
    const file = path.join(folder, 'report.json')
    const frames = `\n    at ${path.join(ROOT, 'x.ts')}:1:2\n    at wrap (/a/node_modules/b.js:3:4)`
    const failureMessages = [`\u001b[31mError: expected 1 to be 2${frames}`]
    const result = (status: string, states: string[]) => ({
      name: path.join(ROOT, 'x.test.ts'),
      startTime: 0,
      endTime: 5,
      status,
      message: states.length === 0 ? 'does not parse' : '',
      assertionResults: states.map(s => ({ status: s, fullName: `it ${s}`, failureMessages: s === 'failed' ? failureMessages : [] })),
    })
    const results = [result('passed', ['passed', 'pending']), result('failed', ['failed']), result('failed', [])]
    writeFileSync(file, JSON.stringify({ testResults: results }))
    expect(totals(readVitest(file, 1))).toEqual({ passed: 1, failed: 2, skipped: 1 })
    expect(failureLines(readVitest(file, 1))).toEqual([
      'Failed:',
      '  ✗ x.test.ts',
      '    it failed',
      '      Error: expected 1 to be 2',
      '          at x.ts:1:2',
      '  ✗ x.test.ts',
      '    the file itself',
      '      does not parse',
      '',
    ])
    expect(totals(readVitest(path.join(folder, 'none'), 1))).toEqual({ passed: 0, failed: 1, skipped: 0 })
  })
})

describe('logs of a service', () => {
  const line = (service: string) => JSON.stringify({ level: 'info', service, message: 'x' })
  const of = (name: string, known: string[], running = known) => sourceOf(name, { known, running, folder })

  it('are its lines in the log of the process it shares, and those of the whole process', () => {
    const { file, isWanted } = of('flow', ['gateway', 'services-call'])
    expect(path.basename(file)).toBe('services-call.log')
    const lines = [line('flow'), line('call'), line('services'), 'Error: no log line', line('route')]
    expect(lines.filter(isWanted)).toEqual([line('flow'), line('services'), 'Error: no log line'])
  })

  it('are its own when it has a process of its own now', () => {
    expect(path.basename(of('flow', ['flow', 'services-call']).file)).toBe('flow.log')
    expect(path.basename(of('flow', ['flow', 'services-call'], ['services-call']).file)).toBe('services-call.log')
    expect(path.basename(of('flow', ['flow', 'services-call'], []).file)).toBe('flow.log')
  })

  it('of nobody name those there are', () => {
    expect(() => of('flaw', ['gateway', 'services-call'])).toThrow(/no log "flaw".*gateway, services-call, call, flow/)
  })
})

describe('bench', () => {
  it('takes the rows out of what a benchmark says, whatever else it says', () => {
    const text = 'name ours floor ratio\nround 1 of 5\ncached_get_p50_ms_at_1 1.250 1.000 1.25\ncpu_ms_per_call_route 3.1 0 -\nmore 1 2\n'
    expect(benchRows(text)).toEqual([
      ['cached_get_p50_ms_at_1', '1.250', '1.000', '1.25'],
      ['cpu_ms_per_call_route', '3.1', '0', '-'],
    ])
  })

  it('ends with all rows and the names of those that failed', () => {
    const outcomes = [
      { file: 'a/bench/a.bench.ts', rows: benchRows('rpc_1 900 1000 0.90'), problem: undefined },
      { file: 'b/bench/b.bench.ts', rows: [], problem: 'exit code 1' },
    ]
    expect(benchTable(outcomes)).toEqual([
      'name   ours  floor  ratio',
      'rpc_1   900   1000   0.90',
      '',
      '✗ b/bench/b.bench.ts: exit code 1',
    ])
  })
})

describe('the state folder', () => {
  it('may be new, empty or its own', () => {
    for (const home of ['.voipbin', '.voipbin/test', path.join(folder, 'new'), folder]) checkHome(home)
    mkdirSync(path.join(folder, 'run'))
    writeFileSync(path.join(folder, 'run/platform.lock'), '')
    checkHome(folder)
  })

  it.each(['', '..', '/', '/tmp'])('may not hold other things: %j', home => {
    expect(() => checkHome(home)).toThrow(/--home .* holds other things; name a new or an empty folder/)
  })
})

describe('bootstrap', () => {
  const bootstrap = (args: string[], env: Record<string, string> = {}) =>
    run([
      'env',
      ...Object.entries(env).map(([name, value]) => `${name}=${value}`),
      process.execPath,
      path.join(ROOT, 'server/platform/bootstrap.mjs'),
      ...args,
    ])

  it.each([
    { what: 'an unknown command', args: ['dance'], says: /Unknown command "dance". There are: start, stop/, code: 1 },
    { what: 'a flag that npm kept', args: ['start'], env: { npm_config_port_base: 'true' }, says: /npm start -- --port-base/, code: 1 },
    { what: 'a flag that the command does not have', args: ['status', '--bogus'], says: /Unknown option '--bogus'/, code: 2 },
    { what: 'a port that is no number', args: ['stop', '--port-base', 'abc'], says: /--port-base abc: must be a whole number/, code: 2 },
  ])('says what is wrong with $what', async ({ args, env, says, code }) => {
    const said = await bootstrap(args, env)
    expect(said).toMatchObject({ code, stderr: expect.stringMatching(says) })
    expect(said.stderr).not.toContain('    at ')
  })

  it('needs root, and says why', async () => {
    const other = ['setpriv', '--reuid', '64321', '--regid', '64321', '--clear-groups']
    const said = await run([...other, process.execPath, path.join(ROOT, 'server/platform/bootstrap.mjs'), 'stop'])
    expect(said).toMatchObject({ code: 1, stderr: expect.stringContaining('Run this as root (sudo npm stop)') })
  })
})
