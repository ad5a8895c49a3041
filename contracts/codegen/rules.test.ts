import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { loadModel } from './build-model.ts'
import { ContractError } from './document.ts'
import { fixtureContracts } from './fixtures/contracts.ts'
import { checkRules } from './rules.ts'

const folders: { dispose(): void }[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) folder.dispose()
})

/** What the rules say of the fixture documents after one text is replaced by another. */
function complaints(file: string, from: string, to: string): string[] {
  const folder = fixtureContracts()
  folders.push(folder)
  const name = path.join(folder.root, file)
  const text = readFileSync(name, 'utf8')
  if (!text.includes(from)) throw new Error(`${file} does not hold ${from}`)
  writeFileSync(name, text.replace(from, to))
  try {
    return checkRules(loadModel(folder.root)).map(problem => `${problem.where}: ${problem.message}`)
  } catch (error) {
    if (!(error instanceof ContractError)) throw error
    return error.problems.map(problem => `${problem.where}: ${problem.message}`)
  }
}

const openapi = 'openapi/widget.yaml'
const asyncapi = 'asyncapi/widget.yaml'
const cases: { when: string; file: string; from: string; to: string; want: string }[] = [
  {
    when: 'a permission is missing',
    file: openapi,
    from: '      x-permission: widget_read\n',
    to: '',
    want: 'x-permission is <resource>_<verb>, public or authenticated',
  },
  {
    when: 'an owner is unknown',
    file: openapi,
    from: 'x-owner: customer',
    to: 'x-owner: everybody',
    want: 'x-owner is one of customer, self, platform',
  },
  {
    when: 'a rate limit is missing',
    file: openapi,
    from: '      x-rate-limit: api\n',
    to: '',
    want: 'x-rate-limit is one of api, call_create, login',
  },
  {
    when: 'a POST that creates may be repeated by mistake',
    file: openapi,
    from: '      x-permission: widget_create\n',
    to: '      x-permission: widget_create\n      x-idempotent: It does no harm.\n',
    want: 'a POST that creates (201) takes an Idempotency-Key',
  },
  {
    when: 'a POST of the gateway itself does not say why it may be repeated',
    file: openapi,
    from: '      x-permission: widget_create\n',
    to: '      x-permission: widget_create\n      x-override: true\n',
    want: 'say in x-idempotent why asking twice does no harm',
  },
  {
    when: 'another method says why it may be repeated',
    file: openapi,
    from: '      x-permission: widget_read\n',
    to: '      x-permission: widget_read\n      x-idempotent: It reads.\n',
    want: 'x-idempotent is for POST',
  },
  {
    when: 'a word of an operation is misspelt',
    file: openapi,
    from: '      x-rate-limit: api\n',
    to: '      x-rate-limits: api\n',
    want: 'does not know the word x-rate-limits',
  },
  {
    when: 'a list has no next page',
    file: openapi,
    from: '      required: [result, next_page_token]\n',
    to: '      required: [result]\n',
    want: 'next_page_token is not',
  },
  {
    when: 'an event has no payload',
    file: asyncapi,
    from: '      payload:\n        allOf:',
    to: '      x-payload:\n        allOf:',
    want: 'the payload of an event is allOf',
  },
  {
    when: 'an event says it is another',
    file: asyncapi,
    from: 'const: widget.created',
    to: 'const: widget.create',
    want: 'event_type is { const: widget.created }',
  },
  { when: 'errors are not declared', file: openapi, from: '      x-errors: []\n', to: '', want: 'x-errors is missing' },
  {
    when: 'a reason is unknown',
    file: openapi,
    from: '[WIDGET_LIMIT_REACHED]',
    to: '[WIDGET_BROKEN]',
    want: 'reason WIDGET_BROKEN is declared nowhere',
  },
  {
    when: 'a general reason is listed',
    file: openapi,
    from: '[WIDGET_LIMIT_REACHED]',
    to: '[INTERNAL]',
    want: 'INTERNAL is added to every operation',
  },
  {
    when: 'an example is missing',
    file: openapi,
    from: "              example: { result: [], next_page_token: '' }\n",
    to: '',
    want: 'the success response has no example',
  },
  {
    when: 'an operationId is used twice',
    file: openapi,
    from: 'operationId: getWidget',
    to: 'operationId: paintWidget',
    want: 'operationId paintWidget is taken by',
  },
  {
    when: 'an operationId is no camelCase',
    file: openapi,
    from: 'operationId: getWidget',
    to: 'operationId: GetWidget',
    want: 'operationId is missing or not lowerCamelCase',
  },
  { when: 'a summary is missing', file: openapi, from: '      summary: Reads a widget.\n', to: '', want: 'summary is missing' },
  {
    when: 'an id has no x-ref',
    file: openapi,
    from: 'flow_id: { type: string, format: uuid, x-ref: flow }',
    to: 'flow_id: { type: string, format: uuid }',
    want: 'flow_id needs x-ref',
  },
  {
    when: 'an x-ref leads nowhere',
    file: openapi,
    from: 'x-ref: widget',
    to: 'x-ref: gadget',
    want: 'x-ref names gadget, but no schema of that name exists',
  },
  {
    when: 'a string is unbounded',
    file: openapi,
    from: 'name: { type: string, minLength: 1, maxLength: 255 }',
    to: 'name: { type: string }',
    want: '/name: a string in a request needs maxLength',
  },
  {
    when: 'a number is unbounded',
    file: openapi,
    from: 'minimum: 1, maximum: 100, default: 3',
    to: 'minimum: 1, default: 3',
    want: '/size: a number in a request needs maximum',
  },
  { when: 'an array is unbounded', file: openapi, from: 'maxItems: 20, ', to: '', want: '/tags: an array in a request needs maxItems' },
  {
    when: 'a body is open',
    file: openapi,
    from: '      additionalProperties: false\n',
    to: '',
    want: 'an object in a request needs additionalProperties: false',
  },
  {
    when: 'a word is unknown',
    file: openapi,
    from: 'size: { type: integer }',
    to: 'size: { type: integer, nullable: true }',
    want: 'the generator does not know the word nullable',
  },
  {
    when: 'a property is no snake_case',
    file: openapi,
    from: 'size: { type: integer }',
    to: 'theSize: { type: integer }',
    want: 'property theSize is not snake_case',
  },
  {
    when: 'required names nothing',
    file: openapi,
    from: 'required: [result, next_page_token]',
    to: 'required: [result, next_token]',
    want: 'required names next_token, which is no property',
  },
  {
    when: 'two fields of the input have one name',
    file: 'openapi/flow.yaml',
    from: '        labels: {',
    to: '        id: { type: string, format: uuid, x-ref: flow }\n        labels: {',
    want: 'the input has two fields called id',
  },
  {
    when: 'a schema is unused',
    file: openapi,
    from: '    WidgetList:\n',
    to: '    WidgetSpare: { type: string }\n    WidgetList:\n',
    want: 'schema WidgetSpare: no operation and no event uses it',
  },
  {
    when: 'a schema name is taken',
    file: openapi,
    from: '    WidgetList:\n',
    to: '    Flow: { type: string }\n    WidgetList:\n',
    want: 'schema Flow is defined in',
  },
  {
    when: 'a schema has a name of the generator',
    file: openapi,
    from: '    WidgetList:\n',
    to: '    GetWidgetInput: { type: string }\n    WidgetList:\n',
    want: 'GetWidgetInput is a name the generator uses',
  },
  {
    when: 'a reference leads nowhere',
    file: openapi,
    from: "color: { $ref: '#/components/schemas/WidgetColor' }",
    to: "color: { $ref: '#/components/schemas/Colour' }",
    want: '$ref #/components/schemas/Colour leads nowhere',
  },
  {
    when: 'a route is taken',
    file: asyncapi,
    from: 'x-method: POST\n    x-route: /v1/widgets/{id}/paint',
    to: 'x-method: GET\n    x-route: /v1/widgets/{id}',
    want: 'GET /v1/widgets/{id} is already the route of getWidget',
  },
  {
    when: 'an event carries a secret',
    file: asyncapi,
    from: "schemas/Widget' }",
    to: "schemas/WidgetCreated' }",
    want: 'a public event must not carry a secret',
  },
  {
    when: 'an event names no resource',
    file: asyncapi,
    from: 'required: [widget_id, color]',
    to: 'required: [color]',
    want: 'data needs a required id or widget_id',
  },
  {
    when: 'an event has no schema',
    file: asyncapi,
    from: "              data: { $ref: '../openapi/widget.yaml#/components/schemas/Widget' }\n",
    to: '',
    want: 'the payload of an event is allOf',
  },
  {
    when: 'an unknown event is received',
    file: asyncapi,
    from: 'messages/flow.deleted',
    to: 'messages/flow.removed',
    want: 'leads nowhere',
  },
  {
    when: 'an internal operation has no reply',
    file: asyncapi,
    from: "      messages: [{ $ref: '#/channels/bin-manager.widget.reply/messages/paintWidgetReply' }]\n",
    to: '',
    want: 'needs channel, one message (the input) and reply',
  },
  {
    when: 'a reason has no status',
    file: openapi,
    from: 'WIDGET_LIMIT_REACHED: { status: FAILED_PRECONDITION',
    to: 'WIDGET_LIMIT_REACHED: { status: GONE',
    want: 'WIDGET_LIMIT_REACHED has the unknown status GONE',
  },
  {
    when: 'a reason is declared twice',
    file: 'errors.yaml',
    from: 'INTERNAL:',
    to: "WIDGET_LIMIT_REACHED: { status: NOT_FOUND, message: x, action: 'y' }\nINTERNAL:",
    want: 'errors.yaml declares it already',
  },
  {
    when: 'a reason says what its resource says by itself',
    file: 'errors.yaml',
    from: 'INTERNAL:',
    to: 'WIDGET_NOT_FOUND: { status: NOT_FOUND, message: There is no such widget., action: Check the id. }\nINTERNAL:',
    want: 'WIDGET_NOT_FOUND follows from its resource',
  },
  {
    when: 'a general reason is gone',
    file: 'errors.yaml',
    from: 'RATE_LIMITED:',
    to: 'RATE_LIMIT:',
    want: 'the general reason RATE_LIMITED is missing',
  },
  { when: 'a file is no YAML', file: openapi, from: 'paths:', to: 'paths: [', want: ': ' },
]

describe('the rules', () => {
  test('have nothing against the example of the documentation', () => {
    expect(complaints(openapi, 'openapi: 3.1.0', 'openapi: 3.1.0')).toEqual([])
  })

  test.each(cases)('complain when $when', ({ file, from, to, want }) => {
    const found = complaints(file, from, to)
    expect(found.join('\n')).toContain(want)
    expect(found.length).toBeGreaterThan(0)
  })
})
