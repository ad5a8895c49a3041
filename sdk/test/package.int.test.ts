import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { commands } from '../../generated/sdk/commands.ts'
import { bundle, type Packed, pack } from './pack.ts'

const root = path.resolve(import.meta.dirname, '../..')
let packed: Packed
beforeAll(async () => {
  packed = await pack()
})
afterAll(() => packed.dispose())

describe('the package', () => {
  test('is self-contained: no dependency, no source, nothing of the repository', () => {
    const manifest = JSON.parse(readFileSync(path.join(packed.folder, 'package.json'), 'utf8')) as Record<string, unknown>
    expect(manifest).toMatchObject({ type: 'module', sideEffects: false, license: 'Apache-2.0', engines: { node: '>=20' } })
    expect(manifest).toMatchObject({ publishConfig: { access: 'public' } })
    for (const field of ['dependencies', 'devDependencies', 'scripts', 'private']) expect(manifest).not.toHaveProperty(field)
    expect(Object.keys(manifest.exports as object)).toEqual(['.', './webhooks', './realtime', './flow', './package.json'])
    expect(readdirSync(packed.folder).sort()).toEqual(['LICENSE', 'README.md', 'dist', 'package.json'])
    const files = readdirSync(path.join(packed.folder, 'dist'), { recursive: true }).map(String)
    expect(files.filter(file => !/\.(js|cjs|d\.ts|d\.cts)$|^(chunks|generated|THIRD-PARTY\.md)$/.test(file))).toEqual([])
    expect(readdirSync(path.join(packed.app, 'node_modules')).filter(name => !name.startsWith('.'))).toEqual(['@voipbin'])
  })

  test('passes publint', async () => {
    const { messages, pkg } = await publint({ pkgDir: packed.folder, strict: true })
    expect(messages.map(message => formatMessage(message, pkg, { color: false }))).toEqual([])
  })

  test('passes are-the-types-wrong where `exports` are read', async () => {
    const result = await checkPackage(createPackageFromTarballData(readFileSync(packed.tarball)))
    if (!result.types) throw new Error('the package has no types')
    expect(Object.keys(result.entrypoints)).toEqual(['.', './webhooks', './realtime', './flow', './package.json'])
    // node10 knows no `exports` and so no `@voipbin/sdk/webhooks`; every supported Node does.
    expect(result.problems.filter(problem => !('resolutionKind' in problem && problem.resolutionKind === 'node10'))).toEqual([])
  })
})

describe('the command', () => {
  test('is in one place that only the command loads', () => {
    const manifest = JSON.parse(readFileSync(path.join(packed.folder, 'package.json'), 'utf8')) as { bin: unknown; version: string }
    expect(manifest.bin).toEqual({ voipbin: './dist/cli.js' })
    const dist = path.join(packed.folder, 'dist')
    const library = readdirSync(dist, { recursive: true })
      .map(String)
      .filter(file => /\.(js|cjs)$/.test(file) && !/^cli\.js$|^chunks\/cli-/.test(file))
    expect(library.length).toBeGreaterThan(7)
    const telling = ['voipbin login', JSON.stringify(commands.calls.create.summary).slice(1, -1)]
    for (const text of telling) {
      expect(readFileSync(path.join(dist, 'cli.js'), 'utf8')).toContain(text)
      for (const file of library) expect(readFileSync(path.join(dist, file), 'utf8')).not.toContain(text)
    }
    expect(readFileSync(path.join(dist, 'THIRD-PARTY.md'), 'utf8')).toMatch(/Contains openapi-fetch [\s\S]*Contains ws /)
    const bytes = readFileSync(path.join(dist, 'cli.js')).length
    console.log(`cli.js: ${bytes} B, package ${readFileSync(packed.tarball).length} B packed`)
    // What npx fetches; the library's own sizes are below.
    expect(bytes).toBeLessThan(250_000)
  })
})

describe('size, minified and compressed', () => {
  const size = async (code: string): Promise<number> => {
    const text = await bundle({ code, from: packed.app, minify: true })
    const bytes = gzipSync(text, { level: 9 }).length
    console.log(`${code}: ${text.length} B minified, ${bytes} B gzip`)
    return bytes
  }

  test.each([
    { code: "export * from '@voipbin/sdk'", limit: 8000 },
    { code: "export { unwrap } from '@voipbin/sdk/webhooks'", limit: 1500 },
    { code: "export * from '@voipbin/sdk/realtime'", limit: 4000 },
    { code: "export { flow } from '@voipbin/sdk/flow'", limit: 1000 },
  ])('$code is at most $limit B', async ({ code, limit }) => expect(await size(code)).toBeLessThanOrEqual(limit))

  test('what is imported pulls in nothing else', async () => {
    const all = await bundle({ code: "export * from '@voipbin/sdk'", from: packed.app })
    expect(all).toContain('/v1.0/calls')
    expect(all).not.toMatch(/HMAC|WebSocket/)
    const hooks = await bundle({ code: "export { unwrap } from '@voipbin/sdk/webhooks'", from: packed.app })
    expect(hooks).toContain('HMAC')
    expect(hooks).not.toMatch(/\/v1\.0\/|fetch|WebSocket/)
    expect(await bundle({ code: "import '@voipbin/sdk'; import '@voipbin/sdk/realtime'", from: packed.app })).not.toMatch(
      /class|function|=>/,
    )
  })
})

test('import takes a fraction of what Node itself takes to start', async () => {
  writeFileSync(path.join(packed.app, 'empty.js'), '')
  const timed = (what: string): string => `const t = performance.now(); ${what}; console.log(performance.now() - t)`
  const programs = {
    empty: ['--input-type=module', '-e', timed("await import('./empty.js')")],
    esm: ['--input-type=module', '-e', timed("await import('@voipbin/sdk')")],
    cjs: ['--input-type=commonjs', '-e', timed("require('@voipbin/sdk')")],
    all: [
      '--input-type=module',
      '-e',
      timed("await Promise.all(['', '/webhooks', '/realtime', '/flow'].map(name => import('@voipbin/sdk' + name)))"),
    ],
  }
  const times: Record<string, number[]> = { start: [] }
  for (let round = 0; round < 7; round++) {
    const began = performance.now()
    await packed.run(process.execPath, ['-e', ''])
    times.start?.push(performance.now() - began)
    for (const [name, args] of Object.entries(programs))
      times[name] = [...(times[name] ?? []), Number(await packed.run(process.execPath, args))]
  }
  // The fastest of each: other work on the machine only adds.
  const best = (name: string): number => Math.min(...(times[name] ?? [Number.NaN]))
  console.log(['start', 'empty', 'esm', 'cjs', 'all'].map(name => `${name} ${best(name).toFixed(1)} ms`).join(', '))
  for (const name of ['esm', 'cjs']) expect((best(name) - best('empty')) / best('start')).toBeLessThan(0.25)
})

describe('the compiler, over the types of the tarball,', () => {
  const fixtures = path.join(import.meta.dirname, '../fixtures/refused')
  const cases = readdirSync(fixtures).sort()
  const found = new Map<string, string[]>()
  const samples = [...readFileSync(path.join(root, 'sdk/README.md'), 'utf8').matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(
    match => match[1] ?? '',
  )
  const files = { esm: 'use.ts', cjs: 'use.cts' }

  beforeAll(async () => {
    for (const name of cases) writeFileSync(path.join(packed.app, name), readFileSync(path.join(fixtures, name)))
    for (const [i, sample] of samples.entries()) writeFileSync(path.join(packed.app, `readme-${i}.ts`), sample)
    const use =
      "import { VoIPBIN, type Call } from '@voipbin/sdk'\nimport { unwrap } from '@voipbin/sdk/webhooks'\nimport { Realtime } from '@voipbin/sdk/realtime'\nimport { flow } from '@voipbin/sdk/flow'\nexport const get = (id: string): Promise<Call> => new VoIPBIN({ accessKey: '' }).calls.get(id)\nexport const rest = [unwrap, Realtime, flow]\n"
    for (const file of Object.values(files)) writeFileSync(path.join(packed.app, file), use)
    // As strict as a user may be, and without skipping the checks of our declarations.
    const compilerOptions = {
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      skipLibCheck: false,
      noEmit: true,
      target: 'es2022',
      module: 'nodenext',
      lib: ['es2022', 'dom', 'dom.iterable', 'esnext.asynciterable'],
      types: ['node'],
      typeRoots: [path.join(root, 'node_modules/@types')],
    }
    writeFileSync(path.join(packed.app, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts', '*.cts'] }))
    const output = await packed
      .run(process.execPath, [path.join(root, 'node_modules/typescript/bin/tsc'), '-p', '.'])
      .catch((error: { stdout: string }) => error.stdout)
    for (const line of output.split('\n')) {
      const match = /^(.+?)\(\d+,\d+\): error (TS\d+: .*)$/.exec(line)
      if (match) found.set(match[1] ?? '', [...(found.get(match[1] ?? '') ?? []), match[2] ?? ''])
      // The compiler explains itself in indented lines below.
      else if (line.startsWith(' ')) [...found.values()].at(-1)?.push(line.trim())
    }
  })

  test.each(cases)('refuses %s', name => {
    const [, code = '', words = ''] = /^\/\/ expect (TS\d+): (.+)$/m.exec(readFileSync(path.join(fixtures, name), 'utf8')) ?? []
    const lines = found.get(name) ?? []
    expect(lines[0]).toMatch(new RegExp(`^${code}: `))
    expect(lines.join('\n')).toContain(words)
    expect(lines.filter(line => line.startsWith('TS'))).toHaveLength(1)
  })

  test('accepts the samples of the README, ES modules and CommonJS, and our declarations', () => {
    expect(samples.length).toBeGreaterThan(3)
    expect([...found].filter(([name]) => !cases.includes(name))).toEqual([])
  })
})
