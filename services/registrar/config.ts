import { domainName, serviceConfig, text } from '@voipbin/kernel'

export const config = serviceConfig({
  /** Base of all SIP domains: extensions live in `<customer id>.registrar.<base>`. */
  SIP_DOMAIN: domainName(),
  /** The SIP edge's database, on the same server, with its table `location`. */
  EDGE_DATABASE: text(/^[A-Za-z0-9_]{1,64}$/, 'must be the name of a database').default('kamailio'),
})
