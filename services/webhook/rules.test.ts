import { describe, expect, test } from 'vitest'
import { signHeaders } from '../../sdk/src/sign.ts'
import {
  activeSecrets,
  deliveryId,
  firstHeaders,
  nextDelay,
  payload,
  retireSecret,
  shortened,
  signedHeaders,
  unknownFilter,
  wants,
} from './rules.ts'

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

test('headers are those the SDK makes', async () => {
  const timestamp = new Date('2026-01-20T12:00:30.120Z')
  const secrets = ['whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD', 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw']
  const options = { id: 'event', type: 'call_hungup', timestamp, secrets }
  expect(signedHeaders('{"id":"ü"}', options)).toEqual(await signHeaders('{"id":"ü"}', options))
})

test('a delivery has one id for its event and place, which begins with the time of the event', () => {
  const event_id = '01980a4e-5d00-7a11-8c3e-1f2a3b4c5d15'
  const id = deliveryId(event_id, 'here')
  expect(id).toMatch(/^01980a4e-5d00-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  expect(deliveryId(event_id, 'here')).toBe(id)
  expect(deliveryId(event_id, 'there')).not.toBe(id)
})

test('the first 4 KiB of the headers are kept', () => {
  expect(firstHeaders({ a: 'x'.repeat(4_000), b: 'y'.repeat(200), c: 'z' })).toEqual({ a: 'x'.repeat(4_000) })
})

describe('secrets', () => {
  const at = (seconds: number) => new Date(Date.parse('2026-01-20T12:00:00Z') + seconds * 1000)
  test('are active until their overlap ends, five at most', () => {
    let row = { secret: 's0', old_secrets: null as string | null }
    for (let n = 1; n <= 6; n++) row = { secret: `s${n}`, old_secrets: retireSecret(row, at(n), 100).old_secrets }
    expect(activeSecrets(row, at(6))).toEqual(['s6', 's5', 's4', 's3', 's2'])
    expect(activeSecrets(row, at(104))).toEqual(['s6', 's5', 's4'])
    expect(retireSecret(row, at(7), 10).tm_secret_overlap_end).toBe(at(106).toISOString())
    expect(retireSecret(row, at(7), 0)).toEqual({ old_secrets: null, tm_secret_overlap_end: null })
  })
})
