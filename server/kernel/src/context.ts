import type { MySqlDatabase } from 'drizzle-orm/mysql-core'
import type { MySql2PreparedQueryHKT, MySql2QueryResultHKT } from 'drizzle-orm/mysql2'
import type { In, Out } from './contract.ts'
import type { AppError, ErrorData, GeneralReason } from './errors.ts'

/** A drizzle handle: the pool, or a transaction. */
export type Db = MySqlDatabase<MySql2QueryResultHKT, MySql2PreparedQueryHKT, Record<string, never>>

export interface Logger {
  debug(msg: string, fields?: object): void
  info(msg: string, fields?: object): void
  warn(msg: string, fields?: object): void
  error(msg: string, fields?: object): void
  child(fields: object): Logger
}

/** Who asked. `system` is the platform itself: timers, media events, relays. */
export interface Actor {
  type: 'agent' | 'accesskey' | 'super_admin' | 'system'
  id: string
}

/** JSON values under string keys with a time to live. A cache that is away answers `undefined` and never throws. */
export interface Cache {
  get<T>(key: string): Promise<T | undefined>
  set(key: string, value: unknown, ttl_s: number): Promise<void>
  del(...keys: string[]): Promise<void>
}

/** What travels with a request through HTTP, RPC, events and timers. */
export interface Caller {
  /** Owner of everything this request may see. Empty for the platform itself, which then sees nothing through scoped repos. */
  readonly customer_id: string
  readonly agent_id: string | null
  readonly actor: Actor
  readonly permissions: readonly string[]
  readonly request_id: string
  readonly locale: string
  /** Epoch milliseconds after which nobody waits for the answer any more. */
  readonly deadline: number
  /** Where the request came from, for the audit: client address and `User-Agent`. Known at the gateway. */
  readonly address?: string | undefined
  readonly user_agent?: string | undefined
}

/** Everything a handler may touch. Nothing else is reachable, which is what makes handlers testable without mocks. */
// biome-ignore lint/suspicious/noExplicitAny: the erased form is what the runtime passes around; generated contracts narrow it
export interface Context<Calls = any, E = any, Code extends string = string> extends Caller {
  readonly log: Logger
  /** Aborts at the deadline or when the process stops. */
  readonly signal: AbortSignal
  /** For reads. Writes go through `tx`. */
  readonly db: Db
  readonly cache: Cache
  readonly http: Http
  /** The service's own settings; read them typed, with `of(ctx)` of its `serviceConfig`. */
  readonly config: Readonly<Record<string, unknown>>
  now(): Date
  /** A UUIDv7: sorts by time. */
  newId(): string
  /** Calls another operation over RPC, within this request's deadline. Rejects with the AppError the other side threw. */
  call<M extends keyof Calls & string>(operation: M, input: In<Calls, M>): Promise<Out<Calls, M>>
  /**
   * Runs `work` in one database transaction: rows, events, timers and audit records commit together or not at all.
   * Its result is recorded: when the same message comes again, the recorded result is returned and `work` does not run.
   * The result must survive JSON.
   */
  tx<T>(work: (tx: Tx<E>) => Promise<T>): Promise<T>
  /** The same context acting for a customer, e.g. once the owner of a dialled number is known. */
  as(customer_id: string): Context<Calls, E, Code>
  /** Makes the error to throw: `throw ctx.error('CALL_NOT_FOUND', { id })`. The reason must be declared by the operation. */
  error(reason: Code | GeneralReason, data?: ErrorData): AppError
}

/** A database transaction and everything that must commit with it. */
// biome-ignore lint/suspicious/noExplicitAny: as Context
export interface Tx<E = any> extends Caller {
  readonly db: Db
  readonly log: Logger
  now(): Date
  newId(): string
  /** Writes an outbox row: the event leaves only if the transaction commits, in order per resource. */
  emit<K extends keyof E & string>(event: K, data: E[K]): Promise<void>
  /** Sets a durable timer. `key` names it: setting it again moves it, `cancelTimer` removes it. */
  setTimer(name: string, options: { key: string; at: Date; payload: object }): Promise<void>
  cancelTimer(key: string): Promise<void>
  /** Runs after the commit, before the caller gets its answer (cache invalidation). Must not fail the request. */
  afterCommit(job: () => Promise<void>): void
}

export interface Http {
  /**
   * Sends one request with a deadline. Private, loopback and link-local addresses are refused unless allowed by configuration;
   * the address is resolved once and pinned; redirects are not followed; the answer is read up to `max_bytes`.
   */
  request(url: string, options: HttpOptions): Promise<HttpAnswer>
}
export interface HttpOptions {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  headers?: Record<string, string>
  body?: string | Uint8Array
  timeout_ms: number
  /** Default 64 KiB; the rest is cut off. */
  max_bytes?: number
  signal?: AbortSignal
}
export interface HttpAnswer {
  status: number
  headers: Record<string, string>
  body: Uint8Array
  duration_ms: number
  /** The address the connection went to. */
  remote_ip: string | null
}
