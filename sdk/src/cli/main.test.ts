import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { serve } from '../server-fixture.ts'
import { table } from './help.ts'

// The process itself: a real terminal by `script` of util-linux, real signals, real pipes.
const main = path.join(import.meta.dirname, 'main.ts')
let folder = ''
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'voipbin-main-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const environment = (url: string, more: Record<string, string> = {}) => {
  const { VOIPBIN_ACCESS_KEY: _, NO_COLOR: __, ...rest } = process.env
  return { ...rest, XDG_CONFIG_HOME: folder, VOIPBIN_BASE_URL: url, TERM: 'xterm', ...more }
}

/** A process, what it wrote so far, and its end. */
function start(command: string, args: readonly string[], env: Record<string, string | undefined>) {
  const child = spawn(command, args, { env })
  let out = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', data => {
      out += String(data)
    })
  const ended = once(child, 'close', { signal: AbortSignal.timeout(60_000) }).then(([code, signal]) => ({ code, signal, out }))
  return { child, out: () => out, ended }
}
const inTerminal = (line: string, env: Record<string, string | undefined>) =>
  start('script', ['-qefc', `stty cols 90; '${process.execPath}' '${main}' ${line}`, '/dev/null'], env)

describe('in a terminal', { timeout: 120_000 }, () => {
  test('a password is asked for and not shown, and letters can be taken back', async () => {
    const { url, seen } = await serve({ status: 200, body: { token: 't' } })
    const { child, out, ended } = inTerminal('login', environment(url))
    await expect.poll(out).toContain('User name: ')
    child.stdin.write('jane\r')
    await expect.poll(out).toContain('Password: ')
    child.stdin.write('secrex\u007ft\r')
    expect(await ended).toMatchObject({ code: 0 })
    expect(JSON.parse(seen[0]?.body ?? '')).toEqual({ username: 'jane', password: 'secret' })
    expect(out()).toContain('as jane')
    expect(out()).not.toContain('secre')
    expect(readFileSync(path.join(folder, 'voipbin/config.json'), 'utf8')).not.toContain('secre')
  })

  test('Ctrl-C in a question ends with 130, and nothing is kept', async () => {
    const { url, seen } = await serve({ status: 200, body: {} })
    const { child, out, ended } = inTerminal('login --username jane', environment(url))
    await expect.poll(out).toContain('Password: ')
    child.stdin.write('\u0003')
    expect(await ended).toMatchObject({ code: 130 })
    expect(seen).toEqual([])
  })

  test('results are a table with a bold head', async () => {
    const { url } = await serve({ status: 200, body: { result: [{ id: 'x', name: 'Menu' }], next_page_token: '' } })
    const { ended } = inTerminal('flows list', environment(url, { VOIPBIN_ACCESS_KEY: 'ak_test' }))
    expect((await ended).out.replaceAll('\r', '')).toBe('\u001b[1mID  NAME\u001b[0m\nx   Menu\n')
  })
})

test('Ctrl-C gives up a request that hangs', { timeout: 120_000 }, async () => {
  const { url, seen } = await serve('hang')
  const { child, ended } = start(process.execPath, [main, 'flows', 'list'], environment(url, { VOIPBIN_ACCESS_KEY: 'ak_test' }))
  await expect.poll(() => seen.length).toBe(1)
  child.kill('SIGINT')
  expect(await ended).toEqual({ code: 130, signal: null, out: '\n' })
})

test('a reader that has seen enough is no error', { timeout: 120_000 }, async () => {
  const rows = Array.from({ length: 20_000 }, (_, i) => ({ id: `row-${i}` }))
  const { url } = await serve({ status: 200, body: { result: rows, next_page_token: '' } })
  const line = `'${process.execPath}' '${main}' flows list --output jsonl | head -n 1; echo "\${PIPESTATUS[0]}"`
  const { ended } = start('bash', ['-c', line], environment(url, { VOIPBIN_ACCESS_KEY: 'ak_test' }))
  expect(await ended).toMatchObject({ out: '{"id":"row-0"}\n0\n' })
})

test('help lines up its columns', () =>
  expect(
    table([
      ['a', 'one'],
      ['bcd', ''],
    ]),
  ).toBe('  a    one\n  bcd\n'))
