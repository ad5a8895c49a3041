import { addressSettings, serviceConfig, text } from '@voipbin/kernel'

export const config = serviceConfig({
  ...addressSettings,
  /** Base of all SIP domains: extensions live in `<customer id>.registrar.<base>`. */
  SIP_DOMAIN: text(/^[a-z0-9.-]+$/, 'must be a domain name in small letters'),
})
