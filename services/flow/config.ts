import { isIP } from 'node:net'
import { flag, isPublicAddress, serviceConfig } from '@voipbin/kernel'

export const config = serviceConfig({
  /** Addresses of private networks are accepted as well. For tests and closed installations. */
  HTTP_ALLOW_PRIVATE: flag().default(false),
})

/** Whether a URL can be refused by its looks already. A name that leads to a private address is found out when it is called. */
export function mayBeCalled(uri: string): boolean {
  if (!URL.canParse(uri)) return false
  const { protocol, username, password, hostname } = new URL(uri)
  const host = hostname.replace(/^\[|\]$/g, '')
  if (!/^https?:$/.test(protocol) || username !== '' || password !== '') return false
  if (isIP(host) !== 0) return isPublicAddress(host)
  return host !== 'localhost' && !host.endsWith('.localhost')
}
