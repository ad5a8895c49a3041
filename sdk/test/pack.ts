import { execFile } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { type OutputBundle, rolldown } from 'rolldown'

const root = path.resolve(import.meta.dirname, '../..')
const run = promisify(execFile)
const npmEnvironment = { ...process.env, PATH: `${path.join(root, 'node_modules/.bin')}:${process.env.PATH}`, npm_config_loglevel: 'error' }

export interface Packed {
  /** The tarball that `npm pack` made. */
  tarball: string
  /** A folder in which it is installed, and nothing else. */
  app: string
  /** The installed package. */
  folder: string
  /** Runs a program in the folder; its output, or a rejection that shows it. */
  run(command: string, args: readonly string[], env?: Record<string, string>): Promise<string>
  dispose(): void
}

/** Packs the SDK as `npm publish` would and installs the tarball without network. Works on a copy, because packing changes package.json for a moment. */
export async function pack(): Promise<Packed> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'voipbin-sdk-'))
  const [repository, app] = [path.join(folder, 'repository'), path.join(folder, 'app')]
  const sources = path.join(repository, 'sdk')
  const isSource = (file: string): boolean => !/\/(node_modules|dist|fixtures)$/.test(file)
  cpSync(path.join(root, 'sdk'), sources, { recursive: true, filter: isSource })
  cpSync(path.join(root, 'generated/sdk'), path.join(repository, 'generated/sdk'), { recursive: true })
  cpSync(path.join(root, 'tsconfig.json'), path.join(repository, 'tsconfig.json'))
  symlinkSync(path.join(root, 'node_modules'), path.join(repository, 'node_modules'))
  const own = path.join(root, 'sdk/node_modules')
  if (existsSync(own)) symlinkSync(own, path.join(sources, 'node_modules'))
  const before = readFileSync(path.join(sources, 'package.json'), 'utf8')
  await run('npm', ['pack', '--pack-destination', folder], { cwd: sources, env: npmEnvironment })
  if (readFileSync(path.join(sources, 'package.json'), 'utf8') !== before) throw new Error('packing has left package.json changed')
  const tarball = path.join(folder, readdirSync(folder).find(name => name.endsWith('.tgz')) ?? '')
  mkdirSync(app)
  writeFileSync(path.join(app, 'package.json'), JSON.stringify({ name: 'app', private: true, type: 'module' }))
  await run('npm', ['install', '--offline', '--no-audit', '--no-fund', '--ignore-scripts', tarball], { cwd: app, env: npmEnvironment })
  return {
    tarball,
    app,
    folder: path.join(app, 'node_modules/@voipbin/sdk'),
    // A program that hangs must not outlive its test.
    run: async (command, args, env = {}) =>
      (await run(command, args, { cwd: app, env: { ...process.env, ...env }, timeout: 150_000 })).stdout,
    dispose: () => rmSync(folder, { recursive: true }),
  }
}

export interface BundleOptions {
  /** Module text to begin with. */
  code: string
  /** Where packages are looked up. */
  from: string
  format?: 'esm' | 'cjs'
  /** Packages that stay imports. */
  external?: RegExp
  minify?: boolean
}

/** What a bundler makes of a module for the browser, in one text. */
export async function bundle({ code, from, format = 'esm', external, minify = false }: BundleOptions): Promise<string> {
  const entry = path.join(from, 'entry.ts')
  const plugin = {
    name: 'entry',
    resolveId: (id: string) => (id === 'entry' ? entry : null),
    load: (id: string) => (id === entry ? code : null),
  }
  const build = await rolldown({ input: 'entry', cwd: from, platform: 'browser', plugins: [plugin], ...(external && { external }) })
  const { output }: { output: OutputBundle[string][] } = await build.generate({ format, minify, exports: 'named' })
  await build.close()
  return output.map(part => (part.type === 'chunk' ? part.code : '')).join('')
}
