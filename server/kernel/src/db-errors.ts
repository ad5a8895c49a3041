/**
 * A dependency (database, broker, other service) cannot be reached. Passing, hence no AppError: an RPC answers UNAVAILABLE,
 * a consumer tries again.
 */
export class UnavailableError extends Error {
  readonly code = 'UNAVAILABLE'
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'UnavailableError'
  }
}

/** The driver's own error below drizzle's wrapper (whose text repeats every parameter, secrets included). */
export function rootCause(error: unknown): unknown {
  let current = error
  while (current instanceof Error && current.message.startsWith('Failed query:') && current.cause !== undefined) current = current.cause
  return current
}

const codeOf = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : undefined)

const brokenCodes = new Set<unknown>([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'PROTOCOL_CONNECTION_LOST',
  'PROTOCOL_SEQUENCE_TIMEOUT',
  'ER_SERVER_SHUTDOWN',
  'ER_CONNECTION_KILLED',
  'ER_OPTION_PREVENTS_STATEMENT',
  'ER_READ_ONLY_MODE',
])

/** The connection is of no further use. */
export const isBroken = (error: unknown): boolean =>
  brokenCodes.has(codeOf(error)) || (error instanceof Error && ('fatal' in error ? error.fatal === true : false))

/** Another transaction was in the way; the whole transaction may run again. */
const isConflict = (error: unknown): boolean => codeOf(error) === 'ER_LOCK_DEADLOCK' || codeOf(error) === 'ER_LOCK_WAIT_TIMEOUT'

/** Worth running the whole transaction again. */
export const isRetryable = (error: unknown): boolean => error instanceof UnavailableError || isConflict(error)

/** A unique key already holds this value. `key` narrows it to one index, by name. */
export function isDuplicate(error: unknown, key?: string): boolean {
  const cause = rootCause(error)
  return codeOf(cause) === 'ER_DUP_ENTRY' && (key === undefined || (cause instanceof Error && cause.message.includes(key)))
}

/** The dependency was away, also where drizzle has wrapped the error (a read through `ctx.db` or a repo outside a transaction). */
export const isUnavailable = (error: unknown): boolean => rootCause(error) instanceof UnavailableError
