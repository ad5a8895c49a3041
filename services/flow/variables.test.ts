import { expect, test } from 'vitest'
import { badName, FilledTooLarge, isTooLarge, substitute } from './variables.ts'

const variables = { 'voipbin.call.digits': '12', name: 'Ada' }

test.each([
  { given: 'Hello ${name}', want: 'Hello Ada' },
  { given: '${ name }!', want: 'Ada!' },
  { given: '${missing}', want: '' },
  { given: '$name ${', want: '$name ${' },
  {
    given: { text: 'you pressed ${voipbin.call.digits}', list: ['${name}', 7, true, null] },
    want: { text: 'you pressed 12', list: ['Ada', 7, true, null] },
  },
])('substitute($given)', ({ given, want }) => expect(substitute(given, variables)).toEqual(want))

test('a value is never read as another reference', () => {
  expect(substitute('${a}', { a: '${name}', name: 'Ada' })).toBe('${name}')
})

test.each(['${constructor}', '${toString}', '${__proto__}'])('%s is no variable', given => expect(substitute(given, variables)).toBe(''))

test('what grows without bounds is refused', () => {
  expect(() => substitute({ list: ['${a}'.repeat(1_000)] }, { a: 'x'.repeat(1_000) })).toThrow(FilledTooLarge)
})

test.each<{ given: Record<string, string>; want: boolean }>([
  { given: { a: 'x'.repeat(65_535) }, want: false },
  { given: { a: 'x'.repeat(65_536) }, want: true },
  { given: { a: 'é'.repeat(32_768) }, want: true },
  { given: { 'voipbin.call.digits': 'x'.repeat(70_000) }, want: false },
])('isTooLarge is $want', ({ given, want }) => expect(isTooLarge(given)).toBe(want))

test.each<{ given: Record<string, string>; want: string | undefined }>([
  { given: { order: '1', 'a.b-c_1': '2' }, want: undefined },
  { given: { order: '1', 'a b': '2' }, want: 'a b' },
  { given: { '': '1' }, want: '' },
])('badName($given)', ({ given, want }) => expect(badName(given)).toBe(want))
