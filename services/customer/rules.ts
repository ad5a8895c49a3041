import type { Accesskey, Customer } from '@voipbin/generated/schemas'
import { randomToken, tokenHash } from '@voipbin/kernel'
import type { AccesskeyRow, CustomerRow } from './schema.ts'

/** A webhook secret that a newer one has replaced; payloads are signed with it until `tm_end`, RFC 3339. */
export interface OldSecret {
  secret: string
  tm_end: string
}
/** With the current one as many as the contract lets a payload be signed with. */
const maxOldSecrets = 4

/** `whsec_` and 24 random bytes as base64: letters and digits are base64 as well. */
export const newWebhookSecret = (): string => `whsec_${randomToken(32)}`
export const newAccesskeyToken = (): string => `ak_${randomToken(32)}`
export const prefixOf = (token: string): string => token.slice(0, 11)

export const emailKey = (email: string): string => tokenHash(email.normalize('NFC').toLowerCase())

/** `seconds` after `now`, RFC 3339. */
export const later = (now: Date, seconds: number): string => new Date(now.getTime() + seconds * 1_000).toISOString()
export const isPast = (time: string | null, now: Date): boolean => time !== null && Date.parse(time) <= now.getTime()

const oldSecretsOf = (row: Pick<CustomerRow, 'old_webhook_secrets'>, now: Date): OldSecret[] =>
  row.old_webhook_secrets === null ? [] : (JSON.parse(row.old_webhook_secrets) as OldSecret[]).filter(old => !isPast(old.tm_end, now))

/** Every secret that payloads are signed with now, the newest first. */
export const activeSecrets = (row: Pick<CustomerRow, 'webhook_secret' | 'old_webhook_secrets'>, now: Date): string[] => [
  row.webhook_secret,
  ...oldSecretsOf(row, now).map(old => old.secret),
]

/** What `old_webhook_secrets` becomes when a new secret takes over; `overlap` in seconds. */
export function retireSecret(row: Pick<CustomerRow, 'webhook_secret' | 'old_webhook_secrets'>, now: Date, overlap: number): string | null {
  const retired = overlap > 0 ? [{ secret: row.webhook_secret, tm_end: later(now, overlap) }] : []
  const olds = [...retired, ...oldSecretsOf(row, now)].slice(0, maxOldSecrets)
  return olds.length > 0 ? JSON.stringify(olds) : null
}

/** A customer as the contract knows it: no secret, no key, no version. */
export function shownCustomer(row: CustomerRow): Customer {
  const { email_key, webhook_secret, old_webhook_secrets, version, ...customer } = row
  return { ...customer, status: row.tm_delete === null ? row.status : 'deleted' }
}

/** An access key without any trace of its secret. */
export function shownAccesskey(row: AccesskeyRow): Accesskey {
  const { token_hash, old_token_hash, version, ...accesskey } = row
  return accesskey
}
