import { serviceConfig, text } from '@voipbin/kernel'

const url = () => text(/^https?:\/\/[^/\s]+(\/[^?#\s]*)?$/, 'must be an http or https URL')

export const config = serviceConfig({
  /** Program that runs its arguments where the speech engines and `sox` are installed. */
  SPEECH_RUNNER: text(/^\/.+/, 'must be the absolute path of a program'),
  /** Where the Asterisks reach the gateway. Default: where everybody does. */
  MEDIA_URL: url().optional(),
  PUBLIC_URL: url().default('http://127.0.0.1:8080'),
})
