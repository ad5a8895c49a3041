import type { Address, Call } from '@voipbin/generated/schemas'

export type CallStatus = Call['status']
export type HangupCause = NonNullable<Call['hangup_cause']>

/** Forward only (`DECISIONS.md` 9). `canceling` and `terminating` are on the way out: asked to end, not yet ended. */
const next: Record<CallStatus, readonly CallStatus[]> = {
  initiating: ['ringing', 'active', 'canceling', 'terminating', 'completed'],
  ringing: ['active', 'canceling', 'terminating', 'completed'],
  active: ['terminating', 'completed'],
  canceling: ['completed'],
  terminating: ['completed'],
  completed: [],
}

export const canMove = (from: CallStatus, to: CallStatus): boolean => next[from].includes(to)
export const isLive = (status: CallStatus): boolean => status !== 'completed'
export const liveStatuses = (Object.keys(next) as CallStatus[]).filter(isLive)
export const isTalking = (status: CallStatus): boolean => status === 'active'
/** Neither answered nor on the way out. */
export const isWaiting = (status: CallStatus): boolean => status === 'initiating' || status === 'ringing'

/** SIP final responses that mean something else than "the far end refused" (RFC 3261 §21, RFC 3398 §8.2.6.1). */
const causeOfSip: Record<number, HangupCause> = {
  404: 'unallocated_number',
  408: 'no_answer',
  410: 'unallocated_number',
  480: 'no_answer',
  483: 'network_failure',
  484: 'unallocated_number',
  486: 'user_busy',
  487: 'originator_cancel',
  600: 'user_busy',
  603: 'call_rejected',
  604: 'unallocated_number',
}

/** Q.850 cause values, for a leg that ended without a SIP final response or after the answer. */
const causeOfQ850: Record<number, HangupCause> = {
  1: 'unallocated_number',
  16: 'normal_clearing',
  17: 'user_busy',
  18: 'no_answer',
  19: 'no_answer',
  21: 'call_rejected',
  26: 'normal_clearing',
  31: 'normal_clearing',
  34: 'network_failure',
  38: 'network_failure',
  41: 'network_failure',
  42: 'network_failure',
  44: 'network_failure',
  47: 'network_failure',
  102: 'timeout',
}

/** Names why a leg ended. An answered leg has no failure code of its own: what counts is the Q.850 cause. */
export function hangupCause(end: { sip_code: number | null; q850: number | null; answered: boolean }): HangupCause {
  if (!end.answered && end.sip_code !== null && end.sip_code >= 300) {
    return causeOfSip[end.sip_code] ?? (end.sip_code >= 500 ? 'network_failure' : 'call_rejected')
  }
  return causeOfQ850[end.q850 ?? 16] ?? 'failed'
}

/**
 * Whether the next carrier may be tried: the carrier failed, not the callee. A callee who is busy, declines, does not exist
 * or does not answer is the same through every carrier.
 */
export function mayFailOver(end: { sip_code: number | null; q850: number | null }): boolean {
  if (end.sip_code !== null && end.sip_code >= 300)
    return (end.sip_code >= 500 && end.sip_code < 600) || end.sip_code === 403 || end.sip_code === 408
  return [27, 34, 38, 41, 42, 44, 47].includes(end.q850 ?? 0)
}

/** Virtual numbers exist inside the platform only: no carrier reaches them, and none may be shown one. */
export const isVirtual = (number: string): boolean => number.startsWith('+899')

/** What a leg's way is told from. */
interface Way {
  destination: Pick<Address, 'type'>
  dialroutes: readonly unknown[]
}
export const isOverCarrier = ({ dialroutes }: Pick<Way, 'dialroutes'>): boolean => dialroutes.length > 0
/** To a number of the platform: no carrier is needed. */
export const isOnNet = (leg: Way): boolean => leg.destination.type === 'tel' && !isOverCarrier(leg)
/** Calls to numbers have a price, with a carrier or without. */
export const costs = (leg: Way): boolean => isOverCarrier(leg) || isOnNet(leg)

/** To how many numbers of the platform one call may be led: numbers whose flows connect to each other would do so for ever. */
export const maxHops = 5

/**
 * Legs for a call that was itself led to a number of the platform. Each of them counts as many hops as there are branches, so that numbers which connect to
 * several others each do not become thousands of calls (as Max-Breadth does, RFC 5393).
 */
export function withHops<T extends Way>(legs: readonly T[], hops: number): T[] {
  const branches = legs.filter(isOnNet).length
  return legs.map(leg => (hops > 0 && isOnNet(leg) ? { ...leg, hops: hops + branches } : leg))
}

/** How long an answered call lasted: every started second counts, and the first has started. 0 for one that was not answered. */
export const durationOf = (tm_answer: string | null, tm_hangup: string): number =>
  tm_answer ? Math.max(1, Math.ceil((Date.parse(tm_hangup) - Date.parse(tm_answer)) / 1000)) : 0
