import {
  AppError,
  type Caller,
  type LimitClass,
  type LimitQuery,
  type LimitResult,
  type Limits,
  metrics,
  type RedisCache,
  session_s,
} from '@voipbin/kernel'
import { type Credential, readCredential } from './credentials.ts'
import { type CredentialStore, gatewayCaller } from './credentials-store.ts'
import { fail } from './errors.ts'
import type { Exchange } from './exchange.ts'
import type { Identity } from './identity.ts'
import { isSuperAdmin } from './permissions.ts'
import type { Refusal } from './refusals.ts'
import type { Tokens } from './tokens.ts'

export interface GateOptions {
  tokens: Tokens
  store: CredentialStore
  limits: Pick<Limits, 'check'>
  cache: Pick<RedisCache, 'fill'>
  refuse(refusal: Refusal): void
  /** Whether a customer exists, for a super admin who names one. */
  customerExists(exchange: Exchange, customer_id: string): Promise<boolean>
  /** Told of every request in which a super admin acts for a customer. */
  actsFor(exchange: Exchange, customer_id: string): void
  expand(grants: readonly string[]): ReadonlySet<string>
  /** Every permission there is. */
  known: ReadonlySet<string>
}

/** How many times the logins of one user name at one address an address may try in all, and all addresses together for one name. */
const wideLogins = 10

/** Decides who may come in: credentials, session, permission, rate. */
export class Gate {
  readonly #options: GateOptions
  constructor(options: GateOptions) {
    this.#options = options
  }

  /** Sets the exchange's identity or throws 401, 403 or 429. Refusals are remembered for the audit log. */
  async admit(exchange: Exchange): Promise<void> {
    try {
      await this.#admit(exchange)
    } catch (error) {
      if (error instanceof AppError) this.#remember(exchange, error)
      throw error
    }
  }

  async #admit(exchange: Exchange): Promise<void> {
    const { route } = exchange
    if (route.permission === 'public') return
    const credential = readCredential(exchange.incoming.headers, exchange.incoming.url ?? '')
    if (!credential) throw fail.unauthenticated()
    const caller = exchange.caller
    const identity = await this.identify(credential, exchange.request_id)
    exchange.identity = identity
    const state = await this.#options.store.customer(identity.home_customer_id, caller)
    const admission = await this.#draw(identity, { name: route.rate, per_minute: state.rate_limits[route.rate] }, caller)
    showLimit(exchange, admission)
    if (state.status !== 'active') throw fail.frozen()
    if (route.permission !== 'authenticated' && !identity.permissions.has(route.permission)) throw fail.permissionDenied(route.permission)
    if (route.owner === 'platform' && !isSuperAdmin(identity.grants)) throw fail.permissionDenied('project_super_admin')
    if (!admission.allowed) throw limited(admission)
    const named = exchange.header('x-voipbin-customer-id')?.toLowerCase()
    if (named !== undefined && named !== identity.customer_id) exchange.identity = await this.#actFor(exchange, identity, named)
  }

  /** Finds who a credential belongs to. Says nothing about the session of a token. */
  async identify(credential: Credential, request_id: string): Promise<Identity> {
    const { tokens, store } = this.#options
    if (credential.kind === 'accesskey') return store.accesskey(credential.value, gatewayCaller(request_id, Date.now() + 10_000))
    return store.token(await tokens.verify(credential.value, Date.now()))
  }

  /** Everything again for a credential that was good once: used for sockets. */
  async recheck(identity: Identity, request_id: string): Promise<void> {
    const caller = gatewayCaller(request_id, Date.now() + 10_000)
    if (identity.kind === 'token') await this.#options.store.session(identity.hash, caller, 'fresh')
    else await this.#options.store.accesskeyByHash(identity.hash, caller)
    const state = await this.#options.store.customer(identity.home_customer_id, caller)
    if (state.status !== 'active') throw fail.unauthenticated()
  }

  /**
   * Draws from the login buckets: of the user name at this address, of the address (one password tried on many names) and of the user name (one name
   * tried from many addresses). The latter two are wider, for offices behind one address and so that nobody is easily locked out by somebody else.
   */
  async admitLogin(exchange: Exchange, username: string, per_minute: number): Promise<void> {
    const name = username.toLowerCase()
    const wide = per_minute * wideLogins
    const draws: LimitQuery[] = [
      { subject: `${exchange.address}:${name}`, class: { name: 'login', per_minute } },
      { subject: exchange.address, class: { name: 'login_address', per_minute: wide } },
      { subject: name, class: { name: 'login_name', per_minute: wide } },
    ]
    for (const [at, draw] of draws.entries()) {
      const admission = await this.#options.limits.check(draw)
      if (at === 0 || !admission.allowed) showLimit(exchange, admission)
      if (admission.allowed) continue
      const error = limited(admission)
      this.#remember(exchange, error)
      throw error
    }
  }

  /** Runs the check of a password; a wrong one is remembered for the audit log. */
  async watchLogin<T>(exchange: Exchange, check: () => Promise<T>): Promise<T> {
    try {
      return await check()
    } catch (error) {
      if (error instanceof AppError && error.reason === 'LOGIN_FAILED') this.#remember(exchange, error, 'login_failed')
      throw error
    }
  }

  /** Nobody grants what they do not hold (fields `permissions` and `scopes` of a body). */
  checkGrants(identity: Identity, input: Record<string, unknown>): void {
    for (const field of ['permissions', 'scopes']) {
      const grants = input[field]
      if (!Array.isArray(grants)) continue
      const { known, expand } = this.#options
      const refuse = (reason: string, status: AppError['status'], message: string, at: number) => {
        throw new AppError(reason, status, { message, details: [{ field: `/${field}/${at}`, rule: 'permission' }] })
      }
      grants.forEach((grant: unknown, at) => {
        if (typeof grant !== 'string' || !known.has(grant))
          refuse('PERMISSION_UNKNOWN', 'INVALID_ARGUMENT', 'There is no such permission.', at)
        else if (![...expand([grant])].every(permission => identity.permissions.has(permission)))
          refuse('PERMISSION_NOT_GRANTABLE', 'PERMISSION_DENIED', 'Nobody can grant a permission they do not hold.', at)
      })
    }
  }

  /** Nobody gets hold of, or takes away, credentials that reach further than their own: who sets a password can log in with it. */
  checkReach(identity: Identity, grants: readonly string[]): void {
    if ([...this.#options.expand(grants)].every(permission => identity.permissions.has(permission))) return
    throw new AppError('PERMISSION_NOT_GRANTABLE', 'PERMISSION_DENIED', { message: 'These credentials may do more than yours.' })
  }

  /** Takes from the customer's bucket and, for a token, makes sure its session lives: one round trip when Redis knows the session. */
  async #draw(identity: Identity, limit: LimitClass, caller: Caller): Promise<LimitResult> {
    const { limits, cache, store } = this.#options
    const query = { subject: identity.home_customer_id, class: limit }
    if (identity.kind === 'accesskey') return limits.check(query)
    const first = await limits.check({ ...query, session: identity.hash })
    if (first.away) {
      await store.session(identity.hash, gatewayCallerOf(caller), 'remembered')
      return first
    }
    if (!first.known) {
      await store.session(identity.hash, gatewayCallerOf(caller), 'fresh')
      await cache.fill(`session:${identity.hash}`, { exp: identity.expires / 1_000 }, session_s)
      return limits.check(query)
    }
    // Notes the activity in the session's row; nobody waits for it.
    if (first.note) store.session(identity.hash, gatewayCallerOf(caller), 'fresh').catch(() => undefined)
    return first
  }

  async #actFor(exchange: Exchange, identity: Identity, customer_id: string): Promise<Identity> {
    if (!isSuperAdmin(identity.grants)) throw fail.permissionDenied('project_super_admin')
    if (!/^[0-9a-f-]{36}$/.test(customer_id))
      throw fail.invalid('The customer id is not valid.', { field: '/X-VoIPBIN-Customer-ID', rule: 'format', expected: 'uuid' })
    // Not CUSTOMER_NOT_FOUND: few operations declare it, and only an administrator of the platform comes here.
    if (!(await this.#options.customerExists(exchange, customer_id)))
      throw fail.invalid('There is no such customer.', { field: '/X-VoIPBIN-Customer-ID', rule: 'exists', expected: 'id of a customer' })
    this.#options.actsFor(exchange, customer_id)
    return { ...identity, customer_id }
  }

  #remember(exchange: Exchange, error: AppError, action = actions[error.status]): void {
    if (!action) return
    const { identity, route } = exchange
    this.#options.refuse({
      action,
      customer_id: identity?.customer_id ?? '',
      actor_type: identity?.actor.type ?? 'anonymous',
      actor_id: identity?.actor.id ?? '',
      operation: route.operation,
      reason: error.reason,
      address: exchange.address,
      user_agent: exchange.header('user-agent') ?? '',
      request_id: exchange.request_id,
    })
  }
}

const actions: Partial<Record<AppError['status'], Refusal['action']>> = {
  UNAUTHENTICATED: 'unauthenticated',
  PERMISSION_DENIED: 'permission_denied',
  RESOURCE_EXHAUSTED: 'rate_limited',
}

const gatewayCallerOf = (caller: Caller): Caller => gatewayCaller(caller.request_id, caller.deadline)

function limited({ class: name, retry_after_s }: LimitResult): AppError {
  metrics.rateLimited.inc({ class: name })
  return fail.rateLimited(retry_after_s)
}

function showLimit({ headers }: Exchange, { limit, remaining, reset_s }: LimitResult): void {
  headers['ratelimit-limit'] = String(limit)
  headers['ratelimit-remaining'] = String(remaining)
  headers['ratelimit-reset'] = String(reset_s)
}
