import { describe, expect, test } from 'vitest'
import { activeSecrets, emailKey, newAccesskeyToken, newWebhookSecret, prefixOf, retireSecret } from './rules.ts'

const now = new Date('2026-01-20T12:00:00.000Z')

test('secrets have the form the contract names', () => {
  expect(newWebhookSecret()).toMatch(/^whsec_[A-Za-z0-9+/]{32}$/)
  const token = newAccesskeyToken()
  expect(token).toMatch(/^ak_[A-Za-z0-9]{32}$/)
  expect(prefixOf(token)).toBe(token.slice(0, 11))
})

test('an address is the same in any case', () => expect(emailKey('Ops@Acme.example')).toBe(emailKey('ops@acme.example')))

describe('a rotated webhook secret', () => {
  const at = (seconds: number) => new Date(now.getTime() + seconds * 1_000)
  const row = { webhook_secret: 'b', old_webhook_secrets: retireSecret({ webhook_secret: 'a', old_webhook_secrets: null }, now, 60) }
  test.each([
    { seconds: 0, want: ['b', 'a'] },
    { seconds: 59, want: ['b', 'a'] },
    { seconds: 60, want: ['b'] },
  ])('signs for its overlap: after $seconds s $want', ({ seconds, want }) => expect(activeSecrets(row, at(seconds))).toEqual(want))
  test('keeps its promise when it is rotated again', () => {
    const again = { webhook_secret: 'c', old_webhook_secrets: retireSecret(row, at(10), 600) }
    expect(activeSecrets(again, at(20))).toEqual(['c', 'b', 'a'])
    expect(activeSecrets(again, at(61))).toEqual(['c', 'b'])
  })
  test('ends at once without an overlap', () => expect(retireSecret({ webhook_secret: 'a', old_webhook_secrets: null }, now, 0)).toBeNull())
  test('never makes more than five', () => {
    let many = { webhook_secret: '0', old_webhook_secrets: null as string | null }
    for (let i = 1; i < 9; i++) many = { webhook_secret: String(i), old_webhook_secrets: retireSecret(many, now, 600) }
    expect(activeSecrets(many, now)).toEqual(['8', '7', '6', '5', '4'])
  })
})
