import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { rolldown } from 'rolldown'
import { expect, test } from 'vitest'
import { loadModel } from './build-model.ts'
import { root } from './generate.ts'
import type { Model, PublicOperation } from './model.ts'
import { sdkResourcesFile } from './sdk.ts'

/** Resources that are to come. */
const names = [
  'conference',
  'queue',
  'queuecall',
  'campaign',
  'outplan',
  'outdial',
  'message',
  'email',
  'chat',
  'contact',
  'transcript',
  'trunk',
  'tag',
]

/** The contract with the operations of flows once more for each of the names. */
function grown(model: Model): { model: Model; added: number } {
  const pattern = model.operations.filter((one): one is PublicOperation => one.kind === 'public' && one.tag === 'flows')
  const own = names.flatMap(name =>
    pattern.map(one => {
      const id = one.id.replace('Flow', name.charAt(0).toUpperCase() + name.slice(1))
      return { ...one, id, tag: `${name}s`, httpPath: one.httpPath.replace('flows', `${name}s`) }
    }),
  )
  const resources = new Map([...model.resources, ...names.map(name => [name, { schema: name, service: name }] as const)])
  return { model: { ...model, resources, operations: [...model.operations, ...own] }, added: own.length }
}

/** The whole client as a page loads it: minified and compressed. */
async function clientSize(model: Model): Promise<number> {
  const folder = mkdtempSync(path.join(root, 'node_modules/.cache-sdk-'))
  try {
    for (const part of ['sdk/src', 'generated/sdk']) cpSync(path.join(root, part), path.join(folder, part), { recursive: true })
    writeFileSync(path.join(folder, 'generated/sdk/resources.ts'), sdkResourcesFile(model).text)
    const build = await rolldown({ input: path.join(folder, 'sdk/src/index.ts'), platform: 'browser' })
    const { output } = await build.generate({ format: 'esm', minify: true })
    await build.close()
    return gzipSync(output[0].code, { level: 9 }).length
  } finally {
    rmSync(folder, { recursive: true })
  }
}

test('an operation adds at most 30 bytes to the client', { timeout: 60_000 }, async () => {
  const model = loadModel(path.join(root, 'contracts'))
  const more = grown(model)
  const [now, then] = [await clientSize(model), await clientSize(more.model)]
  const each = (then - now) / more.added
  console.log(`${now} B, with ${more.added} operations more ${then} B: ${each.toFixed(1)} B each`)
  expect(more.added).toBeGreaterThan(50)
  expect(each).toBeGreaterThan(2)
  expect(each).toBeLessThanOrEqual(30)
})
