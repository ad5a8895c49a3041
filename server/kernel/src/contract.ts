import type { Validator } from './validate.ts'

/** The wire types of one operation. `error` is the union of reasons the contract declares for it. */
export interface Operation {
  input: object
  output: unknown
  error: string
}

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
