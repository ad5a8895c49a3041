import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadModel } from './build-model.ts'
import { generate, root } from './generate.ts'
import type { Json } from './json.ts'
import type { PublicOperation } from './model.ts'
import { eventExample } from './openapi.ts'
import { asObject } from './schema.ts'
import { write } from './write.ts'

interface Route {
  id: string
  request: { body?: { safeParse(value: unknown): { success: boolean; error?: unknown } } }
  project(value: unknown): unknown
}
interface Media {
  content?: Record<string, { example?: Json }>
}

const contracts = path.join(root, 'contracts')
const model = loadModel(contracts)
const events = model.events.filter(({ internal }) => !internal)
const operations = model.operations.filter((operation): operation is PublicOperation => operation.kind === 'public')
const exampleOf = (media: Media | undefined): Json | undefined => media?.content?.['application/json']?.example
const bodies = operations.flatMap(operation => {
  const example = exampleOf(operation.raw.requestBody as Media | undefined)
  return example === undefined ? [] : [{ id: operation.id, example }]
})
const answers = operations.flatMap(operation => {
  const example = exampleOf((operation.raw.responses as Record<string, Media>)[operation.status])
  return example === undefined ? [] : [{ id: operation.id, example }]
})

let folder = ''
let routes = new Map<string, Route>()
beforeAll(async () => {
  const cache = path.join(root, 'node_modules/.cache')
  mkdirSync(cache, { recursive: true })
  folder = mkdtempSync(path.join(cache, 'voipbin-examples-'))
  write(await generate(contracts), folder)
  const index = (await import(/* @vite-ignore */ path.join(folder, 'gateway/index.ts'))) as { routes: Route[] }
  routes = new Map(index.routes.map(route => [route.id, route]))
}, 120_000)
afterAll(() => rmSync(folder, { recursive: true }))

test('the contract has examples to look at', () => {
  expect(bodies.length).toBeGreaterThan(20)
  expect(answers.length).toBeGreaterThan(80)
})

test.each(bodies)('the body of $id passes its validator', ({ id, example }) => {
  expect(routes.get(id)?.request.body?.safeParse(example)).toMatchObject({ success: true })
})

test.each(answers)('the answer of $id passes its projection unchanged', ({ id, example }) => {
  expect(JSON.parse(JSON.stringify(routes.get(id)?.project(example)))).toEqual(example)
})

test.each(events)('the example of $type shows all that the event carries, and nothing else', event => {
  const { required = [], properties = {} } = asObject(event.data, model.schemas) ?? {}
  const open = Object.keys(properties).filter(name => properties[name]?.['x-internal'] !== true)
  const shown = Object.keys(eventExample(event, model) ?? {})
  expect(shown.filter(name => !open.includes(name))).toEqual([])
  expect(open.filter(name => required.includes(name) && !shown.includes(name))).toEqual([])
})
