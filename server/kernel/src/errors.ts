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

/** One bad field: JSON pointer, the rule it broke, what was expected. */
export interface ErrorDetail {
  field: string
  rule: string
  expected?: string
}

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

/** Reason -> how it is answered. `generated/errors.ts` has all of them. */
export type ErrorTable = Readonly<Record<string, { status: Status; message: string }>>

/** Reasons every operation may answer with. */
export const generalErrors = {
  INVALID_ARGUMENT: { status: 'INVALID_ARGUMENT', message: 'The request is not valid.' },
  CONFLICT: { status: 'FAILED_PRECONDITION', message: 'Somebody else changed this at the same time; read it again and retry.' },
  UNAVAILABLE: { status: 'UNAVAILABLE', message: 'The service cannot be reached at the moment; try again.' },
  DEADLINE_EXCEEDED: { status: 'DEADLINE_EXCEEDED', message: 'The answer did not come in time.' },
  INTERNAL: { status: 'INTERNAL', message: 'Something went wrong on our side.' },
} satisfies ErrorTable
export type GeneralReason = keyof typeof generalErrors

export interface ErrorData {
  message?: string
  details?: ErrorDetail[]
}

/** One of the reasons that every operation may answer with. */
export const generalError = (reason: GeneralReason, options?: AppErrorOptions): AppError =>
  new AppError(reason, generalErrors[reason].status, { message: generalErrors[reason].message, ...options })

/** Builds the error for a reason of the contract. A reason nobody declared is a mistake in the code and answers INTERNAL. */
export function makeError(errors: ErrorTable, reason: string, data: ErrorData = {}): AppError {
  const table: ErrorTable = Object.hasOwn(errors, reason) ? errors : generalErrors
  const known = Object.hasOwn(table, reason) ? table[reason] : undefined
  const options = { message: data.message ?? known?.message ?? reason, ...(data.details && { details: data.details }) }
  return new AppError(reason, known?.status ?? 'INTERNAL', options)
}
