import { describe, expect, test } from 'vitest'
import type { Schema } from './schema.ts'
import { queryZodOf, type ZodOptions, zodOf } from './zod.ts'

const schemas = new Map<string, Schema>([
  ['A', { type: 'object', required: ['type'], properties: { type: { const: 'a' } } }],
  ['B', { type: 'object', required: ['type'], properties: { type: { const: 'b' } } }],
  ['Size', { type: 'integer', default: 3 }],
])
const options = (mode: ZodOptions['mode'] = 'strict'): ZodOptions => ({
  schemas,
  mode,
  reference: name => ({ code: name, lazy: name === 'B' }),
})

const cases: { given: Schema; want: string }[] = [
  { given: { type: 'string', minLength: 1, maxLength: 5 }, want: 'z.string().min(1).max(5)' },
  { given: { type: 'string', pattern: "^a'\\d$" }, want: "z.string().regex(new RegExp('^a\\'\\\\d$', 'u'))" },
  { given: { type: 'string', format: 'uuid' }, want: 'z.uuid().toLowerCase()' },
  { given: { type: 'string', format: 'date-time' }, want: 'z.iso.datetime({ offset: true })' },
  { given: { type: ['string', 'null'], default: null }, want: 'z.string().nullable().default(null)' },
  { given: { type: 'integer', minimum: 1, maximum: 9, default: 3 }, want: 'z.int().min(1).max(9).default(3)' },
  { given: { type: 'number', exclusiveMinimum: 0 }, want: 'z.number().gt(0)' },
  { given: { enum: ['a', 'b'] }, want: "z.enum(['a', 'b'])" },
  { given: { enum: ['a', null] }, want: "z.literal('a').nullable()" },
  { given: { const: 5 }, want: 'z.literal(5)' },
  { given: { type: 'array', maxItems: 2, items: { type: 'string' } }, want: 'z.array(z.string()).max(2)' },
  { given: { type: 'object', additionalProperties: { type: 'string' } }, want: 'z.record(z.string(), z.string())' },
  { given: { type: 'object', propertyNames: { type: 'string', maxLength: 3 } }, want: 'z.record(z.string().max(3), z.unknown())' },
  { given: { type: 'object', additionalProperties: true, properties: {} }, want: 'z.looseObject({\n})' },
  { given: { $ref: '#/components/schemas/A' }, want: 'A' },
  { given: { $ref: '#/components/schemas/B' }, want: 'z.lazy(() => B)' },
  { given: { oneOf: [{ $ref: '#/components/schemas/A' }, { type: 'null' }] }, want: 'A.nullable()' },
  {
    given: { oneOf: [{ $ref: '#/components/schemas/A' }, { $ref: '#/components/schemas/B' }] },
    want: "z.discriminatedUnion('type', [A, z.lazy(() => B)])",
  },
  { given: { oneOf: [{ type: 'string' }, { type: 'integer' }] }, want: 'z.union([z.string(), z.int()])' },
  {
    given: {
      type: 'object',
      required: ['a'],
      properties: { a: { type: 'string' }, b: { type: 'string' }, c: { $ref: '#/components/schemas/Size' } },
    },
    want: 'z.strictObject({\n  a: z.string(),\n  b: z.string().optional(),\n  c: Size,\n})',
  },
  { given: { type: 'object', properties: { a: { type: 'string', 'x-internal': true } } }, want: 'z.strictObject({\n})' },
]

describe('zodOf', () => {
  test.each(cases)('of $given', one => expect(zodOf(one.given, options())).toBe(one.want))

  test('drops unknown fields and keeps internal ones over RPC', () => {
    expect(zodOf({ type: 'object', properties: { a: { type: 'string', 'x-internal': true } } }, options('loose'))).toBe(
      'z.object({\n  a: z.string().optional(),\n})',
    )
  })
})

const queries: { given: Schema; want: string }[] = [
  { given: { type: 'integer', default: 3 }, want: 'z.preprocess(toNumber, z.int()).default(3)' },
  { given: { $ref: '#/components/schemas/Size' }, want: 'z.preprocess(toNumber, z.int()).default(3)' },
  { given: { type: 'boolean' }, want: 'z.preprocess(toBoolean, z.boolean())' },
  { given: { type: 'array', items: { type: 'string' } }, want: 'z.preprocess(toList, z.array(z.string()))' },
  { given: { type: 'array', items: { type: 'integer' } }, want: 'z.preprocess(toNumbers, z.array(z.int()))' },
  { given: { type: 'string' }, want: 'z.string()' },
]
test.each(queries)('queryZodOf of $given turns text first', one => expect(queryZodOf(one.given, options())).toBe(one.want))
