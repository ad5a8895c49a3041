import { expect, test } from 'vitest'
import { causeText, cipherText, duration, initials, numberOf, qualityText, when } from './format.ts'

test.each([
  { given: 0, want: '0:00' },
  { given: 65.9, want: '1:05' },
  { given: 3725, want: '1:02:05' },
  { given: -1, want: '0:00' },
])('duration($given) is $want', ({ given, want }) => expect(duration(given)).toBe(want))

const now = new Date(2026, 10, 21, 12, 0)
test.each([
  { given: new Date(2026, 10, 21, 9, 5), want: '09:05' },
  { given: new Date(2026, 10, 20, 23, 59), want: 'Yesterday 23:59' },
  { given: new Date(2026, 10, 18, 9, 5), want: 'Wed 09:05' },
  { given: new Date(2026, 9, 1, 9, 5), want: '1 Oct 2026' },
])('when($given) is $want', ({ given, want }) => expect(when(given.toISOString(), now, 'en-GB')).toBe(want))

test.each([
  { given: '+14155550100', want: '+1 415 555 0100' },
  { given: 'anonymous', want: '' },
  { given: 'Anonymous@anonymous.invalid', want: '' },
  { given: 'anonymouse', want: 'anonymouse' },
])('numberOf($given) is $want', ({ given, want }) => expect(numberOf(given)).toBe(want))

test('a time that is none is shown as nothing', () => expect(when('soon', now)).toBe(''))

test.each([
  { given: 4.3, want: 'Excellent' },
  { given: 4.0, want: 'Good' },
  { given: 3.5, want: 'Fair' },
  { given: 2.0, want: 'Poor' },
  { given: null, want: 'Measuring' },
])('quality $given is $want', ({ given, want }) => expect(qualityText(given)).toBe(want))

test.each([
  { given: 'AES_CM_128_HMAC_SHA1_80', want: 'AES_CM_128_HMAC_SHA1_80' },
  { given: 'SRTP_AES128_CM_HMAC_SHA1_80', want: 'AES-128 CM' },
  { given: 'SRTP_AEAD_AES_256_GCM', want: 'AES-256 GCM' },
])('cipher $given is $want', ({ given, want }) => expect(cipherText(given)).toBe(want))

test.each([
  { given: 'Grace Hopper', want: 'GH' },
  { given: 'Ömer', want: 'Ö' },
  { given: '+1 415', want: '' },
  { given: '', want: '' },
])('initials($given) are $want', ({ given, want }) => expect(initials(given)).toBe(want))

test.each([
  { given: 'user_busy', want: 'Busy' },
  { given: null, want: 'Call ended' },
  { given: 'something_new', want: 'Call ended' },
])('cause $given reads $want', ({ given, want }) => expect(causeText(given)).toBe(want))
