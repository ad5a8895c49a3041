import type { AriEvent, AriOperation, AriOperations } from './ari-types.ts'

export type Params<O extends AriOperation> = AriOperations[O]['params']
export type Result<O extends AriOperation> = AriOperations[O]['result']

/** How long a request waits for its answer. */
export const REQUEST_TIMEOUT_MS = 10_000

/** The one way to an Asterisk. Transports differ in how, not in what: every one of them passes the suite in `port-suite.ts`. */
export interface AsteriskPort {
  readonly connected: boolean
  /**
   * Asks Asterisk. Rejects with `AriError` when it refuses, with `AriUnavailable` when there is no connection, it went down
   * before the answer, or none came within 10 s; whether the request was carried out is unknown then.
   */
  request<O extends AriOperation>(operation: O, params: Params<O>): Promise<Result<O>>
  /** Connects, and from then on stays connected until `stop`. Returns at once. */
  start(listener: PortListener): void
  /** Stops reading events (and answers that come the same way); Asterisk waits, and after a second of it drops the connection. */
  pause(): void
  resume(): void
  stop(): Promise<void>
}

export interface PortListener {
  /** Called after every connect, before the first event of that connection. Events that happened without one are lost. */
  connected(): void
  disconnected(reason: string): void
  /** Every event of every channel, in the order Asterisk sent them. */
  event(event: AriEvent): void
}

export interface PortOptions {
  /** `http://host:port` of Asterisk's HTTP server. */
  url: string
  user: string
  password: string
  /** Name of the Stasis application; one connection per name and Asterisk. */
  app: string
}

/** Asterisk refused a request. `status` is the HTTP status it gave. */
export class AriError extends Error {
  readonly status: number
  constructor(operation: string, status: number, message: string) {
    super(`${operation}: ${status} ${message}`)
    this.name = 'AriError'
    this.status = status
  }
}

/** Asterisk did not answer. */
export class AriUnavailable extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'AriUnavailable'
  }
}

/** What Asterisk says in the body of a refusal; the body itself when it is none of its own. */
export function refusalText(body: string): string {
  try {
    const { message, error } = JSON.parse(body) as { message?: string; error?: string }
    return message ?? error ?? body
  } catch {
    return body
  }
}
