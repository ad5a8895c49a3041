import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { unwrap } from '@voipbin/sdk/webhooks'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { until } from '../../voip/testing/wait.ts'
import { clientOf, platform } from '../support/platform.ts'
import { type Delivery, Receiver } from '../support/receiver.ts'

// The command as people use it: signed in once, then lists, a call, events forwarded to a program of their own, and sent again.

const state = platform()
const origin = new URL(state.api_url).origin
const root = join(import.meta.dirname, '../..')
const api = clientOf(state, state.demo)
const to = '1001'
let folder = ''
let receiver: Receiver
const running: ChildProcess[] = []

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'voipbin-9-'))
  const main = join(root, 'sdk/src/cli/main.ts')
  writeFileSync(join(folder, 'voipbin'), `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`, { mode: 0o755 })
  writeFileSync(join(folder, 'key.txt'), `${state.demo.accesskey}\n`)
  receiver = await Receiver.start()
})
afterAll(async () => {
  for (const child of running) child.kill()
  await receiver?.close()
  rmSync(folder, { recursive: true, force: true })
})

interface Ended {
  code: number
  out: string
  err: string
}
interface Running {
  child: ChildProcess
  out(): string
  err(): string
  ended: Promise<Ended>
}

function start(command: string, args: readonly string[], input = ''): Running {
  const env = { ...process.env, XDG_CONFIG_HOME: join(folder, 'config'), PATH: `${folder}:${process.env.PATH}`, NO_COLOR: '1' }
  const child = spawn(command, args, { cwd: folder, env })
  running.push(child)
  let [out, err] = ['', '']
  child.stdout.on('data', data => {
    out += String(data)
  })
  child.stderr.on('data', data => {
    err += String(data)
  })
  child.stdin.end(input)
  const ended = once(child, 'close').then(([code]) => ({ code: Number(code), out, err }))
  return { child, out: () => out, err: () => err, ended }
}

/** Runs the command; rejects with what it said when it ends otherwise than with 0. */
async function voipbin(args: readonly string[], input = ''): Promise<string> {
  const { code, out, err } = await start('voipbin', args, input).ended
  if (code !== 0) throw new Error(`voipbin ${args.join(' ')} ended with ${code}: ${err}`)
  return out
}

const makeCall = async (): Promise<{ id: string }> => {
  const words = ['--source.target', '+15551230100', '--destinations.0.type', 'extension', '--destinations.0.target', to]
  return JSON.parse(await voipbin(['calls', 'create', ...words])) as { id: string }
}
const about = (id: string, deliveries: readonly Delivery[]): Delivery[] => deliveries.filter(({ body }) => body.includes(id))
const typesOf = (deliveries: readonly Delivery[]): string[] => deliveries.map(({ body }) => (JSON.parse(body) as { type: string }).type)

test('login by password and by key, kept for their owner only, and lists', async () => {
  const { username, password, customer_id, accesskey, extensions } = state.demo
  await voipbin(['login', '--username', username, '--base_url', origin, '--profile', 'jane'], `${password}\n`)
  expect(JSON.parse(await voipbin(['whoami', '--profile', 'jane']))).toMatchObject({ customer_id, username, credentials: 'session' })
  await voipbin(['login', '--access_key', '--base_url', origin], `${accesskey}\n`)
  const who = await voipbin(['whoami'])
  expect(JSON.parse(who)).toMatchObject({ customer_id, credentials: 'access key', base_url: origin })
  expect(who).not.toContain(accesskey)
  expect(statSync(join(folder, 'config/voipbin/config.json')).mode & 0o777).toBe(0o600)
  const rows = (await voipbin(['extensions', 'list', '--all', '--page_size', '1', '--output', 'jsonl'])).trim().split('\n')
  const names = rows.map(row => (JSON.parse(row) as { extension: string }).extension)
  expect(names).toEqual(expect.arrayContaining(extensions.map(({ extension }) => extension)))
  expect(await voipbin(['extensions', 'list', '--output', 'table'])).toMatch(/^ID +.*EXTENSION.*\n/)
  await voipbin(['logout', '--profile', 'jane'])
  expect(await start('voipbin', ['whoami', '--profile', 'jane']).ended).toMatchObject({ code: 2 })
})

test('what the platform refuses is told with its reason and request', async () => {
  const { code, out, err } = await start('voipbin', ['calls', 'get', '01980a4e-5d00-7a11-8c3e-1f2a3b4c5d02']).ended
  expect({ code, out }).toEqual({ code: 1, out: '' })
  expect(err).toMatch(/^error: CALL_NOT_FOUND: .+\n {2}request_id: \S+\n$/)
  const wrong = await start('voipbin', ['calls', 'create', '--source.target', '1', '--destinations', '[]']).ended
  expect(wrong.err).toMatch(/\n {2}\/destinations: minItems.*\n {2}request_id: \S+\n$/)
})

test('a call is made, and its events reach a local program as webhooks that it verifies', async () => {
  const listening = start('voipbin', ['listen', '--forward', `${receiver.url}/hook`, '--events', 'call.*'])
  await until('listening', () => listening.err().includes('Listening on'))
  const secret = /secret (whsec_[^\s,]+)/.exec(listening.err())?.[1] ?? ''
  const { id } = await makeCall()
  await voipbin(['calls', 'hangup', id])
  await until('the end of the call', () => typesOf(about(id, receiver.deliveries)).includes('call_hungup'))
  const got = about(id, receiver.deliveries)
  const events = await Promise.all(got.map(({ body, headers }) => unwrap(body, headers, secret)))
  expect(events[0]).toMatchObject({ type: 'call_created', data: { id } })
  expect(events.at(-1)).toMatchObject({ type: 'call_hungup', data: { id } })
  expect(new Set(events.map(event => event.id)).size).toBe(events.length)
  expect(got.map(({ path }) => path)).toEqual(got.map(() => '/hook'))
  await until(
    'a line for each',
    () =>
      listening
        .out()
        .split('\n')
        .filter(line => line.includes(id)).length === got.length,
  )
  expect(listening.out()).toMatch(/call\.hungup +\S+ {2}→ 200 in \d+ ms/)
  listening.child.kill('SIGINT')
  expect(await listening.ended).toMatchObject({ code: 0, err: expect.stringMatching(/\d+ delivered, 0 failed\.\n$/) })
})

test('what did not get through is sent again: a time range, and one delivery', async () => {
  receiver.answer = () => 500
  const from = new Date().toISOString()
  const words = [
    '--uri',
    `${receiver.url}/endpoint`,
    '--event_types',
    'call.created',
    '--event_types',
    'call.hungup',
    '--retry_schedule',
    '0',
  ]
  const endpoint = JSON.parse(await voipbin(['webhooks', 'create', ...words])) as { id: string; secret: string }
  try {
    const { id } = await makeCall()
    await voipbin(['calls', 'hangup', id])
    const failed = async (): Promise<string[]> => {
      const page = await api.webhookDeliveries.list({ webhook_id: endpoint.id, status: 'failed', resource_id: id })
      return page.result.map(delivery => delivery.id)
    }
    const [last = ''] = await until('both have failed', async () => ((await failed()).length === 2 ? failed() : undefined))
    receiver.answer = () => 204
    const before = receiver.deliveries.length
    const replay = JSON.parse(await voipbin(['events', 'replay', '--endpoint', endpoint.id, '--from', from])) as object
    expect(replay).toMatchObject({ status: 'completed', queued_count: 2, succeeded_count: 2, failed_count: 0 })
    const again = about(id, receiver.deliveries.slice(before)).filter(({ path }) => path === '/endpoint')
    expect(typesOf(again)).toEqual(['call_created', 'call_hungup'])
    for (const { body, headers } of again) expect((await unwrap(body, headers, endpoint.secret)).data).toMatchObject({ id })
    const one = JSON.parse(await voipbin(['events', 'replay', last])) as object
    expect(one).toMatchObject({ status: 'succeeded', replay_of_id: last, attempt_count: 1 })
  } finally {
    receiver.answer = () => 200
    await voipbin(['webhooks', 'delete', endpoint.id])
  }
})

test('the samples of docs/cli.md do what they say', async () => {
  const page = readFileSync(join(root, 'docs/cli.md'), 'utf8')
  const blocks = [...page.matchAll(/^```sh run\n([\s\S]*?)^```$/gm)].map(match => match[1] ?? '')
  expect(blocks.length).toBeGreaterThan(3)
  for (const block of blocks) {
    const { code, err } = await start('bash', ['-euo', 'pipefail', '-c', block.replaceAll('http://127.0.0.1:8080', origin)]).ended
    expect({ block, code, err: code === 0 ? '' : err }).toEqual({ block, code: 0, err: '' })
  }
})
