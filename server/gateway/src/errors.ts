import { errors as catalogue } from '@voipbin/generated/errors'
import { AppError, type ErrorBody, type ErrorDetail, httpStatus, isAppError, UnavailableError } from '@voipbin/kernel'

/** Header names are lower case throughout the gateway. */
export type HeaderMap = Record<string, string>

/** An error whose HTTP code is not the one of its status (405), or that needs headers of its own. */
export class HttpError extends AppError {
  readonly http: number
  readonly headers: HeaderMap
  constructor(error: AppError, http: number, headers: HeaderMap) {
    super(error.reason, error.status, { message: error.message, details: error.details })
    this.http = http
    this.headers = headers
  }
}

/** The error of a reason in the contract's catalogue. */
export function of(reason: string, status: AppError['status'] = 'INTERNAL', message = reason): AppError {
  const known = (catalogue as Readonly<Record<string, { status: AppError['status']; message: string }>>)[reason]
  return new AppError(reason, known?.status ?? status, { message: known?.message ?? message })
}

const invalid = (message: string, ...details: ErrorDetail[]): AppError =>
  new AppError('INVALID_ARGUMENT', 'INVALID_ARGUMENT', { message, details })

/** Where WebSockets are opened. */
export const isSocketPath = (path: string): boolean => path === '/ws' || path === '/v1.0/ws'

/** What the gateway itself answers, before any service is asked. The reasons are those of `contracts/errors.yaml`. */
export const fail = {
  invalid,
  /** A WebSocket's path that was asked for by HTTP is told apart: the mistake is in the client, not in the path. */
  pathNotFound: (path: string) =>
    new AppError('PATH_NOT_FOUND', 'NOT_FOUND', {
      message: isSocketPath(path)
        ? 'This path is a WebSocket. Connect with ws:// or wss://.'
        : 'There is no such path. /docs lists all of them.',
    }),
  /** RFC 9110 15.5.6: 405 names in `Allow` what the path takes. Its status is NOT_FOUND, as there is none for 405. */
  methodNotAllowed: (allow: string) =>
    new HttpError(new AppError('METHOD_NOT_ALLOWED', 'NOT_FOUND', { message: `This path takes ${allow} only.` }), 405, { allow }),
  malformedJson: (message: string) =>
    new AppError('MALFORMED_JSON', 'INVALID_ARGUMENT', { message, details: [{ field: '', rule: 'json', expected: 'a JSON object' }] }),
  tooLarge: (rule: 'maxBytes' | 'maxDepth', limit: number) =>
    new AppError('PAYLOAD_TOO_LARGE', 'PAYLOAD_TOO_LARGE', {
      message: rule === 'maxBytes' ? `A body may have ${limit} bytes.` : `JSON may be nested ${limit} levels deep.`,
      details: [{ field: '', rule, expected: `at most ${limit}` }],
    }),
  mediaType: () =>
    new AppError('UNSUPPORTED_MEDIA_TYPE', 'UNSUPPORTED_MEDIA_TYPE', {
      message: 'The body must be application/json in UTF-8, not compressed.',
      details: [{ field: '', rule: 'contentType', expected: 'application/json' }],
    }),
  slow: () => new AppError('REQUEST_TIMEOUT', 'REQUEST_TIMEOUT', { message: 'The request did not arrive in time.' }),
  unauthenticated: (message = 'Credentials are missing or not valid.') => new AppError('UNAUTHENTICATED', 'UNAUTHENTICATED', { message }),
  tokenExpired: () => new AppError('TOKEN_EXPIRED', 'UNAUTHENTICATED', { message: 'The token has expired or was revoked.' }),
  permissionDenied: (permission: string) =>
    new AppError('PERMISSION_DENIED', 'PERMISSION_DENIED', { message: `These credentials lack the permission ${permission}.` }),
  rateLimited: (seconds: number) =>
    new HttpError(new AppError('RATE_LIMITED', 'RESOURCE_EXHAUSTED', { message: `Too many requests. Try again in ${seconds} s.` }), 429, {
      'retry-after': String(seconds),
    }),
  /** For a missing row and a foreign one alike. */
  notFound: (resource: string) => of(`${resource.toUpperCase()}_NOT_FOUND`, 'NOT_FOUND', `There is no such ${resource}.`),
  frozen: () => of('CUSTOMER_FROZEN', 'PERMISSION_DENIED', 'This customer is frozen.'),
  keyReused: () =>
    new AppError('IDEMPOTENCY_KEY_REUSED', 'FAILED_PRECONDITION', { message: 'This Idempotency-Key was used with another request.' }),
  inProgress: () =>
    new HttpError(
      new AppError('IDEMPOTENCY_IN_PROGRESS', 'FAILED_PRECONDITION', { message: 'A request with this Idempotency-Key is still running.' }),
      409,
      { 'retry-after': '1' },
    ),
  unavailable: () => new AppError('UNAVAILABLE', 'UNAVAILABLE', { message: 'The service is not available right now.' }),
  deadline: () => new AppError('DEADLINE_EXCEEDED', 'DEADLINE_EXCEEDED', { message: 'The answer did not come in time.' }),
  internal: () => new AppError('INTERNAL', 'INTERNAL', { message: 'Something went wrong on our side.' }),
}

/** What any operation may answer, whoever says so: the contract adds these to each (`contracts/codegen/reasons.ts`). */
export const generalReasons: ReadonlySet<string> = new Set([
  'INVALID_ARGUMENT',
  'MALFORMED_JSON',
  'UNAUTHENTICATED',
  'TOKEN_EXPIRED',
  'PERMISSION_DENIED',
  'CUSTOMER_FROZEN',
  'REQUEST_TIMEOUT',
  'CONFLICT',
  'PAYLOAD_TOO_LARGE',
  'UNSUPPORTED_MEDIA_TYPE',
  'RATE_LIMITED',
  'INTERNAL',
  'UNAVAILABLE',
  'DEADLINE_EXCEEDED',
])

export const httpCode = (error: AppError): number => (error instanceof HttpError ? error.http : httpStatus[error.status])

/**
 * What the caller may see of whatever was thrown. Unknown faults become INTERNAL and a dependency that is away UNAVAILABLE; which queue or
 * table it was stays in the log.
 */
export function asAnswer(thrown: unknown): AppError {
  if (!isAppError(thrown)) return thrown instanceof UnavailableError ? fail.unavailable() : fail.internal()
  if (thrown.reason === 'UNAVAILABLE') return fail.unavailable()
  if (thrown.reason === 'DEADLINE_EXCEEDED') return fail.deadline()
  return thrown.reason === 'INTERNAL' ? fail.internal() : thrown
}

export const errorBody = (error: AppError, request_id: string): { error: ErrorBody } => ({
  error: { status: error.status, reason: error.reason, message: error.message, request_id, details: error.details },
})

/** Headers that belong to an error whichever stage threw it. */
export function errorHeaders(error: AppError): HeaderMap {
  const own = error instanceof HttpError ? error.headers : {}
  if (error.status === 'UNAVAILABLE' || error.status === 'RESOURCE_EXHAUSTED') return { 'retry-after': '1', ...own }
  if (error.status === 'UNAUTHENTICATED') return { 'www-authenticate': 'Bearer realm="voipbin"', ...own }
  return own
}
