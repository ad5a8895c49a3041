import type { PublicOperation } from './model.ts'

/** HTTP code of every error status: the kernel's table once more, which this folder may not import. */
export const httpStatus: Readonly<Record<string, number>> = {
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
}

/** Reasons that the platform itself may answer with, whatever the operation. Contracts do not list them. */
export const generalReasons: ReadonlySet<string> = new Set([
  'INVALID_ARGUMENT',
  'MALFORMED_JSON',
  'UNAUTHENTICATED',
  'TOKEN_EXPIRED',
  'PERMISSION_DENIED',
  'PATH_NOT_FOUND',
  'METHOD_NOT_ALLOWED',
  'REQUEST_TIMEOUT',
  'CONFLICT',
  'IDEMPOTENCY_KEY_REUSED',
  'IDEMPOTENCY_IN_PROGRESS',
  'PAYLOAD_TOO_LARGE',
  'UNSUPPORTED_MEDIA_TYPE',
  'RATE_LIMITED',
  'INTERNAL',
  'UNAVAILABLE',
  'DEADLINE_EXCEEDED',
])

/** Every reason a public operation may answer with: its own and the general ones that can happen to it. */
export function reasonsOf(operation: PublicOperation): string[] {
  const reasons = ['INVALID_ARGUMENT', 'INTERNAL', 'UNAVAILABLE', 'DEADLINE_EXCEEDED']
  // Limits are a customer's; without one only logins are counted.
  if (operation.permission !== 'public' || operation.rateLimit === 'login') reasons.push('RATE_LIMITED')
  if (operation.permission !== 'public') reasons.push('UNAUTHENTICATED', 'TOKEN_EXPIRED', 'PERMISSION_DENIED', 'CUSTOMER_FROZEN')
  // Also where no body is expected: one may come all the same.
  if (operation.method !== 'GET') reasons.push('MALFORMED_JSON', 'REQUEST_TIMEOUT', 'PAYLOAD_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE')
  if (operation.method !== 'GET') reasons.push('CONFLICT')
  if (operation.idempotent) reasons.push('IDEMPOTENCY_KEY_REUSED', 'IDEMPOTENCY_IN_PROGRESS')
  return [...new Set([...operation.errors, ...reasons])].sort()
}
