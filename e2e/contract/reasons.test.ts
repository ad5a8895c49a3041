import { globSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { expect, test } from 'vitest'
import { type Document, operationsOf, refsOf } from './document.ts'
import { unreachable } from './tenant-exceptions.ts'
import { unproven } from './unproven-reasons.ts'

const root = join(import.meta.dirname, '../..')
const document = JSON.parse(readFileSync(join(root, 'generated/openapi.json'), 'utf8')) as Document
const operations = operationsOf(document)

/** Every reason that some public operation declares. */
const declared = new Set(operations.flatMap(({ reasons }) => [...reasons]))

/** What is said in quotes by tests that ask services or the gateway; those of generators and SDK only talk about reasons. */
function named(): Set<string> {
  const files = globSync(
    ['e2e', 'server', 'services', 'voip'].map(folder => `${folder}/**/*.test.ts`),
    {
      cwd: root,
      exclude: path => path.includes('node_modules'),
    },
  )
  const texts = files.filter(file => join(root, file) !== import.meta.filename).map(file => readFileSync(join(root, file), 'utf8'))
  return new Set(texts.flatMap(text => [...text.matchAll(/['"`]([A-Z][A-Z_]+)['"`]/g)].map(match => match[1] ?? '')))
}

/** `<RESOURCE>_NOT_FOUND` of everything that tenants.e2e.test.ts asks for by an unknown id. */
function byTenants(): string[] {
  const asked = operations.filter(({ owner, permission }) => owner === 'customer' && permission !== 'public')
  const resources = new Set(asked.flatMap(operation => refsOf(operation, document).map(({ resource }) => resource)))
  return [...resources].filter(resource => !unreachable.has(resource)).map(resource => `${resource.toUpperCase()}_NOT_FOUND`)
}

test('every reason that an operation declares is produced by a test, or stands on a list that only gets shorter', () => {
  const produced = new Set([...named(), ...byTenants()])
  const missing = [...declared].filter(reason => !produced.has(reason)).sort()
  expect(declared.size).toBeGreaterThan(60)
  expect(missing.filter(reason => !unproven.has(reason))).toEqual([])
  // A reason that a test produces now leaves the list for good.
  expect(
    [...unproven].filter(reason => !missing.includes(reason)),
    `in ${relative(root, 'unproven-reasons.ts')}`,
  ).toEqual([])
})
