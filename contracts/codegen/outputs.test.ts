import { readFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fixtureContracts, fixtureModel } from './fixtures/contracts.ts'
import { generate, root } from './generate.ts'
import { sdkReasonsFile } from './sdk.ts'
import { header, type Output } from './text.ts'

const contracts = fixtureContracts()
afterAll(() => contracts.dispose())
let files = new Map<string, string>()
let again: Output[] = []
beforeAll(async () => {
  const first = await generate(contracts.root)
  again = await generate(contracts.root)
  files = new Map(first.map(file => [file.path, file.text]))
}, 60_000)

const text = (name: string): string => files.get(name) ?? ''
const json = (name: string) => JSON.parse(text(name))

test('the page shows exactly the fixture documents', () => {
  const page = readFileSync(path.join(root, 'docs/contract.md'), 'utf8')
  for (const name of ['openapi/widget.yaml', 'asyncapi/widget.yaml']) {
    expect(page).toContain(`\`contracts/${name}\`\n\n\`\`\`yaml\n${readFileSync(path.join(contracts.root, name), 'utf8')}\`\`\``)
  }
})

test('the same documents give the same text', () => expect(new Map(again.map(file => [file.path, file.text]))).toEqual(files))

test('every source file says where it comes from', () => {
  for (const [name, content] of files) if (name.endsWith('.ts')) expect(content.startsWith(header), name).toBe(true)
})

test('the manifest names every other file', () => {
  expect(Object.keys(json('manifest.json').files).sort()).toEqual([...files.keys()].filter(name => name !== 'manifest.json').sort())
})

describe('openapi.json', () => {
  test('hides what is internal', () => {
    expect(text('openapi.json')).not.toMatch(/shard|x-internal|x-rpc|x-errors|widget\.painted|paintWidget/)
    expect(json('openapi.json').components.schemas.Widget.properties.name).toEqual({ type: 'string' })
  })

  test('adds errors with an example per reason', () => {
    const { responses } = json('openapi.json').paths['/v1.0/widgets/{id}'].get
    expect(Object.keys(responses)).toEqual(['200', '400', '401', '403', '404', '429', '500', '503', '504'])
    expect(responses[404].content['application/json'].examples).toEqual({
      WIDGET_NOT_FOUND: { $ref: '#/components/examples/WIDGET_NOT_FOUND' },
    })
    expect(json('openapi.json').components.examples.WIDGET_NOT_FOUND.value.error).toMatchObject({
      status: 'NOT_FOUND',
      reason: 'WIDGET_NOT_FOUND',
    })
  })

  test('takes an Idempotency-Key where something is created', () => {
    const path = json('openapi.json').paths['/v1.0/widgets']
    expect(path.post.parameters).toEqual([{ $ref: '#/components/parameters/IdempotencyKey' }])
    expect(path.post.responses).toHaveProperty('409')
    expect(path.get.parameters.map((one: { name: string }) => one.name)).toEqual(['page_size', 'page_token', 'flow_id'])
  })

  test('lists public events as webhooks', () => {
    const { webhooks } = json('openapi.json')
    expect(Object.keys(webhooks)).toEqual(['flow_deleted', 'widget_created'])
    const { schema, example } = webhooks.widget_created.post.requestBody.content['application/json']
    expect(schema.properties.type).toEqual({ const: 'widget_created' })
    expect(example.data.name).toBe('support')
  })
})

describe('asyncapi.json', () => {
  test('holds the socket and public events only', () => {
    const { channels, operations, components } = json('asyncapi.json')
    expect(Object.keys(channels)).toEqual(['websocket', 'flow.events', 'widget.events'])
    expect(Object.keys(operations)).toEqual(['receiveClientFrames', 'sendFlowEvents', 'sendServerFrames', 'sendWidgetEvents'])
    expect(Object.keys(channels['widget.events'].messages)).toEqual(['widget.created'])
    expect(Object.keys(components.messages)).not.toContain('widget.painted')
    expect(text('asyncapi.json')).not.toMatch(/shard|x-internal|paintWidget/)
  })
})

describe('rpc', () => {
  test.each([
    "createWidget: { input: CreateWidgetInput; output: WidgetCreated; error: 'FLOW_NOT_FOUND' | 'WIDGET_LIMIT_REACHED' }",
    'export interface PaintWidgetInput {\n  id: string\n  color: WidgetColor\n}',
    "export type WidgetContract = Contract<'widget', WidgetMethods, WidgetEvents, WidgetConsumed, Calls>",
    "getWidget: { method: 'GET', route: '/v1/widgets/{id}', query: [], timeout_ms: 30000, input: getWidgetInput, errors: ['WIDGET_NOT_FOUND'] },",
    "'widget.painted': { domain: 'widget', resource: 'widget', internal: true },",
    "'flow.deleted': 'flow',",
    "'widget.created': WidgetPublic\n",
  ])('of a service holds %s', wanted => expect(text('rpc/widget.ts')).toContain(wanted))

  test.each([
    "createWidget: WithInput<WidgetMethods['createWidget'], Optional<CreateWidgetInput, 'size' | 'tags'>>",
    "paintWidget: { queue: 'bin-manager.widget.request', method: 'POST', route: '/v1/widgets/{id}/paint', query: [], timeout_ms: 30000 },",
  ])('calls hold %s', wanted => expect(text('rpc/calls.ts')).toContain(wanted))

  test('sharded events have their domain', () =>
    expect(text('rpc/flow.ts')).toContain("'asterisk.channel_state': { domain: 'asterisk.all', resource: 'asterisk', internal: true },"))
})

describe('gateway', () => {
  test.each([
    "refs: [{ in: 'body', path: '/flow_id', resource: 'flow' }],",
    'request: { body: WidgetCreate, body_required: true },',
    'project: output => projectWidgetCreated(output as never),',
  ])('routes hold %s', wanted => expect(text('gateway/widget.ts')).toContain(wanted))

  test('references are found inside lists and unions', () => {
    expect(text('gateway/flow.ts')).toContain(
      "refs: [{ in: 'path', path: '/id', resource: 'flow' }, { in: 'body', path: '/actions/*/flow_ids/*', resource: 'flow' }],",
    )
  })

  test('the index knows who owns what', () => {
    expect(text('gateway/index.ts')).toContain("widget: { service: 'widget', read: 'getWidget' },")
    expect(text('gateway/index.ts')).toContain("permissions: readonly string[] = ['flow_update', 'widget_create', 'widget_read']")
  })
})

describe('the client', () => {
  test.each([
    "create(body: WidgetCreate, options?: RequestOptions): ApiPromise<WidgetCreated, 'FLOW_NOT_FOUND' | 'WIDGET_LIMIT_REACHED'>",
    "list(query?: ListWidgetsQuery, options?: RequestOptions): Page<Widget, 'FLOW_NOT_FOUND'>",
    '* Permission: `widget_create`. Carries an `Idempotency-Key`.',
    '* @throws NotFoundError `WIDGET_NOT_FOUND`: There is no such widget.',
    '/** Maximum number of rows per page. 1 to 100. */',
    "create: 'POST /v1.0/widgets bi',",
    "list: 'GET /v1.0/widgets ql',",
  ])('has %s', wanted => expect(text('sdk/resources.ts')).toContain(wanted))

  test('has the reasons by status, without those of internal operations', () => {
    const model = fixtureModel()
    const dry = { status: 'NOT_FOUND', message: '', action: '' }
    model.errors = { ...model.errors, PAINT_DRY: dry, PAINT_GONE: dry }
    for (const operation of model.operations) if (operation.kind === 'internal') operation.errors.push('PAINT_DRY')
    const reasons = sdkReasonsFile(model).text
    expect(reasons).toMatch(/NOT_FOUND:\n( {4}\| '\w+'\n)* {4}\| 'WIDGET_NOT_FOUND'\n/)
    expect(reasons).toContain('PAINT_GONE')
    expect(reasons).not.toContain('PAINT_DRY')
  })

  test('knows public events by both names', () => {
    expect(text('sdk/realtime.ts')).toContain("export const eventTypes: readonly EventType[] = ['flow.deleted', 'widget.created']")
    expect(text('sdk/webhooks.ts')).toMatch(/^ {2}widget_created: schemas\.Widget/m)
    for (const name of files.keys()) if (name.startsWith('sdk/')) expect(text(name), name).not.toMatch(/shard|painted/)
  })
})
