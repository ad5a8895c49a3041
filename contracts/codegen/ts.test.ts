import { describe, expect, test } from 'vitest'
import type { Schema } from './schema.ts'
import { tsDeclaration, tsType } from './ts.ts'

const schemas = new Map<string, Schema>([
  ['Id', { type: 'string', format: 'uuid' }],
  [
    'Base',
    {
      type: 'object',
      required: ['id'],
      properties: { id: { $ref: '#/components/schemas/Id' }, note: { type: 'string', 'x-internal': true } },
    },
  ],
  ['Size', { type: 'integer', default: 3 }],
])
const given = (schema: Schema, more = {}): string => tsType(schema, { schemas, used: new Set(), ...more })

const cases: { given: Schema; want: string }[] = [
  { given: { type: 'string' }, want: 'string' },
  { given: { type: 'integer' }, want: 'number' },
  { given: { type: ['string', 'null'] }, want: 'string | null' },
  { given: { const: 'a' }, want: "'a'" },
  { given: { enum: ['a', "b'c", 3] }, want: "'a' | 'b\\'c' | 3" },
  { given: { type: 'array', items: { type: 'string' } }, want: 'string[]' },
  { given: { type: 'array', items: { enum: ['a', 'b'] } }, want: "('a' | 'b')[]" },
  { given: { $ref: '#/components/schemas/Id' }, want: 'Id' },
  { given: { oneOf: [{ $ref: '#/components/schemas/Id' }, { type: 'null' }] }, want: 'Id | null' },
  { given: { type: 'object' }, want: 'Record<string, unknown>' },
  { given: { type: 'object', additionalProperties: { type: 'number' } }, want: 'Record<string, number>' },
  { given: { type: 'object', properties: {} }, want: 'Record<string, never>' },
  {
    given: { type: 'object', required: ['a'], properties: { a: { type: 'string' }, 'b-c': { type: 'boolean' } } },
    want: "{ a: string; 'b-c'?: boolean }",
  },
  { given: { type: 'object', properties: { a: { $ref: '#/components/schemas/Size' } } }, want: '{ a: Size }' },
  {
    given: { allOf: [{ $ref: '#/components/schemas/Base' }, { type: 'object', properties: { b: { type: 'string' } } }] },
    want: '{ id: Id; note?: string; b?: string }',
  },
  { given: {}, want: 'unknown' },
]

describe('tsType', () => {
  test.each(cases)('of $given is $want', one => expect(given(one.given)).toBe(one.want))

  test('leaves defaults optional for who sends', () => {
    expect(given({ type: 'object', properties: { a: { type: 'string', default: '' } } }, { sending: true })).toBe('{ a?: string }')
  })

  test('leaves internal properties out of the public view', () => {
    const publicViews = new Set(['Base'])
    expect(given({ $ref: '#/components/schemas/Base' }, { publicViews })).toBe('BasePublic')
    expect(given(schemas.get('Base') ?? {}, { publicViews })).toBe('{ id: Id }')
  })
})

test('tsDeclaration writes documented interfaces', () => {
  const schema: Schema = {
    type: 'object',
    description: 'A thing.',
    required: ['id'],
    properties: { id: { $ref: '#/components/schemas/Id', description: 'Its id.' } },
  }
  const used = new Set<string>()
  expect(tsDeclaration('Thing', schema, { schemas, used })).toBe(
    '/** A thing. */\nexport interface Thing {\n  /** Its id. */\n  id: Id\n}\n',
  )
  expect([...used]).toEqual(['Id'])
})
