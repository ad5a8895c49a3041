import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { rolldown } from 'rolldown'
import { afterAll, beforeAll, expect, test } from 'vitest'

// What `npm publish` would send, unpacked beside its dependencies as in somebody's project.

const root = path.resolve(import.meta.dirname, '../..')
const run = promisify(execFile)
let folder: string
let app: string
let installed: string
let tarball: string

beforeAll(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'voipbin-webrtc-'))
  const sources = path.join(folder, 'repository/webrtc-client')
  // A copy, because packing changes package.json for a moment.
  for (const name of ['src', 'build', 'package.json', 'tsconfig.json', 'README.md', 'LICENSE'])
    cpSync(path.join(root, 'webrtc-client', name), path.join(sources, name), { recursive: true })
  cpSync(path.join(root, 'tsconfig.json'), path.join(folder, 'repository/tsconfig.json'))
  symlinkSync(path.join(root, 'node_modules'), path.join(folder, 'repository/node_modules'))
  const env = { ...process.env, PATH: `${path.join(root, 'node_modules/.bin')}:${process.env.PATH}`, npm_config_loglevel: 'error' }
  const before = readFileSync(path.join(sources, 'package.json'), 'utf8')
  await run('npm', ['pack', '--pack-destination', folder], { cwd: sources, env })
  expect(readFileSync(path.join(sources, 'package.json'), 'utf8')).toBe(before)
  tarball = path.join(folder, readdirSync(folder).find(name => name.endsWith('.tgz')) ?? '')
  app = path.join(folder, 'app')
  installed = path.join(app, 'node_modules/@voipbin/webrtc')
  mkdirSync(installed, { recursive: true })
  await run('tar', ['-xzf', tarball, '-C', installed, '--strip-components=1'])
  for (const name of ['jssip', 'debug', 'ms', 'events', 'sdp-transform'])
    symlinkSync(path.join(root, 'node_modules', name), path.join(app, 'node_modules', name))
  writeFileSync(path.join(app, 'package.json'), JSON.stringify({ name: 'app', private: true, type: 'module' }))
})
afterAll(() => rmSync(folder, { recursive: true }))

/** What a bundler makes of a module for the browser. */
async function bundle(code: string, { external = /^$/ }: { external?: RegExp } = {}): Promise<string> {
  const entry = path.join(app, 'entry.js')
  writeFileSync(entry, code)
  const build = await rolldown({ input: entry, cwd: app, platform: 'browser', external })
  const { output } = await build.generate({ format: 'esm', minify: true })
  await build.close()
  return output.map(part => (part.type === 'chunk' ? part.code : '')).join('')
}

test('holds the library and nothing of the app, the tests or the repository', () => {
  const manifest = JSON.parse(readFileSync(path.join(installed, 'package.json'), 'utf8')) as Record<string, unknown>
  expect(manifest).toMatchObject({ type: 'module', sideEffects: false, dependencies: { jssip: expect.any(String) } })
  for (const field of ['devDependencies', 'scripts', 'private']) expect(manifest).not.toHaveProperty(field)
  expect(Object.keys(manifest.dependencies as object)).toEqual(['jssip'])
  expect(readdirSync(installed).sort()).toEqual(['LICENSE', 'README.md', 'dist', 'package.json'])
  expect(readdirSync(path.join(installed, 'dist/lib')).filter(name => !/^[\w-]+\.(js|d\.ts)$/.test(name))).toEqual([])
})

test('passes publint and are-the-types-wrong', async () => {
  const { messages, pkg } = await publint({ pkgDir: installed, strict: true })
  expect(messages.map(message => formatMessage(message, pkg, { color: false }))).toEqual([])
  const result = await checkPackage(createPackageFromTarballData(readFileSync(tarball)))
  if (!result.types) throw new Error('the package has no types')
  // ESM only: CommonJS that is run by Node takes it by `import()`, or by `require` since Node 20.19; node10 knows no `exports`.
  const known = (problem: (typeof result.problems)[number]) =>
    problem.kind === 'CJSResolvesToESM' || ('resolutionKind' in problem && problem.resolutionKind === 'node10')
  expect(result.problems.filter(problem => !known(problem))).toEqual([])
})

test('can be imported where there is no browser', async () => {
  const code =
    "import * as all from '@voipbin/webrtc'; console.log(typeof all.Phone, new all.Phone({ wsUrl: 'wss://h/', domain: 'd', username: 'u', password: 'p' }).connection)"
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', code], { cwd: app, timeout: 150_000 })
  expect(stdout.trim()).toBe('function stopped')
})

test('what is not used is left out, the SIP stack first of all', async () => {
  expect(await bundle("import '@voipbin/webrtc'")).toBe('')
  const mos = await bundle("export { estimateMos } from '@voipbin/webrtc'")
  expect(mos).not.toMatch(/SIP|RTCPeerConnection/)
  expect(mos.length).toBeLessThan(1_000)
  const whole = gzipSync(await bundle("export * from '@voipbin/webrtc'"), { level: 9 }).length
  const own = gzipSync(await bundle("export * from '@voipbin/webrtc'", { external: /^jssip/ }), { level: 9 }).length
  console.log(`@voipbin/webrtc: ${own} B, ${whole} B with JsSIP, minified and compressed; package ${readFileSync(tarball).length} B`)
  expect(own).toBeLessThan(10_000)
  expect(whole).toBeLessThan(75_000)
})

test('its types and the sample of its README compile under the strictest options', async () => {
  const [, sample = ''] = /^```ts\n([\s\S]*?)^```$/m.exec(readFileSync(path.join(installed, 'README.md'), 'utf8')) ?? []
  writeFileSync(path.join(app, 'readme.ts'), sample)
  const compilerOptions = {
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: false,
    noEmit: true,
    target: 'es2022',
    module: 'esnext',
    moduleResolution: 'bundler',
    lib: ['es2022', 'esnext.disposable', 'dom', 'dom.iterable'],
    types: [],
  }
  writeFileSync(path.join(app, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['readme.ts'] }))
  const tsc = path.join(root, 'node_modules/typescript/bin/tsc')
  const { stdout } = await run(process.execPath, [tsc, '-p', '.'], { cwd: app }).catch((error: { stdout: string }) => error)
  expect(stdout).toBe('')
})
