import { expect, test } from 'vitest'
import { type Document, operationsOf, refsOf } from './document.ts'
import { badRequests, soundPath } from './mutations.ts'

const document: Document = {
  paths: {
    '/v1.0/widgets/{id}': {
      put: {
        operationId: 'updateWidget',
        'x-permission': 'widget_update',
        'x-owner': 'customer',
        responses: {},
        parameters: [
          { name: 'id', in: 'path', required: true, schema: { type: 'string', format: 'uuid', 'x-ref': 'widget' } },
          { name: 'size', in: 'query', required: true, schema: { type: 'integer', minimum: 1, maximum: 9 } },
        ],
        requestBody: {
          required: true,
          content: {
            'application/json': {
              schema: { $ref: '#/components/schemas/WidgetUpdate' },
              example: { name: 'a', parts: [{ part_id: '01980000-0000-7000-8000-000000000001' }] },
            },
          },
        },
      },
    },
  },
  components: {
    responses: {},
    parameters: {},
    schemas: {
      WidgetUpdate: {
        type: 'object',
        additionalProperties: false,
        required: ['name'],
        properties: {
          name: { type: 'string', maxLength: 3 },
          parts: {
            type: 'array',
            maxItems: 2,
            items: { type: 'object', properties: { part_id: { type: 'string', format: 'uuid', 'x-ref': 'part' } } },
          },
        },
      },
    },
  },
}
const [operation] = operationsOf(document)
if (!operation) throw new Error('no operation')

test('a sound request fills path and required query', () => {
  expect(soundPath(operation, document)).toBe('/v1.0/widgets/01980000-0000-7000-8000-000000000001?size=1')
})

test('every rule of the contract becomes a bad request that names its field', () => {
  const found = badRequests(operation, document).map(({ what, field }) => `${what} → ${field}`)
  expect(found).toEqual(
    expect.arrayContaining([
      'an unknown query parameter → /no_such_parameter',
      'path id: no uuid → /id',
      'query size: over the maximum → /size',
      'query size: under the minimum → /size',
      'query size missing → /size',
      'body: an array → ',
      ': an unknown field → /no_such_field',
      '/name: missing → /name',
      '/name: a wrong type → /name',
      '/name: too long → /name',
      '/parts: too many items → /parts',
      '/parts/0/part_id: no uuid → /parts/0/part_id',
    ]),
  )
})

test('each bad request is sound otherwise', () => {
  for (const { what, body } of badRequests(operation, document))
    if (what.startsWith('path') || what.startsWith('query')) expect(JSON.parse(body ?? '')).toEqual(operation.body?.example)
})

test('references are found in path and body', () => {
  expect(refsOf(operation, document)).toEqual([
    { in: 'path', path: ['id'], resource: 'widget' },
    { in: 'body', path: ['parts', '*', 'part_id'], resource: 'part' },
  ])
})
