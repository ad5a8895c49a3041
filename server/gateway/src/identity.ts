import type { Actor } from '@voipbin/kernel'

/** Who stands behind a credential, after it was checked. */
export interface Identity {
  /** Whose rows this request sees: the own customer, or the one a super admin named. */
  readonly customer_id: string
  /** The customer the credential belongs to. */
  readonly home_customer_id: string
  readonly agent_id: string | null
  /** The agent that made the access key, if one did. It lends the key nothing but its profile (`/me`). */
  readonly maker_id?: string | null
  readonly actor: Actor
  /** Roles and single permissions as granted. */
  readonly grants: readonly string[]
  /** What the grants amount to. */
  readonly permissions: ReadonlySet<string>
  /** SHA-256 of the credential. */
  readonly hash: string
  readonly kind: 'token' | 'accesskey'
  /** Id of the session or of the access key. */
  readonly credential_id: string
  /** Epoch milliseconds; Infinity for an access key that never expires. */
  readonly expires: number
}
