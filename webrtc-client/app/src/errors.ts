import { ConnectionError, ResourceExhaustedError, VoIPBINError } from '@voipbin/sdk'

/** What to show for a failed request. The request id helps whoever is asked for help. */
export function errorText(error: unknown): string {
  if (error instanceof ResourceExhaustedError) return 'Too many attempts. Wait a minute and try again.'
  if (error instanceof ConnectionError) return 'The server cannot be reached.'
  if (!(error instanceof VoIPBINError)) return error instanceof Error ? error.message : String(error)
  if (error.reason === 'LOGIN_FAILED') return 'User name or password is wrong.'
  const message = error.message.replace(`${error.reason}: `, '').replace(/ \(request .*\)$/, '')
  return error.request_id ? `${message} (request ${error.request_id})` : message
}
