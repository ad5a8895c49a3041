import { isAppError, type Status } from './errors.ts'

const passing = new Set<Status>(['UNAVAILABLE', 'DEADLINE_EXCEEDED', 'INTERNAL', 'REQUEST_TIMEOUT'])

/**
 * Whether trying again later may help. Besides everything that is no AppError these are the answers of a called service that say "not now", and a lost
 * race for a row, which reads it anew: an event must not be dropped because another service was being restarted, or was faster.
 */
export const isTransient = (error: unknown): boolean => !isAppError(error) || passing.has(error.status) || error.reason === 'CONFLICT'
