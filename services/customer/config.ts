import { addressSettings, serviceConfig, text } from '@voipbin/kernel'

export const config = serviceConfig({
  ...addressSettings,
  /** Of the operator's own customer, when it is made. */
  OPERATOR_NAME: text(/^.{1,255}$/, 'must have 1 to 255 characters').default('Operator'),
  OPERATOR_EMAIL: text(/^[^\s@]+@[^\s@]+\.[^\s@]+$/, 'must be an e-mail address').default('operator@voipbin.example'),
})
