import { CallerScope, callerFields } from './caller.ts'
import type { Cache, Caller, Context, Db, Http, Logger, Tx } from './context.ts'
import { type AppError, type ErrorData, makeError } from './errors.ts'
import type { Host } from './host.ts'
import { uuid7 } from './id.ts'
import type { Message } from './message.ts'
import { runTx } from './tx.ts'

/** One per request, event or timer run. Fields that cost something are made when first asked for. */
class RequestContext extends CallerScope implements Context {
  #host: Host
  #message: Message
  #scope: Scope
  #log: Logger | undefined

  constructor(host: Host, message: Message, caller: Caller, scope: Scope) {
    super(caller)
    this.#host = host
    this.#message = message
    this.#scope = scope
  }

  get log(): Logger {
    this.#log ??= this.#host.log.child({
      operation: this.#scope.operation,
      request_id: this.request_id,
      ...(this.customer_id && { customer_id: this.customer_id }),
    })
    return this.#log
  }
  get signal(): AbortSignal {
    this.#scope.signal ??= AbortSignal.any([
      this.#host.stopping,
      ...(this.#scope.cancel ? [this.#scope.cancel] : []),
      ...(Number.isFinite(this.deadline) ? [AbortSignal.timeout(Math.max(0, Math.min(this.deadline - Date.now(), 2 ** 31 - 1)))] : []),
    ])
    return this.#scope.signal
  }
  get db(): Db {
    if (!this.#host.data) throw new Error(`${this.#host.name} runs without a database`)
    return this.#host.data.database.db
  }
  get cache(): Cache {
    return this.#host.cache
  }
  get http(): Http {
    return this.#host.http
  }
  get config(): Readonly<Record<string, unknown>> {
    return this.#host.config
  }
  now(): Date {
    return this.#host.now()
  }
  newId(): string {
    return uuid7()
  }
  call(operation: string, input: object): Promise<never> {
    const message_id = this.#message.nextCallId(operation)
    return this.#host.rpc.call(this, operation, input, { message_id }) as Promise<never>
  }
  tx<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return runTx(this.#host, this.#message, this, () => this.log, work)
  }
  as(customer_id: string): RequestContext {
    return new RequestContext(this.#host, this.#message, { ...callerFields(this), customer_id }, this.#scope)
  }
  error(reason: string, data?: ErrorData): AppError {
    return makeError(this.#host.errors, reason, data)
  }
}

/** Shared by a context and those made from it by `as`. */
interface Scope {
  /** operationId, event type, timer or job: the name in the log. */
  operation: string
  cancel?: AbortSignal | undefined
  signal?: AbortSignal
}

/** `cancel` ends the context's signal early, besides its deadline and the end of the process. */
export function makeContext(host: Host, message: Message, caller: Caller, options: { operation: string; cancel?: AbortSignal }): Context {
  return new RequestContext(host, message, caller, { operation: options.operation, cancel: options.cancel })
}
