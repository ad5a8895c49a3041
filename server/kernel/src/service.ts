import type { ServiceConfig } from './config.ts'
import type { Context } from './context.ts'
import type { Contract, Err, Event, In, Out } from './contract.ts'
import type { OwnerLookup } from './repo.ts'
import { type Consume, removedWithCustomer, reposOf } from './resources.ts'

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
  readonly consumers: Readonly<Record<string, Consume>>
  readonly timers: Readonly<Record<string, (ctx: Context, payload: unknown) => Promise<void>>>
  readonly jobs: Readonly<Record<string, (ctx: Context) => Promise<void>>>
  readonly workers?: Readonly<Record<string, (ctx: Context) => Promise<void>>>
  /** What it reads from the environment. */
  readonly config?: ServiceConfig | undefined
  /** Resource name -> repo, so that the kernel can answer who owns a row. */
  readonly resources: Readonly<Record<string, OwnerLookup>>
}

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
