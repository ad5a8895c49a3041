import type { ServiceConfig } from './config.ts'
import type { Context } from './context.ts'
import { removedWithCustomer, reposOf } from './resources.ts'
import type { Validator } from './validate.ts'

/** The wire types of one operation. `error` is the union of reasons the contract declares for it. */
export interface Operation {
  input: object
  output: unknown
  error: string
}
export type OperationMap<R> = { [M in keyof R]: Operation }

/** One operation as the wire knows it. `method` + `route` travel in the RPC message; code uses the operationId. */
export interface MethodRow {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** RPC path with parameters in braces, e.g. `/v1/calls/{id}/hangup`. */
  readonly route: string
  /** Names of the input fields that travel in the query string. Path fields are in `route`, the rest is the body. */
  readonly query: readonly string[]
  /** How long a caller waits, in milliseconds (30,000 or 120,000). */
  readonly timeout_ms: number
  /** Validates and coerces the flat input (path, query and body merged). */
  readonly input: Validator
  /** Reasons this operation may answer with, besides the general ones. */
  readonly errors: readonly string[]
}

/** One event a service sends. `domain` names the exchange: `<domain>.events`. */
export interface EventRow {
  readonly domain: string
  readonly resource: string
  /** Bus only: never on a WebSocket or in a webhook. */
  readonly internal: boolean
  /** Drops the fields of a row that may not leave with a public event (`x-internal`, unknown ones). */
  readonly project?: (data: never) => unknown
  /** The message of the fast path that goes out when this event has been committed, and what of the data it takes along. */
  readonly state?: { readonly type: string; readonly fields: readonly string[] }
}

/** What a generated contract tells the kernel about one service. Type parameters carry the wire types, fields carry the names. */
export interface Contract<N extends string = string, R = unknown, E = unknown, C = unknown, Calls = unknown> {
  readonly name: N
  readonly methods: Readonly<Record<keyof R & string, MethodRow>>
  readonly emits: Readonly<Record<keyof E & string, EventRow>>
  /** Event type -> domain whose exchange carries it. */
  readonly consumes: Readonly<Record<keyof C & string, string>>
  /** Where `ctx.call` finds every operation of every service. */
  readonly calls: CallTable
  readonly __types?: { methods: R; emits: E; consumes: C; calls: Calls }
}

/** operationId -> how to reach it. `queue` may hold one `{parameter}` taken from the input (one queue per instance). */
export type CallTable = Readonly<Record<string, CallRow>>
export interface CallRow extends Pick<MethodRow, 'method' | 'route' | 'query' | 'timeout_ms'> {
  readonly queue: string
}

export type In<R, M extends keyof R> = R[M] extends { input: infer I extends object } ? I : never
export type Out<R, M extends keyof R> = R[M] extends { output: infer O } ? O : never
export type Err<R, M extends keyof R> = R[M] extends { error: infer X extends string } ? X : never

/** An event as it travels (`DECISIONS.md` 13). `resource_seq` counts per resource, from 1, without gaps; internal events are counted apart. */
export interface Event<T extends string = string, D = unknown> {
  event_id: string
  event_type: T
  timestamp: string
  customer_id: string
  resource_type: string
  resource_id: string
  resource_seq: number
  request_id: string
  data: D
}

/** One key per operation of the contract; forgetting one does not compile. */
export type Handlers<K> =
  K extends Contract<string, infer R, infer E, infer _C, infer Calls>
    ? { readonly [M in keyof R]: (ctx: Context<Calls, E, Err<R, M>>, input: In<R, M>) => Promise<Out<R, M>> }
    : never
/** One key per consumed event. */
export type Consumers<K> =
  K extends Contract<string, infer _R, infer E, infer C, infer Calls>
    ? { readonly [N in keyof C]: (ctx: Context<Calls, E>, event: Event<N & string, C[N]>) => Promise<void> }
    : never
/** Durable timers by name. A timer runs at least once; its transactions are remembered, so running twice changes nothing. */
export type Timers<K> =
  K extends Contract<string, infer _R, infer E, infer _C, infer Calls>
    ? Readonly<Record<string, (ctx: Context<Calls, E>, payload: never) => Promise<void>>>
    : never
/** Runs while the service is up, on one instance at a time (lease). Must end when `ctx.signal` aborts. */
export type Job<K> =
  K extends Contract<string, infer _R, infer E, infer _C, infer Calls> ? (ctx: Context<Calls, E>) => Promise<void> : never

/** Runs on every instance while the service is up. Ends what it has begun, then itself, when `ctx.signal` aborts; its transactions are not remembered. */
export type Worker<K> = Job<K>

/** The erased form the runtime loops over; the typed forms live in `generated/`. */
export interface Service {
  readonly contract: Contract
  readonly handlers: Readonly<Record<string, (ctx: Context, input: object) => Promise<unknown>>>
  readonly consumers: Readonly<Record<string, (ctx: Context, event: Event) => Promise<void>>>
  readonly timers: Readonly<Record<string, (ctx: Context, payload: unknown) => Promise<void>>>
  readonly jobs: Readonly<Record<string, (ctx: Context) => Promise<void>>>
  readonly workers?: Readonly<Record<string, (ctx: Context) => Promise<void>>>
  /** What it reads from the environment. */
  readonly config?: ServiceConfig | undefined
  /** Resource name -> repo, so that the kernel can answer who owns a row. */
  readonly resources: Readonly<Record<string, OwnerLookup>>
}
/** Finds the customer that owns a live row; `null` when there is none. */
export type OwnerLookup = { ownerOf(ctx: Pick<Context, 'db'>, id: string): Promise<string | null> }

interface Parts<K> {
  handlers: Handlers<K>
  consumers: Consumers<K>
  timers?: Timers<K>
  /** Name -> background job, e.g. a poll of somebody else's table. */
  jobs?: Readonly<Record<string, Job<K>>>
  /** Name -> work of every instance, e.g. sending what is due. */
  workers?: Readonly<Record<string, Worker<K>>>
  /** The service's module `schema.ts`: its repos are resources of the service. */
  schema?: object
  /** Resources that are kept in another way than by a repo of `schema`. */
  resources?: Readonly<Record<string, OwnerLookup>>
  /** What the service reads from the environment, made by `serviceConfig`. */
  config?: ServiceConfig
}

/** Declares a service: what it answers, what it listens to. The kernel decides where it runs. */
export function defineService<K extends Contract>(contract: K, parts: Parts<K>): Service {
  // The typed parts are checked against the contract above; below this line the runtime works on names.
  const { schema = {}, resources = {}, ...rest } = parts
  const repos = reposOf(schema)
  const service = { timers: {}, jobs: {}, ...rest, resources: { ...repos, ...resources }, contract } as unknown as Service
  return { ...service, consumers: removedWithCustomer(contract, Object.values(repos), service.consumers) }
}
