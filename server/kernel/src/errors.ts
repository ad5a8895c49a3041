import type { ErrorDetail } from './context.ts'

/** Status of the error body (`DECISIONS.md` 4) with its HTTP code. */
export const httpStatus = {
  INVALID_ARGUMENT: 400,
  UNAUTHENTICATED: 401,
  PAYMENT_REQUIRED: 402,
  PERMISSION_DENIED: 403,
  NOT_FOUND: 404,
  REQUEST_TIMEOUT: 408,
  ALREADY_EXISTS: 409,
  FAILED_PRECONDITION: 409,
  PAYLOAD_TOO_LARGE: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
  RESOURCE_EXHAUSTED: 429,
  INTERNAL: 500,
  UNAVAILABLE: 503,
  DEADLINE_EXCEEDED: 504,
} as const
export type Status = keyof typeof httpStatus

/** The error as it travels in RPC answers, HTTP bodies and socket frames. */
export interface ErrorBody {
  status: Status
  reason: string
  message: string
  request_id: string
  details: ErrorDetail[]
}

interface AppErrorOptions {
  message?: string
  details?: ErrorDetail[]
  cause?: unknown
}

/** A final answer to the caller: declared in the contract, never retried. Everything else that is thrown counts as a passing fault. */
export class AppError extends Error {
  readonly reason: string
  readonly status: Status
  readonly details: ErrorDetail[]
  constructor(reason: string, status: Status, options: AppErrorOptions = {}) {
    super(options.message ?? reason, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'AppError'
    this.reason = reason
    this.status = status
    this.details = options.details ?? []
  }
}

/** Structural, so that two copies of the kernel in one process still understand each other. */
export const isAppError = (error: unknown): error is AppError => error instanceof Error && error.name === 'AppError' && 'reason' in error
