import { ConnectionError, ResourceExhaustedError, VoIPBINError } from '@voipbin/sdk'
import { PhoneError, type PhoneErrorReason } from '../../src/index.ts'

/** What to show for a failed request. The request id helps whoever is asked for help. */
export function errorText(error: unknown): string {
  if (error instanceof ResourceExhaustedError) return 'Too many attempts. Wait a minute and try again.'
  if (error instanceof ConnectionError) return 'The server cannot be reached.'
  if (!(error instanceof VoIPBINError)) return error instanceof Error ? error.message : String(error)
  if (error.reason === 'LOGIN_FAILED') return 'User name or password is wrong.'
  const message = error.message.replace(`${error.reason}: `, '').replace(/ \(request .*\)$/, '')
  return error.request_id ? `${message} (request ${error.request_id})` : message
}

/** What somebody can do about it, where that is not plain. */
const advice: Partial<Record<PhoneErrorReason, string>> = {
  microphone_denied: 'The microphone is blocked for this page. Allow it beside the address of the page and try again.',
  microphone_missing: 'No microphone was found. Plug one in and try again.',
  microphone_failed: 'The microphone cannot be opened. Another program may be using it.',
  invalid_target: 'This cannot be dialled. A number, an extension or a SIP address can.',
  not_connected: 'There is no connection to the phone server at the moment.',
}

/** What to show when the phone could not do something. */
export function phoneErrorText(error: unknown): string {
  if (error instanceof PhoneError) return advice[error.reason] ?? `${error.message}.`
  return error instanceof Error ? error.message : String(error)
}
