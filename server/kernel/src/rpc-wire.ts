import type { Caller } from './context.ts'
import { AppError, type ErrorBody, type ErrorDetail, httpStatus } from './errors.ts'

/** A request as it travels (`DECISIONS.md` 20). */
export interface RpcRequest {
  message_id: string
  timestamp: string
  route: string
  method: string
  headers: RpcHeaders
  body: unknown
}
export type RpcHeaders = Caller

export interface RpcResponse {
  message_id: string
  timestamp: string
  status_code: number
  body: unknown
  error: ErrorBody | null
}

export const requestQueue = (service: string): string => `bin-manager.${service}.request`

/** Every service answers this about its own resources, on its own queue. */
export const ownerRoute = { method: 'GET', route: '/v1/owners/{resource}/{id}', query: [], timeout_ms: 30_000 } as const

export function errorBody(error: AppError, request_id: string): ErrorBody {
  return { status: error.status, reason: error.reason, message: error.message, request_id, details: error.details }
}

/** The error of an answer as the AppError that was thrown on the other side. */
export function toAppError(body: Partial<ErrorBody>): AppError {
  const status = body.status && Object.hasOwn(httpStatus, body.status) ? body.status : 'INTERNAL'
  return new AppError(body.reason ?? 'INTERNAL', status, {
    message: body.message ?? 'the service answered with an error',
    details: Array.isArray(body.details) ? (body.details as ErrorDetail[]) : [],
  })
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)
const textOf = (value: unknown, other: string): string => (typeof value === 'string' ? value : other)

/** Reads a request; a string says what is wrong with it. */
export function parseRequest(content: Buffer): RpcRequest | string {
  let value: unknown
  try {
    value = JSON.parse(content.toString())
  } catch {
    return 'not JSON'
  }
  if (!isRecord(value)) return 'not an object'
  const { message_id, route, method, headers } = value
  if (typeof message_id !== 'string' || message_id === '' || message_id.length > 64)
    return 'message_id must be a string of 1 to 64 characters'
  if (typeof route !== 'string' || !route.startsWith('/')) return 'route must be a path'
  if (typeof method !== 'string') return 'method must be a string'
  if (!isRecord(headers)) return 'headers must be an object'
  return value as unknown as RpcRequest
}

/** Fills what an older or foreign sender leaves out. */
export function callerOf(headers: Partial<RpcHeaders>, message_id: string, deadline: number): Caller {
  return {
    customer_id: textOf(headers.customer_id, ''),
    agent_id: typeof headers.agent_id === 'string' ? headers.agent_id : null,
    actor: isRecord(headers.actor) ? headers.actor : { type: 'system', id: 'unknown' },
    permissions: Array.isArray(headers.permissions) ? headers.permissions : [],
    request_id: textOf(headers.request_id, message_id),
    locale: textOf(headers.locale, 'en'),
    deadline: typeof headers.deadline === 'number' ? headers.deadline : deadline,
    address: typeof headers.address === 'string' ? headers.address : undefined,
    user_agent: typeof headers.user_agent === 'string' ? headers.user_agent : undefined,
  }
}
