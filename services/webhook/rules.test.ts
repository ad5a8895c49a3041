import { describe, expect, test } from 'vitest'
import { nextDelay, payload, shortened, unknownFilter, wants } from './rules.ts'

test.each([
  { filters: ['*'], type: 'call.hungup', want: true },
  { filters: ['call.*'], type: 'call.hungup', want: true },
  { filters: ['call.*'], type: 'callback.made', want: false },
  { filters: ['call.hungup'], type: 'call.hungup', want: true },
  { filters: ['call.created', 'flow.*'], type: 'call.hungup', want: false },
])('$filters wants $type: $want', ({ filters, type, want }) => expect(wants(filters, type)).toBe(want))

test.each([
  { filters: ['*', 'call.*', 'recording.finished'], want: undefined },
  { filters: ['call.*', 'cal.hungup'], want: 'cal.hungup' },
  { filters: ['call.action_finished'], want: 'call.action_finished' },
])('unknownFilter($filters) is $want', ({ filters, want }) => expect(unknownFilter(filters)).toBe(want))

test('the payload spells the type with an underscore', () => {
  const body = payload({ event_id: 'e', event_type: 'call.hungup', timestamp: '2026-01-20T12:00:00.000Z', data: { id: 'c' } })
  expect(JSON.parse(body)).toEqual({ id: 'e', type: 'call_hungup', created: '2026-01-20T12:00:00.000Z', data: { id: 'c' } })
})

describe('nextDelay', () => {
  const schedule = [0, 60, 300]
  test.each([
    { attempts: 0, want: 0 },
    { attempts: 1, want: 60_000 },
    { attempts: 2, want: 300_000 },
    { attempts: 3, want: undefined },
  ])('after $attempts attempts: $want', ({ attempts, want }) => expect(nextDelay(schedule, attempts, 0)).toBe(want))
  test('adds at most a tenth', () => expect(nextDelay(schedule, 1, 1)).toBe(66_000))
})

test('a record does not hold a whole signature', () => {
  const shown = shortened({ 'x-voipbin-signature': `sha256=${'a'.repeat(64)}`, 'content-type': 'application/json' })
  expect(shown).toEqual({ 'x-voipbin-signature': 'sha256=aaaaaaaaa…', 'content-type': 'application/json' })
})
