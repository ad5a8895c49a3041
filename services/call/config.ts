import { addressSettings, domainName, serviceConfig } from '@voipbin/kernel'

export const config = serviceConfig({
  ...addressSettings,
  /** Base of all SIP domains: extensions live in `<customer id>.registrar.<base>`, numbers in `sip.<base>`. */
  SIP_DOMAIN: domainName(),
})
