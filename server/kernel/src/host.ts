import type { Cache, Http, Logger } from './context.ts'
import type { Database } from './db.ts'
import type { ErrorTable } from './errors.ts'
import type { Inbox } from './inbox.ts'
import type { Outbox, WrittenRow } from './outbox.ts'
import type { RpcClient } from './rpc-client.ts'
import type { Service } from './service.ts'
import type { TimerStore } from './timer-store.ts'
import type { StateMessage } from './zmq.ts'

/** One service in this process: what its contexts are made of. */
export interface Host {
  readonly service: Service
  readonly name: string
  readonly log: Logger
  readonly rpc: RpcClient
  readonly errors: ErrorTable
  /** Absent in processes without tables (media proxies): `ctx.db` and `ctx.tx` throw there. */
  readonly data: HostData | undefined
  readonly cache: Cache
  readonly http: Http
  /** The service's own settings, parsed. */
  readonly config: Readonly<Record<string, unknown>>
  /** Aborts when the process stops and its grace is over. */
  readonly stopping: AbortSignal
  now(): Date
}

export interface HostData {
  readonly database: Database
  readonly inbox: Inbox
  readonly outbox: Outbox
  readonly timers: TimerStore
  /** Called after each commit with what others in this process may be waiting for. */
  committed(effects: { events: readonly WrittenRow[]; states: readonly StateMessage[]; timer_due: number | undefined }): void
}
