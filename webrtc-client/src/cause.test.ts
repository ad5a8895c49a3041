import { expect, test } from 'vitest'
import { callCause, reasonOf } from './cause.ts'

test.each([
  { facts: { stackCause: 'Terminated' }, want: 'normal_clearing' },
  { facts: { stackCause: 'Terminated', reasonHeader: 'Q.850;cause=16' }, want: 'normal_clearing' },
  { facts: { stackCause: 'Canceled' }, want: 'originator_cancel' },
  { facts: { stackCause: 'Canceled', reasonHeader: 'SIP;cause=200;text="Call completed elsewhere"' }, want: 'answered_elsewhere' },
  { facts: { sipCode: 486, stackCause: 'Busy' }, want: 'user_busy' },
  { facts: { sipCode: 600 }, want: 'user_busy' },
  { facts: { sipCode: 603 }, want: 'call_rejected' },
  { facts: { sipCode: 404 }, want: 'unallocated_number' },
  { facts: { sipCode: 402 }, want: 'payment_required' },
  { facts: { sipCode: 503 }, want: 'network_failure' },
  { facts: { sipCode: 499 }, want: 'failed' },
  { facts: { stackCause: 'RTP Timeout' }, want: 'network_failure' },
  { facts: {}, want: 'failed' },
])('$facts is $want', ({ facts, want }) => expect(callCause(facts)).toBe(want))

test.each([
  { given: 'Q.850;cause=17;text="User busy"', want: { protocol: 'q.850', cause: 17 } },
  { given: 'SIP ;cause=200 ;text="x"', want: { protocol: 'sip', cause: 200 } },
  { given: 'nonsense', want: undefined },
  { given: undefined, want: undefined },
])('reasonOf($given)', ({ given, want }) => expect(reasonOf(given)).toEqual(want))
