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
/** Inside 2000::/3, the only part of IPv6 that is assigned to unicast on the Internet. */
const v6: [string, number][] = [
  ['2001::', 23], // protocol assignments, Teredo
  ['2001:db8::', 32],
  ['2002::', 16], // 6to4: carries an IPv4 address
  ['3fff::', 20],
]
const blocked4 = new BlockList()
for (const [net, bits] of v4) blocked4.addSubnet(net, bits, 'ipv4')
const blocked6 = new BlockList()
for (const [net, bits] of v6) blocked6.addSubnet(net, bits, 'ipv6')
const unicast6 = new BlockList()
unicast6.addSubnet('2000::', 3, 'ipv6')

/** Whether the platform may send a request there: a public unicast address (RFC 6890), in no form that carries another one (IPv4-mapped, 6to4, NAT64). */
export function isPublicAddress(address: string): boolean {
  if (isIPv4(address)) return !blocked4.check(address, 'ipv4')
  return isIP(address) === 6 && !address.includes('%') && unicast6.check(address, 'ipv6') && !blocked6.check(address, 'ipv6')
}

const subnet = /^([0-9a-f.:]+)(?:\/(\d{1,3}))?$/i

/** The networks of a list such as `127.0.0.1, 10.1.0.0/16, fd00::/8`. Throws TypeError on anything else. */
export function parseNetworks(list: string): BlockList {
  const networks = new BlockList()
  for (const part of list.split(',').map(text => text.trim())) {
    if (part === '') continue
    const [, net = '', bits] = subnet.exec(part) ?? []
    const family = isIP(net)
    const most = family === 4 ? 32 : 128
    if (family === 0 || Number(bits ?? most) > most) throw new TypeError(`not an address or network: ${part}`)
    networks.addSubnet(net, Number(bits ?? most), family === 4 ? 'ipv4' : 'ipv6')
  }
  return networks
}

export interface AddressPolicy {
  /** Every address. For tests and closed installations. */
  allow_private?: boolean | undefined
  /** Addresses and networks that are allowed although they are not public: `127.0.0.1, 10.1.0.0/16`. For development. */
  allow?: string | undefined
}

/** Says which addresses requests may go to. */
export class AddressGuard {
  #all: boolean
  #allowed: BlockList

  /** Throws TypeError when `allow` is no list of networks. */
  constructor({ allow_private = false, allow = '' }: AddressPolicy = {}) {
    this.#all = allow_private
    this.#allowed = parseNetworks(allow)
  }

  accepts(address: string): boolean {
    if (this.#all || isPublicAddress(address)) return true
    const family = isIP(address)
    return family !== 0 && !address.includes('%') && this.#allowed.check(address, family === 4 ? 'ipv4' : 'ipv6')
  }

  /**
   * Whether a URL could be asked, judged by its looks: http or https, no credentials, no address that is refused. A name is looked up, and
   * checked, when it is used.
   */
  acceptsUri(uri: string): boolean {
    const url = URL.parse(uri)
    if (!url || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') return false
    const host = hostOf(url)
    if (isIP(host) !== 0) return this.accepts(host)
    return !/^(.+\.)?localhost$/i.test(host) || this.accepts('127.0.0.1')
  }

  /** As `acceptsUri`, and what a name stands for now is accepted, too: for URLs that somebody else will fetch. False for a name nobody knows. */
  async reaches(uri: string): Promise<boolean> {
    if (!this.acceptsUri(uri)) return false
    const host = hostOf(new URL(uri))
    if (this.#all || isIP(host) !== 0) return true
    return new Promise(resolve => this.lookup(host, { all: true }, error => resolve(error === null)))
  }

  /**
   * A `lookup` for sockets: what it answers is what the socket connects to, so a name cannot mean one thing when checked and another when used.
   * One refused address among several refuses the name.
   */
  readonly lookup: LookupFunction = (hostname, options, callback) => {
    dnsLookup(hostname, { ...options, all: true }, (error, found) => {
      const addresses = found as LookupAddress[] | undefined
      const [first] = addresses ?? []
      if (error || !addresses || !first) return callback(error ?? new Error(`no address for ${hostname}`), '', 0)
      if (!addresses.every(({ address }) => this.accepts(address))) return callback(new AddressRefused(hostname), '', 0)
      if (options.all) return callback(null, addresses)
      callback(null, first.address, first.family)
    })
  }
}

/** The host of a URL as sockets and the guard know it: an IPv6 address without brackets, a name without its last dot. */
export const hostOf = (url: URL): string => url.hostname.replace(/^\[|\]$|\.$/g, '')

/** The name leads to an address that requests must not go to. */
export class AddressRefused extends Error {
  constructor(host: string) {
    super(`${host} is not a public address`)
    this.name = 'AddressRefused'
  }
}
