/** Why a call ended: the causes of the platform, and `answered_elsewhere` which only a ringing phone can see. */
export type CallCause =
  | 'normal_clearing'
  | 'user_busy'
  | 'no_answer'
  | 'call_rejected'
  | 'unallocated_number'
  | 'network_failure'
  | 'timeout'
  | 'originator_cancel'
  | 'answered_elsewhere'
  | 'payment_required'
  | 'failed'

const bySipCode: Record<number, CallCause> = {
  402: 'payment_required',
  403: 'call_rejected',
  404: 'unallocated_number',
  408: 'timeout',
  410: 'unallocated_number',
  480: 'no_answer',
  484: 'unallocated_number',
  486: 'user_busy',
  487: 'originator_cancel',
  500: 'network_failure',
  502: 'network_failure',
  503: 'network_failure',
  504: 'network_failure',
  600: 'user_busy',
  603: 'call_rejected',
  604: 'unallocated_number',
}

const byStackCause: Record<string, CallCause> = {
  Terminated: 'normal_clearing',
  Canceled: 'originator_cancel',
  Rejected: 'call_rejected',
  Busy: 'user_busy',
  'No Answer': 'no_answer',
  Expires: 'no_answer',
  'Connection Error': 'network_failure',
  'Request Timeout': 'timeout',
  'RTP Timeout': 'network_failure',
  'No ACK': 'network_failure',
  'Dialog Error': 'network_failure',
}

export interface EndFacts {
  /** Final status of the INVITE, when there was one. */
  sipCode?: number | undefined
  /** `Reason` header of the BYE or CANCEL (RFC 3326), e.g. `Q.850;cause=17` or `SIP;cause=200`. */
  reasonHeader?: string | undefined
  /** What the SIP stack called it. */
  stackCause?: string | undefined
}

/** The part of a SIP message that says why a call ended. */
export interface EndMessage {
  status_code?: number
  getHeader(name: string): string
}

/** Facts of the last message of a call, if one came, and of what the SIP stack makes of it. */
export const endFacts = (message: EndMessage | null, stackCause: string): EndFacts => ({
  sipCode: message?.status_code,
  reasonHeader: message?.getHeader('Reason'),
  stackCause,
})

/** One cause from what SIP says in three places; the most specific one wins. */
export function callCause({ sipCode, reasonHeader, stackCause }: EndFacts): CallCause {
  const reason = reasonOf(reasonHeader)
  if (reason?.protocol === 'sip' && reason.cause === 200) return 'answered_elsewhere'
  if (sipCode !== undefined && sipCode >= 300) return bySipCode[sipCode] ?? 'failed'
  if (reason?.protocol === 'q.850' && reason.cause === 17) return 'user_busy'
  if (reason?.protocol === 'q.850' && [18, 19].includes(reason.cause)) return 'no_answer'
  if (reason?.protocol === 'q.850' && reason.cause === 21) return 'call_rejected'
  return byStackCause[stackCause ?? ''] ?? 'failed'
}

/** First value of a `Reason` header (RFC 3326). */
export function reasonOf(header: string | undefined): { protocol: string; cause: number } | undefined {
  const match = /^\s*([\w.]+)\s*;.*?cause\s*=\s*(\d+)/i.exec(header ?? '')
  return match?.[1] && match[2] ? { protocol: match[1].toLowerCase(), cause: Number(match[2]) } : undefined
}
