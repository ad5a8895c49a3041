import { expect, test } from 'vitest'
import { z } from 'zod'
import { validateTolerant } from './tolerate.ts'

const inner = z.strictObject({ a: z.number() })
const schema = z.strictObject({
  name: z.string(),
  inner: inner.optional(),
  list: z.array(inner).optional(),
  either: z.union([inner, z.strictObject({ b: z.string() })]).optional(),
})

test.each([
  { given: { name: 'n' }, want: { name: 'n' } },
  { given: { name: 'n', later: 1 }, want: { name: 'n' } },
  { given: { name: 'n', inner: { a: 1, later: 2 } }, want: { name: 'n', inner: { a: 1 } } },
  { given: { name: 'n', list: [{ a: 1 }, { a: 2, later: 3 }] }, want: { name: 'n', list: [{ a: 1 }, { a: 2 }] } },
  { given: { name: 'n', either: { b: 'x', later: 1 } }, want: { name: 'n', either: { b: 'x' } } },
])('$given is read as $want', ({ given, want }) => {
  const before = structuredClone(given)
  expect(validateTolerant(schema, given)).toEqual(want)
  expect(given).toEqual(before)
})

test('other faults count, whatever else is unknown', () => {
  expect(() => validateTolerant(schema, { name: 5, later: 1 })).toThrow(expect.objectContaining({ status: 'INVALID_ARGUMENT' }))
})
