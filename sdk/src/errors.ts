import type { ReasonMap, Status } from '../../generated/sdk/reasons.ts'
import type { ApiError } from '../../generated/sdk/request.ts'
import type { ErrorBody, ErrorDetail } from '../../generated/sdk/types.ts'

/** An answer that is not a success. One subclass per `status`; `reason` says exactly what happened. */
export class VoIPBINError<S extends Status = Status> extends Error implements ApiError<ReasonMap[S]> {
  override readonly name: string
  /** The kind of error. A newer platform may know more. */
  readonly status: S
  /** Exactly what happened. A newer platform may know more. */
  readonly reason: ReasonMap[S]
  readonly httpStatus: number
  /** Name this when asking for help. */
  readonly request_id: string
  /** The bad fields of the request. */
  readonly details: readonly ErrorDetail[]
  /** The whole answer, for its headers; its body has been read. Not enumerable: a logged error stays short. */
  declare readonly response: Response

  constructor(body: ErrorBody, response: Response) {
    const fields = body.details?.map(({ field, rule, expected }) => `\n  ${field}: ${rule}${expected ? ` (${expected})` : ''}`)
    super(`${body.reason}: ${body.message} (request ${body.request_id})${fields?.join('') ?? ''}`)
    // `NOT_FOUND` → `NotFoundError`: names of classes do not survive a minifier.
    this.name = `${body.status.toLowerCase().replace(/(?:^|_)(.)/g, (_, letter: string) => letter.toUpperCase())}Error`
    this.status = body.status as S
    this.reason = body.reason as ReasonMap[S]
    this.httpStatus = response.status
    this.request_id = body.request_id
    this.details = body.details ?? []
    Object.defineProperty(this, 'response', { value: response })
  }
}

/** 400: the request is not valid; `details` names the bad fields. */
export class InvalidArgumentError extends VoIPBINError<'INVALID_ARGUMENT'> {}
/** 401: the credentials are missing, wrong or no longer valid. */
export class UnauthenticatedError extends VoIPBINError<'UNAUTHENTICATED'> {}
/** 402: the balance does not cover it. */
export class PaymentRequiredError extends VoIPBINError<'PAYMENT_REQUIRED'> {}
/** 403: these credentials may not do this. */
export class PermissionDeniedError extends VoIPBINError<'PERMISSION_DENIED'> {}
/** 404: there is none of this id, or it is somebody else's. */
export class NotFoundError extends VoIPBINError<'NOT_FOUND'> {}
/** 408: the request did not arrive in time. */
export class RequestTimeoutError extends VoIPBINError<'REQUEST_TIMEOUT'> {}
/** 409: something of this name exists. */
export class AlreadyExistsError extends VoIPBINError<'ALREADY_EXISTS'> {}
/** 409: not in this state. */
export class FailedPreconditionError extends VoIPBINError<'FAILED_PRECONDITION'> {}
/** 413: the body is too large. */
export class PayloadTooLargeError extends VoIPBINError<'PAYLOAD_TOO_LARGE'> {}
/** 415: the body is not JSON. */
export class UnsupportedMediaTypeError extends VoIPBINError<'UNSUPPORTED_MEDIA_TYPE'> {}
/** 429: too many requests, still after the retries. */
export class ResourceExhaustedError extends VoIPBINError<'RESOURCE_EXHAUSTED'> {}
/** 500: something went wrong on the platform's side. */
export class InternalError extends VoIPBINError<'INTERNAL'> {}
/** 503, and every 5xx that came from something in between. */
export class UnavailableError extends VoIPBINError<'UNAVAILABLE'> {}
/** 504: the answer did not come in time; the request may have taken effect. */
export class DeadlineExceededError extends VoIPBINError<'DEADLINE_EXCEEDED'> {}

/** No answer came: the connection failed, or what came was none of the platform's. */
export class ConnectionError extends Error {
  override readonly name: string = 'ConnectionError'
}
/** No answer came within `timeoutMs`. */
export class TimeoutError extends ConnectionError {
  override readonly name = 'TimeoutError'
}

/** Why is rarely in the error itself: Node says "fetch failed" and has a cause, which has no message when it tried several addresses. */
export function whyFailed(error: unknown): string {
  const { message, code } = ((error as Error | undefined)?.cause ?? error ?? {}) as { message?: string; code?: string }
  return message || code || 'no reason given'
}

export const connectionFailed = (cause: unknown): ConnectionError =>
  new ConnectionError(`The connection failed: ${whyFailed(cause)}.`, { cause })

type ErrorClass = new (body: ErrorBody, response: Response) => VoIPBINError

const classes: { readonly [S in Status]: new (body: ErrorBody, response: Response) => VoIPBINError<S> } = {
  INVALID_ARGUMENT: InvalidArgumentError,
  UNAUTHENTICATED: UnauthenticatedError,
  PAYMENT_REQUIRED: PaymentRequiredError,
  PERMISSION_DENIED: PermissionDeniedError,
  NOT_FOUND: NotFoundError,
  REQUEST_TIMEOUT: RequestTimeoutError,
  ALREADY_EXISTS: AlreadyExistsError,
  FAILED_PRECONDITION: FailedPreconditionError,
  PAYLOAD_TOO_LARGE: PayloadTooLargeError,
  UNSUPPORTED_MEDIA_TYPE: UnsupportedMediaTypeError,
  RESOURCE_EXHAUSTED: ResourceExhaustedError,
  INTERNAL: InternalError,
  UNAVAILABLE: UnavailableError,
  DEADLINE_EXCEEDED: DeadlineExceededError,
}

/** What a proxy in between means, by HTTP status. */
const foreign: Readonly<Record<number, readonly [Status, string]>> = {
  401: ['UNAUTHENTICATED', 'UNAUTHENTICATED'],
  403: ['PERMISSION_DENIED', 'PERMISSION_DENIED'],
  404: ['NOT_FOUND', 'PATH_NOT_FOUND'],
  408: ['REQUEST_TIMEOUT', 'REQUEST_TIMEOUT'],
  413: ['PAYLOAD_TOO_LARGE', 'PAYLOAD_TOO_LARGE'],
  429: ['RESOURCE_EXHAUSTED', 'RATE_LIMITED'],
  504: ['DEADLINE_EXCEEDED', 'DEADLINE_EXCEEDED'],
}

/** The error of an answer. Something between us and the platform may answer without our body; then the HTTP status decides. */
export function toError(body: unknown, response: Response): VoIPBINError {
  const httpStatus = response.status
  const own = (body as { error?: ErrorBody } | null | undefined)?.error
  const [status, reason] =
    foreign[httpStatus] ?? (httpStatus < 500 ? ['INVALID_ARGUMENT', 'INVALID_ARGUMENT'] : ['UNAVAILABLE', 'UNAVAILABLE'])
  const request_id = response.headers.get('x-request-id') ?? ''
  const known = own?.reason
    ? own
    : { status, reason, message: `HTTP ${httpStatus} that is not the platform's own`, request_id, details: [] }
  return new ((classes[known.status] as ErrorClass | undefined) ?? VoIPBINError)(known as ErrorBody, response)
}
