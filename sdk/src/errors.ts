import type { Reason } from '../../generated/sdk/reasons.ts'
import type { ErrorBody, ErrorDetail } from '../../generated/sdk/types.ts'

/** An answer that is not a success. One subclass per status; `reason` says exactly what happened. */
export class VoIPBINError extends Error {
  override readonly name: string = 'VoIPBINError'
  readonly status: ErrorBody['status']
  readonly reason: Reason
  readonly http_status: number
  /** Name this when asking for help. */
  readonly request_id: string
  /** The bad fields of the request. */
  readonly details: readonly ErrorDetail[]
  constructor(body: ErrorBody, http_status: number) {
    super(`${body.reason}: ${body.message} (request ${body.request_id})`)
    this.status = body.status
    this.reason = body.reason as Reason
    this.http_status = http_status
    this.request_id = body.request_id
    this.details = body.details
  }
}

export class InvalidArgumentError extends VoIPBINError {
  override readonly name = 'InvalidArgumentError'
}
export class UnauthenticatedError extends VoIPBINError {
  override readonly name = 'UnauthenticatedError'
}
export class PaymentRequiredError extends VoIPBINError {
  override readonly name = 'PaymentRequiredError'
}
export class PermissionDeniedError extends VoIPBINError {
  override readonly name = 'PermissionDeniedError'
}
export class NotFoundError extends VoIPBINError {
  override readonly name = 'NotFoundError'
}
export class ConflictError extends VoIPBINError {
  override readonly name = 'ConflictError'
}
export class RateLimitError extends VoIPBINError {
  override readonly name = 'RateLimitError'
}
export class ServerError extends VoIPBINError {
  override readonly name = 'ServerError'
}

/** No answer came: the connection failed, or the time was over. */
export class ConnectionError extends Error {
  override readonly name: string = 'ConnectionError'
}
export class TimeoutError extends ConnectionError {
  override readonly name = 'TimeoutError'
}

const classes: Partial<Record<ErrorBody['status'], typeof VoIPBINError>> = {
  INVALID_ARGUMENT: InvalidArgumentError,
  UNAUTHENTICATED: UnauthenticatedError,
  PAYMENT_REQUIRED: PaymentRequiredError,
  PERMISSION_DENIED: PermissionDeniedError,
  NOT_FOUND: NotFoundError,
  ALREADY_EXISTS: ConflictError,
  FAILED_PRECONDITION: ConflictError,
  RESOURCE_EXHAUSTED: RateLimitError,
  INTERNAL: ServerError,
  UNAVAILABLE: ServerError,
  DEADLINE_EXCEEDED: ServerError,
}

/** The error of an answer. Something between us and the platform may answer without our body; that is a ServerError too. */
export function toError(http_status: number, body: unknown): VoIPBINError {
  const error = (body as { error?: ErrorBody } | undefined)?.error
  const known = error ?? {
    status: 'UNAVAILABLE',
    reason: 'UNAVAILABLE',
    message: `HTTP ${http_status} without a body of ours`,
    request_id: '',
    details: [],
  }
  return new (classes[known.status] ?? VoIPBINError)(known, http_status)
}
