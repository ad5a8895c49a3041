/** Why an operation of the phone was refused. */
export type PhoneErrorReason =
  | 'not_started'
  | 'not_connected'
  | 'connection_failed'
  | 'registration_refused'
  | 'registration_failed'
  | 'invalid_target'
  | 'invalid_state'
  | 'invalid_header'
  | 'microphone_denied'
  | 'microphone_insecure'
  | 'microphone_missing'
  | 'microphone_failed'
  | 'dtmf_unavailable'
  | 'invalid_dtmf'
  | 'hold_failed'

const messages: Record<PhoneErrorReason, string> = {
  not_started: 'The phone is not started',
  not_connected: 'There is no connection to the SIP server',
  connection_failed: 'The SIP server cannot be reached',
  registration_refused: 'The SIP server refused these credentials',
  registration_failed: 'The SIP server did not accept the registration',
  invalid_target: 'This cannot be dialled',
  invalid_state: 'The call is not in a state that allows this',
  invalid_header: 'A SIP header is one line, `Name: value`',
  microphone_denied: 'The use of the microphone was refused',
  microphone_insecure: 'Browsers give the microphone only to pages on https and on localhost',
  microphone_missing: 'No microphone was found',
  microphone_failed: 'The microphone cannot be opened',
  dtmf_unavailable: 'This call cannot send tones now',
  invalid_dtmf: 'Tones are the characters 0-9, A-D, *, # and the comma for a pause',
  hold_failed: 'The other side did not accept the change of the call',
}

/** The one error of the library. `reason` is stable and meant for programs, `context` holds the facts. */
export class PhoneError extends Error {
  override readonly name: string = 'PhoneError'
  readonly reason: PhoneErrorReason
  readonly context: Readonly<Record<string, unknown>>

  constructor(reason: PhoneErrorReason, context: Record<string, unknown> = {}, options?: ErrorOptions) {
    super(messages[reason], options)
    this.reason = reason
    this.context = context
  }
}

/** The SIP server answered a REGISTER with `sipCode`, or with nothing (`undefined`). */
export class RegistrationError extends PhoneError {
  override readonly name = 'RegistrationError'
  readonly sipCode: number | undefined

  constructor(sipCode: number | undefined, context: Record<string, unknown> = {}) {
    super(isFinalRefusal(sipCode) ? 'registration_refused' : 'registration_failed', { sipCode: sipCode, ...context })
    this.sipCode = sipCode
  }
}

/** Wrong credentials do not get right by trying again; everything else may. */
export const isFinalRefusal = (sipCode: number | undefined): boolean => sipCode !== undefined && [401, 403, 404, 407].includes(sipCode)

/** The microphone could not be had; `cause` is the browser's DOMException. */
export class MicrophoneError extends PhoneError {
  override readonly name = 'MicrophoneError'
}
