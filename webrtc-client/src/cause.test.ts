import { expect, test } from 'vitest'
import { callCause, reasonOf } from './cause.ts'

test.each([
  { facts: { stack_cause: 'Terminated' }, want: 'normal_clearing' },
  { facts: { stack_cause: 'Terminated', reason_header: 'Q.850;cause=16' }, want: 'normal_clearing' },
  { facts: { stack_cause: 'Canceled' }, want: 'originator_cancel' },
  { facts: { stack_cause: 'Canceled', reason_header: 'SIP;cause=200;text="Call completed elsewhere"' }, want: 'answered_elsewhere' },
  { facts: { sip_code: 486, stack_cause: 'Busy' }, want: 'user_busy' },
  { facts: { sip_code: 600 }, want: 'user_busy' },
  { facts: { sip_code: 603 }, want: 'call_rejected' },
  { facts: { sip_code: 404 }, want: 'unallocated_number' },
  { facts: { sip_code: 402 }, want: 'payment_required' },
  { facts: { sip_code: 503 }, want: 'network_failure' },
  { facts: { sip_code: 499 }, want: 'failed' },
  { facts: { stack_cause: 'RTP Timeout' }, want: 'network_failure' },
  { facts: {}, want: 'failed' },
])('$facts is $want', ({ facts, want }) => expect(callCause(facts)).toBe(want))

test.each([
  { given: 'Q.850;cause=17;text="User busy"', want: { protocol: 'q.850', cause: 17 } },
  { given: 'SIP ;cause=200 ;text="x"', want: { protocol: 'sip', cause: 200 } },
  { given: 'nonsense', want: undefined },
  { given: undefined, want: undefined },
])('reasonOf($given)', ({ given, want }) => expect(reasonOf(given)).toEqual(want))
