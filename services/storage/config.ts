import { serviceConfig, text } from '@voipbin/kernel'

export const config = serviceConfig({
  /** Folder of the encrypted objects. */
  STORAGE_DIR: text(/^\/.+/, 'must be an absolute path'),
  /** Where clients reach the gateway; signed URLs begin with it. */
  PUBLIC_URL: text(/^https?:\/\/[^/\s]+(\/[^?#\s]*)?$/, 'must be an http or https URL').default('http://127.0.0.1:8080'),
})
