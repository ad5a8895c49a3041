import { describe, expect, test } from 'vitest'
import { decodeUser, formatTarget, targetUri } from './address.ts'
import { PhoneError } from './errors.ts'

describe('targetUri', () => {
  test.each([
    { given: '1001', want: 'sip:1001@c.example' },
    { given: ' +1 (415) 555-0100 ', want: 'sip:+14155550100@c.example' },
    { given: '+44 20.7946\u00a00018', want: 'sip:+442079460018@c.example' },
    { given: 'tel:+1-415-555-0100', want: 'sip:+14155550100@c.example' },
    { given: '+44 (0)20 7946 0018', want: 'sip:+442079460018@c.example' },
    { given: '\u202a+1\u2011415 [555] 0100\u202c', want: 'sip:+14155550100@c.example' },
    { given: '*43#', want: 'sip:*43%23@c.example' },
    { given: 'alice', want: 'sip:alice@c.example' },
    { given: 'alice.smith-2', want: 'sip:alice.smith-2@c.example' },
    { given: 'bob@other.example', want: 'sip:bob@other.example' },
    { given: 'sip:bob@other.example;transport=ws', want: 'sip:bob@other.example' },
  ])('$given is $want', ({ given, want }) => expect(targetUri(given, 'c.example')).toBe(want))

  test.each(['', '   ', 'two words', 'a\r\nVia: x', '<script>', '"quote"'])('%j is nothing to dial', given =>
    expect(() => targetUri(given, 'c.example')).toThrow(
      expect.objectContaining({ name: 'PhoneError', reason: 'invalid_target' }) as PhoneError,
    ),
  )
})

test.each([
  { given: '+14155550100', want: '+1 415 555 0100' },
  { given: '+442079460018', want: '+442079460018' },
  { given: '1001', want: '1001' },
])('formatTarget($given) is $want', ({ given, want }) => expect(formatTarget(given)).toBe(want))

test.each([
  { given: '%2343', want: '#43' },
  { given: '100%', want: '100%' },
])('decodeUser($given) is $want', ({ given, want }) => expect(decodeUser(given)).toBe(want))

test('an error carries its reason and context', () => {
  const error = new PhoneError('invalid_target', { 'pii.target': 'x' })
  expect(error).toMatchObject({ name: 'PhoneError', reason: 'invalid_target', context: { 'pii.target': 'x' } })
})
