import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { commands } from '../../../generated/sdk/commands.ts'
import { serve } from '../server-fixture.ts'
import { world } from './io-fixture.ts'

const id = '01980a4e-5d00-7a11-8c3e-1f2a3b4c5d02'
const call = (n: number, status = 'completed') => ({
  id: id.replace(/.$/, String(n)),
  customer_id: 'c',
  status,
  source: { type: 'tel', target: '+15551230100' },
  destination: { type: 'extension', target: '1001' },
  tm_create: '2026-01-20T12:00:00.000000Z',
  tm_delete: null,
})
const to = (url: string, more: Record<string, string> = {}) => ({ VOIPBIN_ACCESS_KEY: 'ak_test', VOIPBIN_BASE_URL: url, ...more })

describe('a list', () => {
  const pages = [
    { status: 200, body: { result: [call(1), call(2)], next_page_token: 'more' } },
    { status: 200, body: { result: [call(3)], next_page_token: '' } },
  ]

  test('is a table on a terminal, with the telling columns first and a word about more', async () => {
    const { url } = await serve(...pages)
    const { code, out, err } = await world({ env: to(url), tty: true, columns: 100 }).run('calls', 'list')
    expect(code).toBe(0)
    expect(out).toBe(
      [
        'ID                                    SOURCE        DESTINATION  STATUS     TM_CREATE',
        `${call(1).id}  +15551230100  1001         completed  2026-01-20 12:00:00`,
        `${call(2).id}  +15551230100  1001         completed  2026-01-20 12:00:00`,
        '',
      ].join('\n'),
    )
    expect(err).toBe('There are more: --all shows them, --page_token more the next page.\n')
  })

  test('is JSON elsewhere, lines with --output jsonl, and everything with --all', async () => {
    const { url, seen } = await serve(({ url }) => pages[url.includes('page_token') ? 1 : 0] ?? 'hang')
    const place = world({ env: to(url) })
    expect(JSON.parse((await place.run('calls', 'list')).out)).toEqual(pages[0]?.body)
    const lines = (await place.run('calls', 'list', '--all', '-o', 'jsonl', '--page-size=2', '--status', 'completed')).out
      .trim()
      .split('\n')
    expect(lines.map(line => JSON.parse(line).id)).toEqual([call(1).id, call(2).id, call(3).id])
    expect(seen.map(({ url }) => url).slice(1)).toEqual([
      '/v1.0/calls?page_size=2&status=completed',
      '/v1.0/calls?page_size=2&status=completed&page_token=more',
    ])
    expect(JSON.parse((await place.run('calls', 'list', '--all')).out)).toMatchObject({ result: { length: 3 }, next_page_token: '' })
    expect(seen[0]?.headers.authorization).toBe('AccessKey ak_test')
    const onTerminal = await world({ env: to(url), tty: true }).run('calls', 'list', '--json')
    expect(JSON.parse(onTerminal.out)).toHaveProperty('result')
  })
})

describe('a create', () => {
  test('sends what flags, numbered flags and --data say, and shows the answer', async () => {
    const { url, seen } = await serve({ status: 201, body: call(1, 'initiating') })
    const place = world({ env: to(url), input: '{"dial_timeout":20,"max_duration":60}' })
    const words = [
      '--data',
      '-',
      '--source.target',
      '+15551230100',
      '--destinations.0.type',
      'extension',
      '--destinations.0.target',
      '1001',
      '--dial_timeout',
      '30',
    ]
    const { code, out } = await place.run('calls', 'create', ...words)
    expect(code).toBe(0)
    expect(JSON.parse(out)).toEqual(call(1, 'initiating'))
    expect(JSON.parse(seen[0]?.body ?? '')).toEqual({
      source: { target: '+15551230100' },
      destinations: [{ type: 'extension', target: '1001' }],
      dial_timeout: 30,
      max_duration: 60,
    })
    expect(seen[0]?.headers['idempotency-key']).toMatch(/^[0-9a-f]{32}$/)
  })

  test('reads files, lists, booleans and null', async () => {
    const { url, seen } = await serve({ status: 201 })
    const place = world({ env: to(url) })
    const file = path.join(place.config, 'body.json')
    writeFileSync(file, '{"uri":"https://acme.example/hook"}')
    await place.run(
      'webhooks',
      'create',
      '--data',
      `@${file}`,
      '--event_types',
      'call.*',
      '--event_types',
      'recording.finished',
      '--no-ordered',
    )
    expect(JSON.parse(seen[0]?.body ?? '')).toEqual({
      uri: 'https://acme.example/hook',
      event_types: ['call.*', 'recording.finished'],
      ordered: false,
    })
  })

  test('asks for a password and does not show it', async () => {
    const { url, seen } = await serve({ status: 201, body: {} })
    const { err } = await world({ env: to(url), tty: true, input: 'correct horse\n' }).run('extensions', 'create', '--extension', '1001')
    expect(JSON.parse(seen[0]?.body ?? '')).toEqual({ extension: '1001', password: 'correct horse' })
    expect(err).toContain('password: ')
    expect(err).not.toContain('correct')
  })
})

test('one thing is shown field by field, without what a terminal would obey', async () => {
  const { url } = await serve({
    status: 200,
    body: { id, name: 'a\u001b[2Jb', actions: [{ type: 'answer' }], tm_create: '2026-01-20T12:00:00.000000Z' },
  })
  const { out } = await world({ env: to(url), tty: true }).run('flows', 'get', id)
  expect(out).toBe(`id         ${id}\nname       a [2Jb\nactions    [{"type":"answer"}]\ntm_create  2026-01-20 12:00:00\n`)
})

test('a file comes as bytes, but not onto a terminal', async () => {
  const { url } = await serve({ status: 200, text: 'RIFF', headers: { 'content-type': 'audio/wav' } })
  const words = ['storage_files', 'get_content', id, '--expires', '1', '--signature', 's']
  const given = await world({ env: to(url) }).run(...words)
  expect(given).toMatchObject({ code: 0, out: 'RIFF' })
  expect(await world({ env: to(url), tty: true }).run(...words)).toMatchObject({ code: 2, out: '' })
})

describe('what the platform refuses ends with 1 and', () => {
  const refusal = (status: string, reason: string, details: object[] = []) => ({
    error: { status, reason, message: 'It is so.', request_id: 'r-1', details },
  })

  test('names the reason, the fields and the request', async () => {
    const { url } = await serve({
      status: 400,
      body: refusal('INVALID_ARGUMENT', 'INVALID_ARGUMENT', [{ field: '/dial_timeout', rule: 'minimum', expected: '5' }]),
    })
    const { code, out, err } = await world({ env: to(url) }).run('calls', 'hangup', id)
    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(err).toBe('error: INVALID_ARGUMENT: It is so.\n  /dial_timeout: minimum (5)\n  request_id: r-1\n')
  })

  test('says what to do about credentials', async () => {
    const { url } = await serve({ status: 401, body: refusal('UNAUTHENTICATED', 'UNAUTHENTICATED') })
    const { code, err } = await world({ env: to(url) }).run('calls', 'list')
    expect(code).toBe(1)
    expect(err).toContain('request_id: r-1\n  Run `voipbin login`, or check VOIPBIN_ACCESS_KEY.\n')
    expect(err).not.toContain('ak_test')
  })

  test('tells nobody to sign in whose sign-in was refused', async () => {
    const { url } = await serve({ status: 401, body: refusal('UNAUTHENTICATED', 'LOGIN_FAILED') })
    const { err } = await world({ env: to(url), input: 'wrong\n' }).run('login', '--username', 'jane@acme.example')
    expect(err).toBe('error: LOGIN_FAILED: It is so.\n  request_id: r-1\n')
  })

  test('so does a platform that is not there', async () => {
    const { url } = await serve('reset')
    const { code, err } = await world({ env: to(url) }).run('calls', 'create', '--data', '{"source":{"target":"1"},"destinations":[]}')
    expect(code).toBe(1)
    expect(err).toMatch(/^error: The connection failed: .+\n$/)
  })
})

describe('what cannot be understood ends with 2 and sends nothing:', () => {
  test.each([
    { words: ['cals', 'list'], want: "There is no command or resource 'cals'. Did you mean calls?" },
    { words: ['logn'], want: "There is no command or resource 'logn'. Did you mean login?" },
    { words: ['calls', 'lits'], want: "calls has no verb 'lits'. Did you mean list?" },
    { words: ['audits', 'xyzzy'], want: "audits has no verb 'xyzzy'. It has get, list." },
    { words: ['calls', 'list', '--page_sice', '3'], want: 'There is no flag --page_sice. Did you mean --page_size?' },
    {
      words: ['calls', 'create', '--destination.0.target', '3'],
      want: 'There is no flag --destination.0.target. Did you mean --destinations.0.target?',
    },
    { words: ['calls', 'list', '--page_size', 'many'], want: "--page_size is a whole number, not 'many'." },
    { words: ['calls', 'list', '--page_size'], want: '--page_size needs a value.' },
    { words: ['calls', 'list', '--status', 'gone'], want: '--status is one of ' },
    { words: ['calls', 'list', '--output', 'xml'], want: '--output is one of table, json, jsonl.' },
    { words: ['calls', 'get'], want: '<id> is missing: voipbin calls get <id>' },
    { words: ['calls', 'get', 'a', 'b'], want: "'b' is one word too many" },
    { words: ['calls', 'create'], want: 'Missing: --source.target, --destinations.' },
    { words: ['calls', 'create', '--data', '{'], want: '--data is not valid JSON' },
    { words: ['calls', 'create', '--data', '[]'], want: '--data is a JSON object.' },
    { words: ['calls', 'create', '--data', '@nowhere.json'], want: 'nowhere.json cannot be read' },
    { words: ['calls', 'create', '--destinations.1.target', 'x'], want: 'items count from 0 without a gap' },
    { words: ['--output', 'json'], want: 'A command comes first' },
    { words: ['events', 'rplay'], want: '`voipbin events` is followed by replay. Did you mean replay?' },
    { words: ['events', 'replay'], want: 'needs the id of a delivery, or --from' },
    { words: ['events', 'replay', '--from', 'yesterday'], want: '--from is a time such as' },
    { words: ['listen', '--events', 'call.hangup'], want: 'There is no event call.hangup. Did you mean call.hungup?' },
    { words: ['listen', '--forward', 'localhost:3000'], want: '--forward is an http or https URL.' },
    { words: ['me', 'update_password', '--password', 'hunter2'], want: '--password is not taken from the command line' },
    { words: ['listen', '--forward', 'http://localhost:1', '--secret', 'whsec_YQ=='], want: '--secret is not taken from the command line' },
    { words: ['completion', 'tcsh'], want: 'followed by bash, zsh or fish' },
  ])('$words', async ({ words, want }) => {
    const { url, seen } = await serve({ status: 200 })
    const { code, out, err } = await world({ env: to(url) }).run(...words)
    expect(err).toMatch(/^error: /)
    expect(err).toContain(want)
    expect(err).not.toMatch(/hunter2|whsec/)
    expect({ code, out, requests: seen.length }).toEqual({ code: 2, out: '', requests: 0 })
  })

  test('and so do credentials that are not there', async () => {
    expect(await world().run('calls', 'list')).toEqual({
      code: 2,
      out: '',
      err: 'error: You are not signed in. Run `voipbin login`, or set VOIPBIN_ACCESS_KEY.\n',
    })
  })
})

describe('help', () => {
  test.each([
    { words: ['--help'], want: ['calls', 'login', 'VOIPBIN_BASE_URL'] },
    { words: ['calls', '--help'], want: ['hangup <id>', commands.calls.create.summary] },
    {
      words: ['calls', 'create', '--help'],
      want: [
        '--source.target TEXT',
        'agent|conference|extension|sip|tel',
        'POST /v1.0/calls, permission call_create',
        'Example:\n  voipbin calls create',
      ],
    },
    { words: ['help', 'calls', 'hangup'], want: ['voipbin calls hangup <id>'] },
    { words: ['listen', '--help'], want: ['--forward URL'] },
    { words: ['--version'], want: ['1.2.3\n'] },
  ])('$words', async ({ words, want }) => {
    const { code, out, err } = await world().run(...words)
    expect({ code, err }).toEqual({ code: 0, err: '' })
    for (const text of want) expect(out).toContain(text)
  })
})

test('Ctrl-C gives a request up and ends with 130', async () => {
  const { url, seen } = await serve('hang')
  const place = world({ env: to(url) })
  const running = place.run('calls', 'list')
  await expect.poll(() => seen.length).toBe(1)
  place.interrupt()
  expect(await running).toEqual({ code: 130, out: '', err: '\n' })
})

test('colours are for terminals that want them', async () => {
  const env = to('http://127.0.0.1:1')
  expect((await world({ env: { ...env, NO_COLOR: '' }, tty: true }).run('cals')).err).toContain('\u001b[31merror:')
  expect((await world({ env, tty: true }).run('cals')).err).not.toContain('\u001b')
  expect((await world({ env: { ...env, NO_COLOR: '' } }).run('cals')).err).not.toContain('\u001b')
})
