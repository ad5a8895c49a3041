import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runSteps } from './check.ts'
import { checkFlow, checkOpenapi, checkStyle, checkTypes } from './check-tools.ts'
import { fixtureModel } from './fixtures/contracts.ts'
import { openapiDocument } from './openapi.ts'

// A small repository of its own: linters pass over what lies in node_modules.
let house = ''
beforeAll(() => {
  house = mkdtempSync(path.join(os.tmpdir(), 'voipbin-house-'))
})
afterAll(() => rmSync(house, { recursive: true }))

function put(name: string, text: string): string {
  mkdirSync(path.join(house, path.dirname(name)), { recursive: true })
  writeFileSync(path.join(house, name), text)
  return name
}

describe('the tools find what is planted', () => {
  test('an example that does not fit its schema', async () => {
    const model = fixtureModel()
    const document = JSON.stringify(openapiDocument(model))
    expect(await checkOpenapi(document, model)).toEqual([])
    const found = await checkOpenapi(document.replaceAll('"size":3', '"size":"three"'), model)
    expect(found).toContainEqual({
      file: 'openapi/widget.yaml',
      where: 'POST /v1.0/widgets (createWidget)',
      message: expect.stringMatching(/`size` property type must be integer.* in requestBody|responses/),
    })
  }, 30_000)

  test('a promise that nobody waits for', async () => {
    put('tsconfig.json', JSON.stringify({ compilerOptions: { strict: true, noEmit: true, types: [] }, include: ['**/*.ts'] }))
    const work = 'export async function work(): Promise<void> {}\n'
    put('one/a.ts', `${work}export const all = async (): Promise<void> => {\n  await work()\n}\n`)
    put('two/a.ts', `${work}export const all = (): void => {\n  work()\n}\n`)
    expect(await checkFlow(house, ['one'])).toEqual([])
    expect((await checkFlow(house, ['two'])).join('\n')).toMatch(/no-floating-promises/)
  }, 30_000)

  test('imports that run in a circle, be it of types only', async () => {
    put('circle/ground.ts', 'export interface Ground {\n  level: number\n}\n')
    put('circle/a.ts', "import type { B } from './b.ts'\n\nexport interface A {\n  b: B\n}\n")
    put('circle/b.ts', "import type { Ground } from './ground.ts'\n\nexport type B = Ground\n")
    expect(await checkFlow(house, ['circle'])).toEqual([])
    put('circle/b.ts', "import type { A } from './a.ts'\n\nexport type B = A[]\n")
    expect((await checkFlow(house, ['circle'])).join('\n')).toMatch(/no-cycle/)
  }, 30_000)

  test('an import that is not used, and a line that is not formatted', async () => {
    put(
      'biome.json',
      JSON.stringify({
        root: true,
        javascript: { formatter: { quoteStyle: 'single', semicolons: 'asNeeded' } },
        formatter: { indentStyle: 'space' },
      }),
    )
    expect(await checkStyle(house, [put('style/good.ts', "export const a = 'a'\n")])).toEqual([])
    expect(
      (await checkStyle(house, [put('style/import.ts', "import path from 'node:path'\n\nexport const a = 'a'\n")])).join('\n'),
    ).toMatch(/noUnusedImports/)
    expect((await checkStyle(house, [put('style/format.ts', 'export const a = "a";\n')])).join('\n')).toMatch(/format/)
  }, 30_000)

  test('a type that does not fit, in any workspace', async () => {
    put('package.json', JSON.stringify({ workspaces: ['plain', 'browser', 'absent'] }))
    put('tsconfig.json', JSON.stringify({ compilerOptions: { strict: true, noEmit: true, types: [] } }))
    put('plain/tsconfig.json', JSON.stringify({ extends: '../tsconfig.json', include: ['**/*.ts'], exclude: ['fixtures'] }))
    put('plain/a.ts', "export const a: number = 'plain'\n")
    put('plain/fixtures/a.ts', "export const a: number = 'fixture'\n")
    put(
      'browser/tsconfig.json',
      JSON.stringify({ extends: '../tsconfig.json', compilerOptions: { lib: ['dom', 'es2024'] }, include: ['**/*.ts'] }),
    )
    put('browser/a.ts', 'export const b: number = document.title\n')
    const found = await checkTypes(house)
    expect(found.map(line => line.replace(/^.*?((?:plain|browser)\/)/, '$1'))).toEqual([
      expect.stringMatching(/^plain\/a\.ts.*TS2322/),
      expect.stringMatching(/^browser\/a\.ts.*TS2322/),
    ])
  }, 30_000)
})

test('a step that fails does not keep the others from running', async () => {
  const results = await runSteps([
    { name: 'bad', run: () => ['planted'] },
    { name: 'good', run: () => [] },
  ])
  expect(results.map(({ name, problems }) => ({ name, problems }))).toEqual([
    { name: 'bad', problems: ['planted'] },
    { name: 'good', problems: [] },
  ])
})
