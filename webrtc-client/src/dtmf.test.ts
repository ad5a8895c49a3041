import { expect, test } from 'vitest'
import { parseTones } from './dtmf.ts'

test.each([
  { given: '1 2 3', want: '123' },
  { given: 'a*#d,', want: 'A*#D,' },
])('parseTones($given) is $want', ({ given, want }) => expect(parseTones(given)).toBe(want))

test.each(['', 'x', '+1'])('%j are no tones', given =>
  expect(() => parseTones(given)).toThrow(expect.objectContaining({ reason: 'invalid_dtmf', context: { 'pii.tones': given } }) as Error),
)
