import { lookup as dnsLookup, type LookupAddress } from 'node:dns'
import { BlockList, isIP, isIPv4, type LookupFunction } from 'node:net'

const v4: [string, number][] = [
  ['0.0.0.0', 8], // this host
  ['10.0.0.0', 8],
  ['100.64.0.0', 10], // carrier-grade NAT, RFC 6598
  ['127.0.0.0', 8],
  ['169.254.0.0', 16], // link-local, and the clouds' metadata
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24], // documentation
  ['192.88.99.0', 24], // 6to4 relays
  ['192.168.0.0', 16],
  ['198.18.0.0', 15], // benchmarks
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4], // multicast
  ['240.0.0.0', 4], // reserved, broadcast
]
const v6: [string, number][] = [
  ['64:ff9b::', 96], // NAT64: carries an IPv4 address
  ['64:ff9b:1::', 48],
  ['100::', 64],
  ['2001::', 23], // protocol assignments, Teredo
  ['2001:db8::', 32],
  ['2002::', 16], // 6to4: carries an IPv4 address
  ['3fff::', 20],
  ['5f00::', 16],
  ['fc00::', 7], // unique local
  ['fe80::', 10], // link-local
  ['fec0::', 10],
  ['ff00::', 8],
]
const blocked4 = new BlockList()
for (const [net, bits] of v4) blocked4.addSubnet(net, bits, 'ipv4')
const blocked6 = new BlockList()
for (const [net, bits] of v6) blocked6.addSubnet(net, bits, 'ipv6')

/** Whether the platform may send a request there: a public unicast address (RFC 6890), in no form that carries another one. */
export function isPublicAddress(address: string): boolean {
  if (isIPv4(address)) return !blocked4.check(address, 'ipv4')
  // `::…` holds loopback, unspecified, IPv4-mapped and IPv4-compatible addresses, and nothing public.
  return (
    isIP(address) === 6 &&
    !address.includes('%') &&
    !/^(0{0,4}:){1,6}:?(ffff:|[\d.]|[0-9a-f]*$)/i.test(address) &&
    !blocked6.check(address, 'ipv6')
  )
}

/** The name leads to an address that requests must not go to. */
export class AddressRefused extends Error {
  constructor(host: string) {
    super(`${host} is not a public address`)
    this.name = 'AddressRefused'
  }
}

/**
 * A `lookup` for sockets: what it answers is what the socket connects to, so a name cannot mean one thing when checked and another when used.
 * One private address among several refuses the name.
 */
export const publicLookup: LookupFunction = (hostname, options, callback) => {
  dnsLookup(hostname, { ...options, all: true }, (error, found) => {
    const addresses = found as LookupAddress[] | undefined
    const [first] = addresses ?? []
    if (error || !addresses || !first) return callback(error ?? new Error(`no address for ${hostname}`), '', 0)
    if (!addresses.every(({ address }) => isPublicAddress(address))) return callback(new AddressRefused(hostname), '', 0)
    if (options.all) return callback(null, addresses)
    callback(null, first.address, first.family)
  })
}
