import type { routeConfig } from '@voipbin/generated/gateway/zod-openapi'
import type { ErrorDetail } from '@voipbin/kernel'
import type { Owner } from './permissions.ts'

export type OpenapiRoute = ReturnType<typeof routeConfig>
export type HttpMethod = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
export type RateClass = 'api' | 'call_create' | 'login'

/** Where an id of a resource sits in a request: path or query parameter, or a JSON pointer into the body (`*` for every element). */
export interface Ref {
  readonly in: 'path' | 'query' | 'body'
  readonly path: string
  readonly resource: string
}
export interface RawInput {
  path: Record<string, string>
  query: Record<string, string | string[]>
  body: unknown
}
export type Validated = { ok: true; input: Record<string, unknown> } | { ok: false; details: ErrorDetail[] }

/** One public operation as the gateway handles it; made from a generated row. */
export interface Route {
  readonly operation: string
  /** The operation that is called: the own one, or the one the contract maps to. */
  readonly rpc: string
  readonly method: HttpMethod
  /** `/v1.0/calls/{id}` */
  readonly path: string
  /** The route as @hono/zod-openapi takes it. */
  readonly config: OpenapiRoute
  readonly permission: string
  readonly owner: Owner
  readonly rate: RateClass
  /** Status of success. */
  readonly status: number
  readonly idempotent: boolean
  readonly override: boolean
  readonly timeout_ms: number
  readonly refs: readonly Ref[]
  /** Reads the agent or access key whose credentials this operation hands to somebody or takes away; null for all other operations. */
  readonly reach: string | null
  /** Reasons the contract lets this operation answer with, besides the general ones. */
  readonly errors: ReadonlySet<string>
  /** True when what comes back names its customer, so that a read needs no look-up before. */
  readonly ownerInAnswer: boolean
  /** Resource of `{id}`, for the answer to a foreign one. */
  readonly resource: string
  validate(raw: RawInput): Validated
  /** Drops what is not public. */
  project(output: unknown): unknown
}

/** Refuses to start with a route that anybody could call by accident. */
export function assertSafe(routes: readonly Route[]): void {
  const bad = routes
    .filter(route => !/^(public|authenticated|[a-z][a-z0-9_]*_[a-z]+)$/.test(route.permission))
    .map(route => route.operation)
  if (bad.length > 0) throw new Error(`operations without a permission do not start: ${bad.join(', ')}`)
}
