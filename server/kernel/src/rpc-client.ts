import type { Message as AmqpMessage, ConfirmChannel } from 'amqplib'
import { Breaker } from './breaker.ts'
import type { Bus, Session } from './bus.ts'
import { callerFields } from './caller.ts'
import type { Caller, Logger } from './context.ts'
import type { CallRow, CallTable } from './contract.ts'
import { AppError, generalError } from './errors.ts'
import { uuid7 } from './id.ts'
import { compileQueue, compileRoute, type RoutedInput } from './route-match.ts'
import { ownerRoute, type RpcResponse, requestQueue, toAppError } from './rpc-wire.ts'
import { pause } from './wake.ts'

export interface CallOptions {
  /** Makes the request idempotent across callers: the same id is answered from the service's inbox for 24 h. Default: a new one. */
  message_id?: string
  /** Waits shorter than the operation's own timeout. */
  timeout_ms?: number
}

/** The exchange of a request ended and nobody knows whether it was carried out: sending it again with the same id finds out. */
class AnswerLost extends Error {}

interface Pending {
  resolve(body: unknown): void
  reject(error: Error): void
  deadline: number
  started: number
  target: Target
}
interface Target {
  queue: string
  breaker: Breaker
}
interface Compiled {
  row: Pick<CallRow, 'method' | 'timeout_ms'>
  queueOf: (input: object) => string
  route: (input: object) => RoutedInput
}

const replyQueue = 'amq.rabbitmq.reply-to'
/** Pauses before a request whose answer was lost is sent again, in milliseconds. */
const again_ms = [0, 1_000, 2_000, 4_000, 8_000]
/** Requests that may wait for their answer at once. Above it the caller is told to come back later. */
const max_pending = 8_192
/** How exact a deadline is kept, in milliseconds. */
const sweep_ms = 20
/** A queue that leaves a request unanswered for this long counts as failed. A caller with less time left says nothing about it. */
const silent_ms = 1_000

const unavailable = (message: string, cause?: unknown) => generalError('UNAVAILABLE', { message, cause })

/** Sends requests and finds their answers. One per process; services and the gateway share it. */
export class RpcClient {
  #bus: Bus
  #log: Logger
  #session: Session
  #operations = new Map<string, Compiled>()
  #targets = new Map<string, Target>()
  #pending = new Map<string, Pending>()
  #counter = 0
  #sweeper: NodeJS.Timeout | undefined
  #breaker_ms: number | undefined
  #closed = false

  constructor(bus: Bus, calls: CallTable, options: { log: Logger; breaker_ms?: number }) {
    this.#bus = bus
    this.#log = options.log
    this.#breaker_ms = options.breaker_ms
    this.add(calls)
    this.#session = bus.publishing.open({
      setup: async channel => {
        channel.on('return', message => this.#returned(message))
        await channel.consume(replyQueue, message => this.#answered(message), { noAck: true })
      },
      onLost: () => this.#failAll(() => new AnswerLost('the broker connection was lost')),
    })
  }

  /** Learns operations; a name known already keeps its meaning. */
  add(calls: CallTable): void {
    for (const [operation, row] of Object.entries(calls)) {
      if (this.#operations.has(operation)) continue
      this.#operations.set(operation, { row, queueOf: compileQueue(row.queue), route: compileRoute(row) })
    }
  }

  ready(timeout_ms: number): Promise<unknown> {
    return this.#session.ready(timeout_ms)
  }

  /**
   * Calls an operation by its operationId, within the caller's deadline. Rejects with the AppError the other side threw; with UNAVAILABLE when the broker
   * is away, nobody owns the queue or its breaker is open; with DEADLINE_EXCEEDED when no answer came.
   */
  call(caller: Caller, operation: string, input: object, options?: CallOptions): Promise<unknown> {
    const compiled = this.#operations.get(operation)
    if (!compiled) return Promise.reject(new Error(`no operation ${operation} in the contract`))
    return this.#send(caller, compiled, input, options)
  }

  /** Who owns a live row of a service's resource; `null` when there is none. */
  async ownerOf(caller: Caller, service: string, resource: string, id: string): Promise<string | null> {
    const queue = requestQueue(service)
    const answer = await this.#send(caller, { row: ownerRoute, queueOf: () => queue, route: ownerInput }, { resource, id })
    return (answer as { customer_id: string | null }).customer_id
  }

  /** Ends what still waits with UNAVAILABLE. Safe to call twice. */
  async close(): Promise<void> {
    this.#closed = true
    this.#failAll(() => unavailable('the process is stopping'))
    clearInterval(this.#sweeper)
    await this.#session.close()
  }

  async #send(caller: Caller, { row, queueOf, route }: Compiled, input: object, options?: CallOptions): Promise<unknown> {
    const now = Date.now()
    const deadline = Math.min(now + Math.min(row.timeout_ms, options?.timeout_ms ?? row.timeout_ms), caller.deadline)
    const target = this.#target(queueOf(input))
    const routed = route(input)
    const message_id = options?.message_id ?? uuid7()
    const content = Buffer.from(
      JSON.stringify({
        message_id,
        timestamp: new Date(now).toISOString(),
        route: routed.route,
        method: row.method,
        headers: { ...callerFields(caller), deadline },
        body: routed.body,
      }),
    )
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#exchange(target, content, deadline, attempt > 0)
      } catch (error) {
        if (!(error instanceof AnswerLost)) throw error
        const wait = again_ms[attempt]
        if (wait === undefined || Date.now() + wait >= deadline || this.#closed) {
          throw unavailable('the broker went away while the request was on its way', error)
        }
        await this.#waitForBroker(wait)
      }
    }
  }

  /** Until the broker is back, or `limit_ms`. */
  async #waitForBroker(limit_ms: number): Promise<void> {
    if (this.#session.channel) return pause(limit_ms)
    // Still away after that: the next attempt says so.
    await this.#session.ready(limit_ms).catch(() => undefined)
  }

  #exchange(target: Target, content: Buffer, deadline: number, again: boolean): Promise<unknown> {
    if (target.breaker.isClosed) return this.#once(target, content, deadline, again)
    return this.#probe(target, content, deadline, again)
  }

  async #probe(target: Target, content: Buffer, deadline: number, again: boolean): Promise<unknown> {
    // A refusal by the other side is an answer: the queue works.
    type Outcome = { body: unknown } | { refused: AppError }
    const outcome = await target.breaker.probe<Outcome>(() =>
      this.#once(target, content, deadline, again).then(
        body => ({ body }),
        error => {
          if (error instanceof AppError && !isOwn(error)) return { refused: error }
          throw error
        },
      ),
    )
    if (!outcome) throw unavailable(`${target.queue} did not answer lately; it is asked again in a while`)
    if ('refused' in outcome) throw outcome.refused
    return outcome.body
  }

  #once(target: Target, content: Buffer, deadline: number, again: boolean): Promise<unknown> {
    const now = Date.now()
    const left = deadline - now
    if (left <= 0) return Promise.reject(own('DEADLINE_EXCEEDED', 'no time was left for the request'))
    const channel = this.#session.channel
    // A request on its way when the broker died is worth waiting for it; a new one is not.
    if (!channel) return Promise.reject(again ? new AnswerLost('the broker is away') : own('UNAVAILABLE', 'the broker is away'))
    if (this.#bus.publishing.blocked) return Promise.reject(own('UNAVAILABLE', 'the broker accepts nothing at the moment'))
    if (this.#pending.size >= max_pending) return Promise.reject(own('UNAVAILABLE', 'too many requests wait for an answer'))
    return new Promise((resolve, reject) => {
      const id = String(++this.#counter)
      this.#pending.set(id, { resolve, reject, deadline, started: now, target })
      this.#sweeper ??= setInterval(() => this.#sweep(), sweep_ms)
      const error = publish(channel, target.queue, content, id, left)
      if (error) this.#settle(id)?.reject(error)
    })
  }

  #answered(message: AmqpMessage | null): void {
    if (!message) return void this.#session.reopen()
    const pending = this.#settle(message.properties.correlationId)
    if (!pending) return
    pending.target.breaker.succeeded()
    try {
      const answer = JSON.parse(message.content.toString()) as RpcResponse
      if (answer.error) pending.reject(toAppError(answer.error))
      else pending.resolve(answer.body)
    } catch (error) {
      pending.reject(generalError('INTERNAL', { message: 'the answer cannot be read', cause: error }))
    }
  }

  #returned(message: AmqpMessage): void {
    const pending = this.#settle(message.properties.correlationId)
    if (!pending) return
    const error = own('UNAVAILABLE', `nobody listens on ${pending.target.queue}`)
    pending.target.breaker.failed(error)
    pending.reject(error)
  }

  #settle(id: string): Pending | undefined {
    const pending = this.#pending.get(id)
    if (pending) this.#pending.delete(id)
    return pending
  }

  /** One timer for all requests: cheaper than one each, and exact enough. */
  #sweep(): void {
    const now = Date.now()
    for (const [id, pending] of this.#pending) {
      if (pending.deadline > now) continue
      this.#pending.delete(id)
      const error = own('DEADLINE_EXCEEDED', `${pending.target.queue} did not answer in time`)
      if (now - pending.started >= silent_ms) pending.target.breaker.failed(error)
      pending.reject(error)
    }
    if (this.#pending.size > 0) return
    clearInterval(this.#sweeper)
    this.#sweeper = undefined
  }

  #failAll(error: () => Error): void {
    const all = [...this.#pending.values()]
    this.#pending.clear()
    for (const pending of all) pending.reject(error())
  }

  #target(queue: string): Target {
    let target = this.#targets.get(queue)
    if (!target) {
      target = { queue: this.#bus.named(queue), breaker: new Breaker(queue, this.#log, this.#breaker_ms) }
      this.#targets.set(queue, target)
    }
    return target
  }
}

const ownerInput = compileRoute(ownerRoute)

function publish(channel: ConfirmChannel, queue: string, content: Buffer, id: string, left: number): Error | undefined {
  try {
    const options = { mandatory: true, replyTo: replyQueue, correlationId: id, expiration: String(left), contentType: 'application/json' }
    channel.sendToQueue(queue, content, options)
    return undefined
  } catch (error) {
    return new AnswerLost('the broker channel closed', { cause: error })
  }
}

const ownErrors = new WeakSet<AppError>()
/** An error of the transport itself, as opposed to one the other side answered with. */
function own(reason: 'UNAVAILABLE' | 'DEADLINE_EXCEEDED', message: string): AppError {
  const error = generalError(reason, { message })
  ownErrors.add(error)
  return error
}
const isOwn = (error: AppError): boolean => ownErrors.has(error)
