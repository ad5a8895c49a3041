import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { isAppError } from './errors.ts'
import { toDetails, validate } from './validate.ts'

const body = z.strictObject({
  name: z.string().min(2).max(4),
  size: z.int().min(1).max(9).default(3),
  color: z.enum(['red', 'green']).optional(),
  kind: z.literal('a').optional(),
  tags: z.array(z.string().max(3)).max(2).optional(),
  step: z
    .discriminatedUnion('type', [
      z.strictObject({ type: z.literal('talk'), text: z.string() }),
      z.strictObject({ type: z.literal('wait') }),
    ])
    .optional(),
  target: z.union([z.string(), z.strictObject({ id: z.uuid() })]).optional(),
  at: z.iso.datetime({ offset: true }).optional(),
  url: z.url().optional(),
  code: z.string().regex(/^\d+$/u).optional(),
  share: z.number().gt(0).lt(1).optional(),
  pair: z.number().multipleOf(5).optional(),
  map: z
    .record(z.string(), z.string())
    .refine(map => Object.keys(map).length <= 1, { params: { rule: 'maxProperties', expected: '1' } })
    .optional(),
})

const cases = [
  { when: 'a field is missing', given: {}, want: [{ field: '/name', rule: 'required', expected: 'string' }] },
  { when: 'the body is no object', given: 'x', want: [{ field: '', rule: 'type', expected: 'object' }] },
  { when: 'null stands for a text', given: { name: null }, want: [{ field: '/name', rule: 'type', expected: 'string' }] },
  { when: 'a text is too short', given: { name: 'a' }, want: [{ field: '/name', rule: 'minLength', expected: 'at least 2 characters' }] },
  { when: 'a text is too long', given: { name: 'abcde' }, want: [{ field: '/name', rule: 'maxLength', expected: 'at most 4 characters' }] },
  { when: 'a number is no integer', given: { name: 'ab', size: 1.5 }, want: [{ field: '/size', rule: 'type', expected: 'integer' }] },
  { when: 'a number is too big', given: { name: 'ab', size: 10 }, want: [{ field: '/size', rule: 'maximum', expected: 'at most 9' }] },
  { when: 'a number is too small', given: { name: 'ab', size: 0 }, want: [{ field: '/size', rule: 'minimum', expected: 'at least 1' }] },
  {
    when: 'a value is not in the list',
    given: { name: 'ab', color: 'blue' },
    want: [{ field: '/color', rule: 'enum', expected: 'one of red, green' }],
  },
  { when: 'a constant differs', given: { name: 'ab', kind: 'b' }, want: [{ field: '/kind', rule: 'const', expected: 'a' }] },
  {
    when: 'a field is unknown',
    given: { name: 'ab', 'a/b~': 1 },
    want: [{ field: '/a~1b~0', rule: 'additionalProperties', expected: 'no such field' }],
  },
  {
    when: 'a list is too long',
    given: { name: 'ab', tags: ['a', 'b', 'c'] },
    want: [{ field: '/tags', rule: 'maxItems', expected: 'at most 2 items' }],
  },
  {
    when: 'an element is bad',
    given: { name: 'ab', tags: ['a', 'long'] },
    want: [{ field: '/tags/1', rule: 'maxLength', expected: 'at most 3 characters' }],
  },
  {
    when: 'a variant is unknown',
    given: { name: 'ab', step: { type: 'x' } },
    want: [{ field: '/step/type', rule: 'enum', expected: 'one of talk, wait' }],
  },
  {
    when: 'a variant has no type',
    given: { name: 'ab', step: {} },
    want: [{ field: '/step/type', rule: 'required', expected: 'one of talk, wait' }],
  },
  {
    when: 'a variant lacks a field',
    given: { name: 'ab', step: { type: 'talk' } },
    want: [{ field: '/step/text', rule: 'required', expected: 'string' }],
  },
  { when: 'no variant fits', given: { name: 'ab', target: 5 }, want: [{ field: '/target', rule: 'anyOf', expected: 'string or object' }] },
  {
    when: 'one variant nearly fits',
    given: { name: 'ab', target: { id: 'x' } },
    want: [{ field: '/target/id', rule: 'format', expected: 'uuid' }],
  },
  { when: 'a time is none', given: { name: 'ab', at: 'now' }, want: [{ field: '/at', rule: 'format', expected: 'date-time' }] },
  { when: 'a URL is none', given: { name: 'ab', url: 'x' }, want: [{ field: '/url', rule: 'format', expected: 'uri' }] },
  { when: 'a pattern does not match', given: { name: 'ab', code: 'x' }, want: [{ field: '/code', rule: 'pattern', expected: '^\\d+$' }] },
  {
    when: 'an open bound is hit',
    given: { name: 'ab', share: 1 },
    want: [{ field: '/share', rule: 'exclusiveMaximum', expected: 'below 1' }],
  },
  { when: 'a step is missed', given: { name: 'ab', pair: 3 }, want: [{ field: '/pair', rule: 'multipleOf', expected: 'a multiple of 5' }] },
  {
    when: 'a map is too large',
    given: { name: 'ab', map: { a: 'a', b: 'b' } },
    want: [{ field: '/map', rule: 'maxProperties', expected: '1' }],
  },
]

describe('toDetails', () => {
  test.each(cases)('names field, rule and expectation when $when', ({ given, want }) => {
    const result = body.safeParse(given)
    expect(result.success).toBe(false)
    expect(toDetails(result.error?.issues ?? [], given)).toEqual(want)
  })

  test('stops at 50 faults', () => {
    const given = { name: 'ab', ...Object.fromEntries(Array.from({ length: 80 }, (_, i) => [`x${i}`, 1])) }
    expect(toDetails(body.safeParse(given).error?.issues ?? [], given)).toHaveLength(50)
  })
})

describe('validate', () => {
  test('fills defaults in', () => expect(validate(body, { name: 'ab' })).toEqual({ name: 'ab', size: 3 }))

  test('throws INVALID_ARGUMENT with the details', () => {
    try {
      validate(body, { size: 0 })
      expect.unreachable()
    } catch (error) {
      if (!isAppError(error)) throw error
      expect(error).toMatchObject({ reason: 'INVALID_ARGUMENT', status: 'INVALID_ARGUMENT' })
      expect(error.message).toBe('The request is not valid: /name breaks the rule required and 1 more.')
      expect(error.details.map(detail => detail.field)).toEqual(['/name', '/size'])
    }
  })
})
