import type { ConfirmChannel, ConsumeMessage } from 'amqplib'
import type { Bus, Session } from './bus.ts'
import type { Context } from './context.ts'
import type { MethodRow } from './contract.ts'
import { isUnavailable } from './db-errors.ts'
import { AppError, generalError, generalErrors, httpStatus, isAppError } from './errors.ts'
import { fault } from './fault.ts'
import type { Host } from './host.ts'
import { makeContext } from './make-context.ts'
import { Message } from './message.ts'
import { metrics } from './metrics.ts'
import { buildMatcher, compileQueue } from './route-match.ts'
import { callerOf, errorBody, ownerRoute, parseRequest, type RpcRequest, requestQueue } from './rpc-wire.ts'
import type { Service } from './service.ts'
import { validateTolerant } from './tolerate.ts'
import { atMost, pause } from './wake.ts'

const prefetch = 64
/** With every slot taken, a request that has waited this long is sent away, so that the queue shrinks to what can be answered in time. */
const shed_ms = 2_000

/** How long the answer to a request without a readable deadline is worth waiting for, in milliseconds. */
const malformed_ms = 5_000
/** Longest single wait for the channel of the answers: a process that stops does not wait longer. */
const slice_ms = 500
/** Between two attempts to send an answer while its channel closes. */
const retry_ms = 50

/** Counted when somebody looks, not with every request. */
const running = new Set<RpcServer>()
function gauge(server: RpcServer): void {
  running.add(server)
  Object.assign(metrics.rpcInFlight, {
    collect: () => {
      for (const { service, inFlight } of running) metrics.rpcInFlight.set({ service }, inFlight)
    },
  })
}

/** Who waits for the answer, and until when. */
interface Asked {
  message_id: string
  request_id: string
  deadline: number
}

interface Route {
  operation: string
  method: MethodRow['method']
  route: string
  /** Milliseconds a request without a deadline gets. */
  timeout_ms: number
  handle(ctx: Context, fields: object): Promise<unknown>
  errors: ReadonlySet<string>
}

interface ServerOptions {
  host: Host
  bus: Bus
  /** Values for queue names with a parameter: `{ asterisk_id }` of the instance this process stands for. */
  instance?: Readonly<Record<string, string>>
}

/** Answers the requests of one service: each once, whatever happens in its handler. */
export class RpcServer {
  #host: Host
  #bus: Bus
  #match: (method: string, route: string) => { row: Route; fields: Record<string, unknown> } | undefined
  #queues: readonly string[]
  #consuming: Session | undefined
  #replies: Session
  #in_flight = new Set<Promise<void>>()
  #stopping = false

  constructor({ host, bus, instance = {} }: ServerOptions) {
    this.#host = host
    this.#bus = bus
    this.#match = buildMatcher(routesOf(host.service))
    this.#queues = queuesOf(host.service, instance)
    this.#replies = bus.publishing.open({})
    gauge(this)
  }

  /** Requests being worked on. */
  get inFlight(): number {
    return this.#in_flight.size
  }
  get service(): string {
    return this.#host.name
  }

  /** Declares the queues and starts taking requests. */
  async start(timeout_ms: number): Promise<void> {
    await this.#replies.ready(timeout_ms)
    this.#consuming ??= this.#bus.consuming.open({
      setup: async channel => {
        await channel.prefetch(prefetch)
        for (const queue of this.#queues) {
          const name = this.#bus.named(queue)
          await channel.assertQueue(name, { durable: true })
          await channel.consume(name, message => this.#receive(channel, message), { consumerTag: name })
        }
      },
    })
    await this.#consuming.ready(timeout_ms)
  }

  /** Takes no more requests, waits up to `timeout_ms` for those in flight; the rest go back to their queue. */
  async close(timeout_ms: number): Promise<void> {
    this.#stopping = true
    const channel = this.#consuming?.channel
    if (channel) await Promise.allSettled(this.#queues.map(queue => channel.cancel(this.#bus.named(queue))))
    if (this.#in_flight.size > 0) await atMost(timeout_ms, Promise.allSettled(this.#in_flight))
    await this.#consuming?.close()
    await this.#replies.close()
    running.delete(this)
  }

  get queues(): readonly string[] {
    return this.#queues
  }

  #receive(channel: ConfirmChannel, message: ConsumeMessage | null): void {
    if (!message) return void this.#consuming?.reopen()
    // Left unacked, it goes back to the queue when the channel closes.
    if (this.#stopping) return
    const work = this.#handle(message)
      .catch(error => this.#host.log.error('request not answered', { err: error }))
      .then(() => {
        this.#in_flight.delete(work)
        fault('rpc.before_ack')
        try {
          channel.ack(message)
        } catch {
          // The channel is gone and the request comes again: recorded transactions answer it the same way.
        }
      })
    this.#in_flight.add(work)
  }

  async #handle(message: ConsumeMessage): Promise<void> {
    const started = Date.now()
    const request = parseRequest(message.content)
    if (typeof request === 'string') {
      this.#host.log.error('malformed request dropped', {
        reason: request,
        reply_to: message.properties.replyTo,
        bytes: message.content.length,
      })
      const error = generalError('INVALID_ARGUMENT', { message: `malformed request: ${request}` })
      await this.#answer(message, { message_id: '', request_id: '', deadline: started + malformed_ms }, error)
      return
    }
    const matched = this.#matched(request)
    const operation = matched?.row.operation ?? 'unknown'
    let outcome = 'ok'
    const asked = {
      message_id: request.message_id,
      request_id: request.message_id,
      deadline: started + (matched?.row.timeout_ms ?? malformed_ms),
    }
    try {
      if (!matched) throw unknownRoute(this.#host.name, request)
      const caller = callerOf(request.headers, request.message_id, started + matched.row.timeout_ms)
      asked.request_id = caller.request_id
      asked.deadline = Math.max(caller.deadline, started)
      if (caller.deadline <= started)
        throw generalError('DEADLINE_EXCEEDED', { message: 'the deadline had passed before the request was taken up' })
      if (this.#in_flight.size >= prefetch && started - Date.parse(request.timestamp) > shed_ms) {
        throw generalError('UNAVAILABLE', { message: `${this.#host.name} is overloaded; try again in a few seconds` })
      }
      const ctx = makeContext(this.#host, new Message(request.message_id, request.method !== 'GET'), caller, { operation })
      const body = await matched.row.handle(ctx, merge(matched.fields, request.body))
      await this.#answer(message, asked, null, body)
    } catch (thrown) {
      const error = this.#asAppError(thrown, matched?.row, request, asked.request_id)
      outcome = error.reason
      await this.#answer(message, asked, error)
    }
    const labels = { service: this.#host.name, operation, side: 'server' }
    metrics.rpcRequests.inc({ ...labels, outcome })
    metrics.rpcDuration.observe(labels, (Date.now() - started) / 1000)
  }

  #matched(request: RpcRequest) {
    try {
      return this.#match(request.method, request.route)
    } catch {
      // A path that is no URI (`%zz`): no route, like any other nonsense.
      return undefined
    }
  }

  /** What was thrown, as the caller gets to see it. Logged here and nowhere else. */
  #asAppError(thrown: unknown, row: Route | undefined, request: RpcRequest, request_id: string): AppError {
    const fields = { operation: row?.operation, method: request.method, route: request.route, request_id }
    if (isAppError(thrown)) {
      const declared = !row || row.errors.has(thrown.reason) || Object.hasOwn(generalErrors, thrown.reason)
      if (!declared) this.#host.log.warn('operation answers a reason its contract does not declare', { ...fields, reason: thrown.reason })
      else this.#host.log.debug('request refused', { ...fields, reason: thrown.reason })
      return thrown
    }
    this.#host.log.error('request failed', { ...fields, err: thrown })
    return generalError(isUnavailable(thrown) ? 'UNAVAILABLE' : 'INTERNAL')
  }

  /**
   * Answers go out on the other connection, which after an outage may come back later than the one that brought the request: then they wait, as long as
   * the caller does. Dropped, they would leave it waiting until its deadline.
   */
  async #answer(message: ConsumeMessage, asked: Asked, error: AppError | null, body?: unknown): Promise<void> {
    const { replyTo, correlationId } = message.properties
    if (!replyTo) return
    const { message_id, request_id, deadline } = asked
    const answer = {
      message_id,
      timestamp: new Date().toISOString(),
      status_code: error ? httpStatus[error.status] : 200,
      body: error ? null : (body ?? null),
      error: error && errorBody(error, request_id),
    }
    const content = Buffer.from(JSON.stringify(answer))
    for (;;) {
      try {
        const channel = this.#replies.channel ?? (await this.#replies.ready(Math.min(slice_ms, Math.max(0, deadline - Date.now()))))
        channel.sendToQueue(replyTo, content, { correlationId, contentType: 'application/json' })
        return
      } catch (failure) {
        if (this.#stopping || Date.now() >= deadline) {
          this.#host.log.debug('answer not sent, its caller asks again', { err: failure })
          return
        }
        await pause(retry_ms)
      }
    }
  }
}

/** INTERNAL and not NOT_FOUND: the row may well be there, only this version cannot look for it. */
const unknownRoute = (service: string, { method, route }: RpcRequest) =>
  new AppError('UNKNOWN_ROUTE', 'INTERNAL', { message: `${service} has no ${method} ${route.split('?')[0]}` })

function merge(fields: Record<string, unknown>, body: unknown): object {
  return typeof body === 'object' && body !== null ? Object.assign(fields, body) : fields
}

function routesOf(service: Service): Route[] {
  const { contract, handlers, resources } = service
  const routes = Object.entries<MethodRow>(contract.methods).map(([operation, row]): Route => {
    const handler = handlers[operation]
    if (!handler) throw new Error(`${contract.name} has no handler ${operation}`)
    return {
      operation,
      method: row.method,
      route: row.route,
      timeout_ms: row.timeout_ms,
      errors: new Set(row.errors),
      handle: (ctx, fields) => handler(ctx, validateTolerant(row.input, fields)),
    }
  })
  const { method, route, timeout_ms } = ownerRoute
  const handle = async (ctx: Context, fields: object) => {
    const { resource, id } = fields as { resource: string; id: string }
    const lookup = Object.hasOwn(resources, resource) ? resources[resource] : undefined
    if (!lookup) throw generalError('INTERNAL', { message: `${contract.name} does not say who owns a ${resource}` })
    return { customer_id: await lookup.ownerOf(ctx, id) }
  }
  return [...routes, { operation: 'getOwner', method, route, timeout_ms, handle, errors: new Set() }]
}

/** The service's own queue, and those its operations name in the contract: one per instance where the address has a parameter. */
function queuesOf(service: Service, instance: Readonly<Record<string, string>>): string[] {
  const { name, methods, calls } = service.contract
  const queues = new Set<string>()
  for (const operation of Object.keys(methods)) {
    const row = calls[operation]
    if (row) queues.add(compileQueue(row.queue)(instance))
  }
  if (queues.size === 0 || Object.keys(service.resources).length > 0) queues.add(requestQueue(name))
  return [...queues]
}
