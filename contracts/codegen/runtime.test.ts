import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fixtureContracts } from './fixtures/contracts.ts'
import { generate, root } from './generate.ts'
import { write } from './write.ts'

interface Validator {
  safeParse(value: unknown): { success: boolean; data?: unknown }
}
type Project = (value: unknown) => unknown

let folder = ''
let validators: Record<string, Validator> = {}
let projectors: Record<string, Project> = {}
let clientFrame: Validator | undefined
let registered: string[] = []
let published: OpenapiDocument = { paths: {} }

interface OpenapiDocument {
  paths: Record<string, Record<string, { operationId: string; responses: object }>>
}

// Generated validators and projections run, against the fixture contract, inside the repository so that packages resolve.
beforeAll(async () => {
  const cache = path.join(root, 'node_modules/.cache')
  mkdirSync(cache, { recursive: true })
  folder = mkdtempSync(path.join(cache, 'voipbin-runtime-'))
  const contracts = fixtureContracts()
  try {
    write(await generate(contracts.root), folder)
  } finally {
    contracts.dispose()
  }
  const load = (name: string) => import(/* @vite-ignore */ path.join(folder, name))
  validators = { ...(await load('validators/widget.ts')), ...(await load('validators/flow.ts')) }
  projectors = await load('project.ts')
  clientFrame = (await load('realtime/index.ts')).clientFrame
  const { routes } = await load('gateway/index.ts')
  const { routeConfig } = await load('gateway/zod-openapi.ts')
  const { OpenAPIHono } = await import('@hono/zod-openapi')
  const app = new OpenAPIHono()
  for (const route of routes) app.openAPIRegistry.registerPath(routeConfig(route))
  // The validators recurse, which that library cannot write down as a document; what it knows of the routes is enough.
  registered = app.openAPIRegistry.definitions.flatMap(definition => (definition.type === 'route' ? [rowOf(definition.route)] : []))
  published = JSON.parse(readFileSync(path.join(folder, 'openapi.json'), 'utf8'))
}, 60_000)
afterAll(() => rmSync(folder, { recursive: true }))

const id = '01980000-0000-7000-8000-000000000001'
const talk = { type: 'talk', text: 'Hi' }

const inputs: { name: string; given: unknown; want: unknown }[] = [
  { name: 'WidgetCreate', given: { name: 'a' }, want: { name: 'a', size: 3, tags: [] } },
  { name: 'WidgetCreate', given: { name: 'a', extra: 1 }, want: undefined },
  { name: 'createWidgetInput', given: { name: 'a', extra: 1 }, want: { name: 'a', size: 3, tags: [] } },
  { name: 'createWidgetInput', given: { name: 'a', size: '3' }, want: undefined },
  { name: 'listWidgetsQuery', given: {}, want: { page_size: 50 } },
  { name: 'listWidgetsQuery', given: { page_size: '7', flow_id: id }, want: { page_size: 7, flow_id: id } },
  { name: 'listWidgetsQuery', given: { page_size: 'many' }, want: undefined },
  { name: 'listWidgetsQuery', given: { colour: 'red' }, want: undefined },
  { name: 'listWidgetsInput', given: { page_size: '7', colour: 'red' }, want: { page_size: 7 } },
  { name: 'getWidgetPath', given: { id: 'x' }, want: undefined },
  { name: 'FlowUpdate', given: { actions: [talk] }, want: { actions: [{ ...talk, voice: 'default' }] } },
  {
    name: 'FlowUpdate',
    given: { actions: [{ type: 'group', actions: [talk] }] },
    want: { actions: [{ type: 'group', actions: [{ ...talk, voice: 'default' }] }] },
  },
  { name: 'FlowUpdate', given: { actions: [{ type: 'dance' }] }, want: undefined },
  { name: 'FlowUpdate', given: { actions: [{ ...talk, cost: 5 }] }, want: undefined },
  {
    name: 'updateFlowInput',
    given: { id, actions: [{ ...talk, cost: 5, extra: 1 }] },
    want: { id, actions: [{ ...talk, voice: 'default', cost: 5 }] },
  },
]

describe('generated validators', () => {
  test.each(inputs)('$name of $given', ({ name, given, want }) => {
    const result = validators[name]?.safeParse(given)
    expect(result?.data).toEqual(want)
    expect(result?.success).toBe(want !== undefined)
  })

  test('know the frames of clients', () => {
    expect(clientFrame?.safeParse({ type: 'subscribe', topics: ['customer_id:1:call'] }).success).toBe(true)
    for (const bad of [{ type: 'shout' }, { type: 'subscribe' }, { type: 'ping', extra: 1 }, null, 5])
      expect(clientFrame?.safeParse(bad).success).toBe(false)
  })
})

describe('generated projections', () => {
  const action = { ...talk, voice: 'v', cost: 5 }
  const outputs: { name: string; given: unknown; want: unknown }[] = [
    { name: 'projectWidget', given: { id, shard: 4, version: 2 }, want: { id } },
    {
      name: 'projectWidgetList',
      given: { result: [{ id, shard: 4 }], next_page_token: '', total: 1 },
      want: { result: [{ id }], next_page_token: '' },
    },
    {
      name: 'projectFlow',
      given: { id, lock: 'x', actions: [action, { type: 'group', actions: [action] }] },
      want: {
        id,
        actions: [
          { ...talk, voice: 'v' },
          { type: 'group', actions: [{ ...talk, voice: 'v' }] },
        ],
      },
    },
    { name: 'projectFlow', given: { id, actions: [{ type: 'newer', secret: 1 }] }, want: { id, actions: [{ type: 'newer' }] } },
    { name: 'projectFlow', given: { id, actions: null }, want: { id, actions: null } },
  ]
  test.each(outputs)('$name of $given', ({ name, given, want }) =>
    expect(JSON.parse(JSON.stringify(projectors[name]?.(given)))).toEqual(want),
  )
})

interface Row {
  operationId?: string | undefined
  method: string
  path: string
  responses: object
}
const rowOf = ({ operationId, method, path: name, responses }: Row): string =>
  `${operationId} ${method} ${name} ${Object.keys(responses).find(code => code < '300')}`

test('the routes of @hono/zod-openapi are those of the published document', () => {
  const wanted = Object.entries(published.paths).flatMap(([name, item]) =>
    Object.entries(item).map(([method, operation]) => rowOf({ ...operation, method, path: name })),
  )
  expect(registered.sort()).toEqual(wanted.sort())
  expect(registered).toContain('createWidget post /v1.0/widgets 201')
})
