import { describe, expect, test } from 'vitest'
import { e164 } from './inbound.ts'
import { type CallStatus, canMove, durationOf, hangupCause, mayFailOver } from './rules.ts'

const statuses: CallStatus[] = ['initiating', 'ringing', 'active', 'canceling', 'terminating', 'completed']

describe('states', () => {
  test('only go forward', () => {
    const ways = statuses.flatMap((from, at) => statuses.filter(to => canMove(from, to)).map(to => ({ from, to, at })))
    for (const { to, at } of ways) expect(statuses.indexOf(to)).toBeGreaterThan(at)
  })
  test('an answered call is terminated, one that waits is canceled', () => {
    expect(canMove('active', 'canceling')).toBe(false)
    expect(canMove('canceling', 'active')).toBe(false)
    expect(statuses.filter(to => canMove('completed', to))).toEqual([])
  })
})

test.each([
  [404, 1, false, 'unallocated_number'],
  [408, 18, false, 'no_answer'],
  [480, 19, false, 'no_answer'],
  [484, 28, false, 'unallocated_number'],
  [486, 17, false, 'user_busy'],
  [487, 0, false, 'originator_cancel'],
  [403, 21, false, 'call_rejected'],
  [488, 21, false, 'call_rejected'],
  [500, 41, false, 'network_failure'],
  [503, 38, false, 'network_failure'],
  [600, 17, false, 'user_busy'],
  [603, 21, false, 'call_rejected'],
  [604, 1, false, 'unallocated_number'],
  [null, 16, true, 'normal_clearing'],
  [null, 41, true, 'network_failure'],
  [null, null, true, 'normal_clearing'],
  [null, 102, false, 'timeout'],
  [null, 127, false, 'failed'],
  [486, 16, true, 'normal_clearing'],
] as const)('SIP %s with cause %s (answered %s) is %s', (sip_code, q850, answered, want) =>
  expect(hangupCause({ sip_code, q850, answered })).toBe(want),
)

test.each([
  [503, 38, true],
  [500, 41, true],
  [403, 21, true],
  [408, 18, true],
  [486, 17, false],
  [404, 1, false],
  [480, 19, false],
  [487, 0, false],
  [600, 17, false],
  [603, 21, false],
  [null, 38, true],
  [null, 17, false],
  [null, null, false],
] as const)('SIP %s with cause %s fails over: %s', (sip_code, q850, want) => expect(mayFailOver({ sip_code, q850 })).toBe(want))

test.each([
  [null, 0],
  ['2026-01-20T12:00:00.000000Z', 1],
  ['2026-01-20T11:59:59.600000Z', 1],
  ['2026-01-20T11:59:00.000000Z', 60],
  ['2026-01-20T11:58:59.999000Z', 61],
])('a call answered at %s that ends at noon lasted %s s', (tm_answer, want) =>
  expect(durationOf(tm_answer, '2026-01-20T12:00:00.000000Z')).toBe(want),
)

test.each([
  ['+15551234567', '+15551234567'],
  ['0015551234567', '+15551234567'],
  ['15551234567', '+15551234567'],
  ['+1 (555) 123-4567', '+15551234567'],
  ['1001', undefined],
  ['alice', undefined],
  ['anonymous', undefined],
])('%s is the number %s', (user, want) => expect(e164(user)).toBe(want))
