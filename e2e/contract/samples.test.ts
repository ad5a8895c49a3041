import { expect, test } from 'vitest'
import type { Document, Schema } from './document.ts'
import { bodyWith, minimal } from './samples.ts'

const document: Document = {
  paths: {},
  components: {
    responses: {},
    parameters: {},
    schemas: {
      Action: { oneOf: [{ $ref: '#/components/schemas/Talk' }, { $ref: '#/components/schemas/Goto' }] },
      Talk: { type: 'object', required: ['type', 'text'], properties: { type: { const: 'talk' }, text: { type: 'string' } } },
      Goto: {
        type: 'object',
        required: ['type', 'options'],
        properties: {
          type: { const: 'goto' },
          options: {
            type: 'object',
            required: ['count', 'flow_id'],
            properties: { count: { type: 'integer', minimum: 1 }, flow_id: { type: 'string', format: 'uuid', 'x-ref': 'flow' } },
          },
        },
      },
    },
  },
}
const schema: Schema = {
  type: 'object',
  required: ['name'],
  properties: { name: { type: 'string' }, actions: { type: 'array', items: { $ref: '#/components/schemas/Action' } } },
}

test('minimal holds what is required and no more', () => {
  expect(minimal(schema, document)).toEqual({ name: 'sample' })
  expect(minimal({ $ref: '#/components/schemas/Goto' }, document)).toEqual({
    type: 'goto',
    options: { count: 1, flow_id: '01980000-0000-7000-8000-000000000001' },
  })
})

test('an id is put where the reference points to, in the variant that has it', () => {
  const body = bodyWith(schema, {
    path: ['actions', '*', 'options', 'flow_id'],
    id: 'ID',
    example: { name: 'a', actions: [{ type: 'talk', text: 'hello' }] },
    document,
  })
  expect(body).toEqual({ name: 'a', actions: [{ type: 'goto', options: { count: 1, flow_id: 'ID' } }] })
})
