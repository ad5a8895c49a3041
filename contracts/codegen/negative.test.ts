import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fixtureContracts } from './fixtures/contracts.ts'
import { generate, root } from './generate.ts'
import { write } from './write.ts'

/** What the compiler says, by file: `TS2741: …`. */
const diagnostics = new Map<string, string[]>()
const fixtures = path.join(import.meta.dirname, 'fixtures')
const cases = readdirSync(path.join(fixtures, 'negative')).sort()
let folder = ''

// The fixtures are compiled against code generated from the widget contract, in one program, inside the repository so that packages resolve.
beforeAll(async () => {
  const cache = path.join(root, 'node_modules/.cache')
  mkdirSync(cache, { recursive: true })
  folder = mkdtempSync(path.join(cache, 'voipbin-negative-'))
  const contracts = fixtureContracts()
  try {
    write(await generate(contracts.root), path.join(folder, 'generated'))
  } finally {
    contracts.dispose()
  }
  for (const kind of ['negative', 'positive']) cpSync(path.join(fixtures, kind), path.join(folder, kind), { recursive: true })
  const config = {
    extends: path.join(root, 'tsconfig.json'),
    compilerOptions: { typeRoots: [path.join(root, 'node_modules/@types')] },
    include: ['**/*.ts'],
  }
  writeFileSync(path.join(folder, 'tsconfig.json'), JSON.stringify(config))
  for (const line of await compile(folder)) {
    const match = /^(.+?)\(\d+,\d+\): error (TS\d+: .*)$/.exec(line)
    if (match) diagnostics.set(match[1] ?? '', [...(diagnostics.get(match[1] ?? '') ?? []), match[2] ?? ''])
    // The compiler explains itself in indented lines below.
    else if (line.startsWith(' ')) [...diagnostics.values()].at(-1)?.push(line.trim())
  }
}, 60_000)
afterAll(() => rmSync(folder, { recursive: true }))

function compile(cwd: string): Promise<string[]> {
  const tsc = path.join(root, 'node_modules/typescript/bin/tsc')
  return new Promise(resolve => execFile(process.execPath, [tsc, '-p', cwd], { cwd }, (_error, stdout) => resolve(stdout.split('\n'))))
}

describe('the compiler refuses', () => {
  test.each(cases)('%s', file => {
    const [, code = '', words = ''] = /\/\/ expect (TS\d+): (.+)/.exec(readFileSync(path.join(fixtures, 'negative', file), 'utf8')) ?? []
    const found = diagnostics.get(`negative/${file}`) ?? []
    expect(found[0]).toMatch(new RegExp(`^${code}: `))
    expect(found.join('\n')).toContain(words)
    expect(found.filter(line => line.startsWith('TS'))).toHaveLength(1)
  })

  test('nothing of the same files when they are right', () => {
    expect(readdirSync(path.join(fixtures, 'positive')).sort()).toEqual(cases)
    for (const file of cases) expect(diagnostics.get(`positive/${file}`), file).toBeUndefined()
  })

  test('nothing of the generated code', () => {
    expect([...diagnostics.keys()].filter(file => file.startsWith('generated/'))).toEqual([])
  })
})
