import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { chromium } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bundle, type Packed, pack } from './pack.ts'
import { type Platform, startPlatform } from './platform-fixture.ts'

const root = path.resolve(import.meta.dirname, '../..')
const own = /^@voipbin\/sdk/
const source = readFileSync(path.join(import.meta.dirname, 'check.ts'), 'utf8')
let packed: Packed
let platform: Platform

beforeAll(async () => {
  ;[packed, platform] = await Promise.all([pack(), startPlatform()])
  // Node 20 has no WebSocket of its own.
  cpSync(path.join(root, 'node_modules/ws'), path.join(packed.app, 'node_modules/ws'), { recursive: true })
  for (const [format, name] of [
    ['esm', 'check.js'],
    ['cjs', 'check.cjs'],
  ] as const)
    writeFileSync(path.join(packed.app, name), await bundle({ code: source, from: packed.app, format, external: own }))
  writeFileSync(
    path.join(packed.app, 'main.js'),
    "import { check } from './check.js'\nconst WebSocket = globalThis.WebSocket ?? (await import('ws')).WebSocket\nconsole.log(JSON.stringify(await check({ WebSocket })))\n",
  )
  writeFileSync(
    path.join(packed.app, 'main.cjs'),
    "const { check } = require('./check.cjs')\nconst WebSocket = globalThis.WebSocket ?? require('ws').WebSocket\ncheck({ WebSocket }).then(seen => console.log(JSON.stringify(seen)))\n",
  )
})
afterAll(() => {
  platform.close()
  packed.dispose()
})

/** What `check` sees on every runtime. */
const wanted = {
  create: 'created 3',
  retries: [503],
  rows: ['a', 'b', 'c'],
  error: [true, 'NotFoundError', 'CALL_NOT_FOUND'],
  response: [200, '{"id":"call-1"}'],
  aborted: 'Error: given up',
  webhook: ['e1', 'call_hungup', 'c1', true],
  events: { handled: ['call.created', 'call.hungup'], looped: ['8 call.created', '9 call.hungup'] },
}

/** A program that an npm package brings, or a clear word about what is missing. */
function program(name: string): string {
  const found = ['sdk/runtimes/node_modules', 'node_modules'].map(folder => path.join(root, folder, name)).find(existsSync)
  if (!found) throw new Error(`${name} is missing; \`npm test\` installs it, or \`npm ci --prefix sdk/runtimes\``)
  return found
}

/** The machine's own Node, which is not ours: the oldest that is supported, on the machines of the project. */
function machineNode(): string {
  const folders = (process.env.PATH ?? '').split(path.delimiter).filter(folder => !folder.includes('node_modules'))
  const found = folders.map(folder => path.join(folder, 'node')).find(existsSync)
  if (!found) throw new Error('no node is on the PATH')
  return found
}

const arch = process.arch === 'arm64' ? 'arm64' : 'x64'
const runtimes: Record<string, () => string[]> = {
  "the machine's Node": () => [machineNode()],
  'Node 22': () => [program(`node22-${arch}/bin/node`)],
  'Node 24': () => [program(`node-linux-${arch}/bin/node`)],
  Deno: () => [program(`@deno/linux-${arch}-glibc/deno`), 'run', '--allow-all', '--no-remote', '--node-modules-dir=manual'],
  Bun: () => [program(`@oven/bun-linux-${arch === 'x64' ? 'x64' : 'aarch64'}/bin/bun`), 'run'],
}

/** What `voipbin listen` prints until it is told to end, which it does at once and without complaint. */
async function listened(node: string, bin: string, env: Record<string, string>): Promise<{ event_type: string }[]> {
  const child = spawn(node, [bin, 'listen', '--topics', 'call', '--output', 'jsonl'], { env: { ...process.env, ...env } })
  let [out, err] = ['', '']
  child.stdout.on('data', data => {
    out += String(data)
    if (out.split('\n').length > 2) child.kill('SIGINT')
  })
  child.stderr.on('data', data => {
    err += String(data)
  })
  const [code] = (await once(child, 'close', { signal: AbortSignal.timeout(150_000) })) as [number]
  if (code !== 0) throw new Error(`listen ended with ${code}: ${err}`)
  const lines = out.trim().split('\n')
  return lines.map(line => JSON.parse(line) as { event_type: string })
}

describe('the tarball runs on', () => {
  for (const [name, command] of Object.entries(runtimes)) {
    test.each(['main.js', 'main.cjs'])(`${name}, %s`, async file => {
      const [executable = '', ...args] = command()
      const environment = { VOIPBIN_ACCESS_KEY: 'ak_check', VOIPBIN_BASE_URL: platform.url }
      const quiet = { DENO_NO_UPDATE_CHECK: '1', DENO_DIR: path.join(packed.app, '.deno'), DO_NOT_TRACK: '1' }
      expect(JSON.parse(await packed.run(executable, [...args, file], { ...environment, ...quiet }))).toEqual(wanted)
    })
  }

  test.each(["the machine's Node", 'Node 22', 'Node 24'])('the command on %s', async name => {
    const [node = ''] = runtimes[name]?.() ?? []
    const bin = path.join(packed.app, 'node_modules/.bin/voipbin')
    const env = { VOIPBIN_ACCESS_KEY: 'ak_check', VOIPBIN_BASE_URL: platform.url, XDG_CONFIG_HOME: path.join(packed.app, '.config') }
    const { version } = JSON.parse(readFileSync(path.join(packed.folder, 'package.json'), 'utf8')) as { version: string }
    expect(await packed.run(node, [bin, '--version'])).toBe(`${version}\n`)
    const rows = await packed.run(node, [bin, 'calls', 'list', '--all', '--output', 'jsonl'], env)
    expect(rows).toBe('{"id":"a"}\n{"id":"b"}\n{"id":"c"}\n')
    const body = JSON.stringify({ source: { target: '1' }, destinations: [{ target: '1001' }], actions: [{ type: 'answer' }] })
    expect(JSON.parse(await packed.run(node, [bin, 'calls', 'create', '--data', body], env))).toEqual({ id: 'created 1' })
    const refused = await packed.run(node, [bin, 'calls', 'get', 'missing'], env).catch((error: unknown) => error)
    expect(refused).toMatchObject({ code: 1, stdout: '', stderr: 'error: CALL_NOT_FOUND: There is no such call.\n  request_id: r1\n' })
    expect(await packed.run(node, [bin, 'cals'], env).catch((error: unknown) => error)).toMatchObject({ code: 2 })
    expect((await listened(node, bin, env)).map(({ event_type }) => event_type)).toEqual(['call.created', 'call.hungup'])
  })

  test("the machine's Node is not too old", async () => {
    const version = (await packed.run(machineNode(), ['--version'])).trim()
    console.log(`the machine's Node is ${version}`)
    expect(Number(/^v(\d+)/.exec(version)?.[1])).toBeGreaterThanOrEqual(20)
  })

  test('Chromium', async () => {
    const dist = path.join(packed.folder, 'dist')
    const scripts = readdirSync(dist, { recursive: true })
      .map(String)
      .filter(name => name.endsWith('.js'))
    for (const name of scripts)
      platform.files.set(`/dist/${name}`, { type: 'text/javascript', text: readFileSync(path.join(dist, name), 'utf8') })
    platform.files.set('/check.js', { type: 'text/javascript', text: readFileSync(path.join(packed.app, 'check.js'), 'utf8') })
    const imports = {
      '@voipbin/sdk': '/dist/index.js',
      ...Object.fromEntries(['webhooks', 'realtime', 'flow'].map(name => [`@voipbin/sdk/${name}`, `/dist/${name}.js`])),
    }
    platform.files.set('/', { type: 'text/html', text: `<!doctype html><script type="importmap">${JSON.stringify({ imports })}</script>` })
    const browser = await chromium.launch({
      executablePath: process.env.VOIPBIN_CHROMIUM ?? 'VOIPBIN_CHROMIUM is not set',
      args: ['--no-sandbox'],
    })
    try {
      const page = await browser.newPage()
      await page.goto(`${platform.url}/`)
      const seen: unknown = await page.evaluate(`import('/check.js').then(({ check }) => check({ url: '${platform.url}' }))`)
      expect(seen).toEqual(wanted)
    } finally {
      await browser.close()
    }
  })

  test('workerd', async () => {
    const code = `${source}\nexport default { test: async () => { const seen = await check({ url: '${platform.url}' })\nconsole.log('seen:' + JSON.stringify(seen)) } }`
    writeFileSync(path.join(packed.app, 'worker.js'), await bundle({ code, from: packed.app }))
    const config = `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (services = [
  (name = "main", worker = (modules = [(name = "worker", esModule = embed "worker.js")], compatibilityDate = "2026-01-01", globalOutbound = "network")),
  (name = "network", network = (allow = ["private", "local"])),
]);`
    writeFileSync(path.join(packed.app, 'worker.capnp'), config)
    const output = await packed.run(program(`@cloudflare/workerd-linux-${arch === 'x64' ? '64' : 'arm64'}/bin/workerd`), [
      'test',
      'worker.capnp',
    ])
    expect(JSON.parse(/seen:(.*)/.exec(output)?.[1] ?? output)).toEqual(wanted)
  })
})
