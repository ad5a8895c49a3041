import { type CallCause, formatTarget } from '../../src/index.ts'

/** `65` → `1:05`, `3725` → `1:02:05`. Seconds. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds))
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60]
  const shown = parts[0] === 0 ? parts.slice(1) : parts
  return shown.map((part, index) => (index === 0 ? String(part) : String(part).padStart(2, '0'))).join(':')
}

/** A number or address spaced out for reading; empty when the caller has withheld it (RFC 3323). */
export const numberOf = (target: string): string => (/^anonymous(@|$)/i.test(target) ? '' : formatTarget(target))

/** Clock time, yesterday's with the word, weekday and time within a week, else the date. */
export function when(iso: string, now = new Date(), locale?: string): string {
  const date = new Date(iso)
  if (Number.isNaN(date.getTime())) return ''
  const time = new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit' }).format(date)
  const days = Math.round((startOfDay(now) - startOfDay(date)) / 86_400_000)
  if (days === 0) return time
  if (days === 1) return `Yesterday ${time}`
  if (days < 7) return `${new Intl.DateTimeFormat(locale, { weekday: 'short' }).format(date)} ${time}`
  return new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short', year: 'numeric' }).format(date)
}

const startOfDay = (date: Date): number => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime()

const causes: Record<CallCause, string> = {
  normal_clearing: 'Call ended',
  user_busy: 'Busy',
  no_answer: 'No answer',
  call_rejected: 'Declined',
  unallocated_number: 'This number does not exist',
  network_failure: 'Connection failed',
  timeout: 'No response',
  originator_cancel: 'Cancelled',
  answered_elsewhere: 'Answered on another phone',
  payment_required: 'Not enough credit',
  failed: 'Call failed',
}

export const causeText = (cause: string | null | undefined): string => causes[(cause ?? 'normal_clearing') as CallCause] ?? 'Call ended'

const statuses: Record<string, string> = {
  initiating: 'Calling',
  ringing: 'Ringing',
  active: 'In call',
  canceling: 'Ending',
  terminating: 'Ending',
}

/** State of a call that goes on. */
export const statusText = (status: string): string => statuses[status] ?? status

/** Quality in a word, by the usual bands of the mean opinion score. Null: nothing has been received yet. */
export function qualityText(mos: number | null): 'Excellent' | 'Good' | 'Fair' | 'Poor' | 'Measuring' {
  if (mos === null) return 'Measuring'
  if (mos >= 4.2) return 'Excellent'
  if (mos >= 3.8) return 'Good'
  return mos >= 3.2 ? 'Fair' : 'Poor'
}

/** `SRTP_AES128_CM_HMAC_SHA1_80` → `AES-128 CM`, `SRTP_AEAD_AES_256_GCM` → `AES-256 GCM`. */
export function cipherText(cipher: string): string {
  const match = /AES_?(\d+)_(CM|GCM)/.exec(cipher)
  return match ? `AES-${match[1]} ${match[2]}` : cipher
}

/** Up to two letters for a picture. */
export function initials(name: string): string {
  const words = name
    .replace(/[^\p{L}\p{N}\s]/gu, '')
    .split(/\s+/)
    .filter(Boolean)
  if (/^\d/.test(words[0] ?? '')) return ''
  return words
    .slice(0, 2)
    .map(word => word[0]?.toUpperCase())
    .join('')
}
