import type { Caller } from '@voipbin/kernel'
import { LRUCache } from 'lru-cache'
import { fail } from './errors.ts'
import type { Identity } from './identity.ts'
import type { RateClass } from './route.ts'
import type { Rpc } from './rpc.ts'
import { credentialHash, type VerifiedToken } from './tokens.ts'

/** Requests per minute. */
export type RateLimits = Record<RateClass, number>
/** The seeds' defaults (`DECISIONS.md` 26). */
export const defaultLimits: RateLimits = { api: 1_000, call_create: 100, login: 10 }

export interface CustomerState {
  status: string
  rate_limits: RateLimits
}
interface AccesskeyFound {
  accesskey: { id: string; customer_id: string; agent_id: string | null; scopes: string[]; tm_expire: string | null }
  customer_status: string
  rate_limits: RateLimits
}

/** How long an answer about a key, session or customer may be old, in milliseconds; events make it shorter. */
const remember_ms = 20_000
/** How exact that is: a finer clock costs the hot path a timer each time. */
const exact_ms = 250

export interface StoreOptions {
  rpc: Rpc
  /** Grants -> permissions. */
  expand(grants: readonly string[]): ReadonlySet<string>
}

/** The platform asking for itself, because nobody is known yet. */
export const gatewayCaller = (request_id: string, deadline: number): Caller => ({
  customer_id: '',
  agent_id: null,
  actor: { type: 'system', id: 'gateway' },
  permissions: [],
  request_id,
  locale: 'en',
  deadline,
})

const isReason = (error: unknown, reason: string): boolean => (error as { reason?: string } | null)?.reason === reason

/** What is known about credentials and customers, kept for seconds, so that the hot path asks nobody. */
export class CredentialStore {
  readonly #options: StoreOptions
  readonly #accesskeys = new LRUCache<string, { identity: Identity; state: CustomerState }>({
    max: 20_000,
    ttl: remember_ms,
    ttlResolution: exact_ms,
  })
  /** Hashes that name no key: a wrong key in a loop must not reach the service each time. */
  readonly #unknown = new LRUCache<string, true>({ max: 20_000, ttl: 5_000, ttlResolution: exact_ms })
  readonly #customers = new LRUCache<string, CustomerState>({
    max: 20_000,
    ttl: remember_ms,
    ttlResolution: exact_ms,
  })
  /** Access key -> its hash: hashing costs more than all the rest of looking a key up. */
  readonly #hashes = new LRUCache<string, string>({ max: 20_000 })
  readonly #tokens = new LRUCache<string, Identity>({ max: 20_000 })
  readonly #sessions = new LRUCache<string, true>({
    max: 20_000,
    ttl: remember_ms,
    ttlResolution: exact_ms,
  })

  constructor(options: StoreOptions) {
    this.#options = options
  }

  /** Throws UNAUTHENTICATED for a key that is unknown, expired or deleted. */
  accesskey(key: string, caller: Caller): Identity | Promise<Identity> {
    const hash = this.#hashes.get(key) ?? this.#hashOf(key)
    const known = this.#accesskeys.get(hash)
    if (known && known.identity.expires > Date.now()) return known.identity
    if (this.#unknown.has(hash)) throw fail.unauthenticated()
    return this.accesskeyByHash(hash, caller)
  }

  #hashOf(key: string): string {
    const hash = credentialHash(key)
    this.#hashes.set(key, hash)
    return hash
  }

  /** The identity a verified token stands for. Says nothing about its session. */
  token({ claims, hash }: VerifiedToken): Identity {
    const known = this.#tokens.get(hash)
    if (known) return known
    const identity: Identity = {
      customer_id: claims.customer_id,
      home_customer_id: claims.customer_id,
      agent_id: claims.agent_id,
      actor: { type: claims.permissions.includes('project_super_admin') ? 'super_admin' : 'agent', id: claims.agent_id },
      grants: claims.permissions,
      permissions: this.#options.expand(claims.permissions),
      hash,
      kind: 'token',
      credential_id: claims.jti,
      expires: claims.exp * 1_000,
    }
    this.#tokens.set(hash, identity)
    return identity
  }

  /** Status and limits of a customer. Throws UNAUTHENTICATED when there is no such customer any more. */
  customer(customer_id: string, caller: Caller): CustomerState | Promise<CustomerState> {
    return this.#customers.get(customer_id) ?? this.#findCustomer(customer_id, caller)
  }

  /**
   * Asks the service that keeps the sessions. Throws TOKEN_EXPIRED when this one is over. `remembered` allows an answer of the last seconds: for
   * when Redis is away and every request would have to ask.
   */
  async session(hash: string, caller: Caller, how: 'fresh' | 'remembered'): Promise<void> {
    if (how === 'remembered' && this.#sessions.has(hash)) return
    try {
      await this.#options.rpc.call(caller, 'getSession', { token_hash: hash })
      this.#sessions.set(hash, true)
    } catch (error) {
      throw isReason(error, 'SESSION_NOT_FOUND') ? fail.tokenExpired() : error
    }
  }

  forgetSession(hash: string): void {
    this.#sessions.delete(hash)
  }

  forgetAccesskey(id: string): void {
    for (const [hash, { identity }] of this.#accesskeys.entries()) if (identity.credential_id === id) this.#accesskeys.delete(hash)
  }

  forgetCustomer(customer_id: string): void {
    this.#customers.delete(customer_id)
    for (const [hash, { identity }] of this.#accesskeys.entries())
      if (identity.home_customer_id === customer_id) this.#accesskeys.delete(hash)
  }

  /** Asks the service that keeps the keys, whatever is remembered. */
  async accesskeyByHash(hash: string, caller: Caller): Promise<Identity> {
    let found: AccesskeyFound
    try {
      found = (await this.#options.rpc.call(caller, 'findAccesskey', { token_hash: hash })) as AccesskeyFound
    } catch (error) {
      if (!isReason(error, 'ACCESSKEY_NOT_FOUND')) throw error
      this.#unknown.set(hash, true)
      throw fail.unauthenticated()
    }
    const { accesskey, customer_status, rate_limits } = found
    const identity: Identity = {
      customer_id: accesskey.customer_id,
      home_customer_id: accesskey.customer_id,
      agent_id: null,
      maker_id: accesskey.agent_id,
      actor: { type: 'accesskey', id: accesskey.id },
      grants: accesskey.scopes,
      permissions: this.#options.expand(accesskey.scopes),
      hash,
      kind: 'accesskey',
      credential_id: accesskey.id,
      expires: accesskey.tm_expire === null ? Number.POSITIVE_INFINITY : Date.parse(accesskey.tm_expire),
    }
    const state = { status: customer_status, rate_limits }
    if (identity.expires <= Date.now()) throw fail.unauthenticated()
    this.#accesskeys.set(hash, { identity, state })
    this.#customers.set(accesskey.customer_id, state)
    return identity
  }

  async #findCustomer(customer_id: string, caller: Caller): Promise<CustomerState> {
    try {
      const { status, rate_limits } = (await this.#options.rpc.call(caller, 'getCustomerLimits', { id: customer_id })) as CustomerState
      const state = { status, rate_limits }
      this.#customers.set(customer_id, state)
      return state
    } catch (error) {
      throw isReason(error, 'CUSTOMER_NOT_FOUND') ? fail.unauthenticated() : error
    }
  }
}
