import type { DialRoute, Provider } from '@voipbin/generated/schemas'

/** Headers that the platform or SIP itself writes (RFC 3261 §20, and the ones the edge trusts). */
const kept = new Set(
  [
    'via',
    'from',
    'to',
    'call-id',
    'cseq',
    'contact',
    'max-forwards',
    'route',
    'record-route',
    'path',
    'content-length',
    'content-type',
    'authorization',
  ].concat(['proxy-authorization', 'supported', 'require', 'proxy-require', 'allow', 'expires', 'v', 'f', 't', 'i', 'm', 'l', 'c', 'k']),
)
/** As `createChannel` takes them. */
const token = /^[A-Za-z][A-Za-z0-9-]{0,63}$/

/** The first header a carrier may not be given, if any. */
export const refusedHeader = (headers: Readonly<Record<string, string>>): string | undefined =>
  Object.keys(headers).find(name => !token.test(name) || kept.has(name.toLowerCase()) || name.toLowerCase().startsWith('x-voipbin-'))

interface Candidate {
  route: { id: string; scope: 'customer' | 'default'; provider_id: string; priority: number; target: string }
  provider: Pick<Provider, 'name' | 'hostname' | 'port' | 'transport' | 'tech_prefix' | 'tech_postfix' | 'tech_headers' | 'codecs'>
}

/** Virtual numbers exist inside the platform only. */
const isVirtual = (number: string): boolean => number.startsWith('+899')

const reach = (target: string): number => (target === 'all' ? 0 : target.length)

/**
 * The attempts for a number, in order: the customer's own routes before the default ones, the longest matching beginning before a shorter one, then by
 * priority. A carrier is tried once. None reaches a virtual number.
 */
export function dialRoutes(number: string, candidates: readonly Candidate[]): DialRoute[] {
  if (isVirtual(number)) return []
  const rank = ({ route }: Candidate) => [route.scope === 'customer' ? 0 : 1, -reach(route.target), route.priority] as const
  const fitting = candidates.filter(({ route }) => route.target === 'all' || number.startsWith(route.target))
  const sorted = fitting.toSorted((a, b) => {
    const [x, y] = [rank(a), rank(b)]
    return x[0] - y[0] || x[1] - y[1] || x[2] - y[2] || (a.route.id < b.route.id ? -1 : 1)
  })
  const tried = new Set<string>()
  return sorted.flatMap(({ route, provider }) => {
    if (tried.has(route.provider_id)) return []
    tried.add(route.provider_id)
    const { name: provider_name, hostname, port, transport, codecs, tech_prefix, tech_postfix, tech_headers: headers } = provider
    const user = `${tech_prefix}${number}${tech_postfix}`
    return [
      {
        route_id: route.id,
        provider_id: route.provider_id,
        provider_name,
        priority: route.priority,
        target: route.target,
        user,
        hostname,
        port,
        transport,
        headers,
        codecs,
      },
    ]
  })
}

/** Every beginning of a number that a route may name, and `all`. */
export const targetsOf = (number: string): string[] => [
  'all',
  ...Array.from({ length: number.length - 1 }, (_, index) => number.slice(0, index + 2)),
]

/** `10.0.0.0/24` as the edge's table wants it. Throws nothing: the contract's pattern has been checked. */
export function network(text: string): { ip_addr: string; mask: number } {
  const [ip_addr = '', mask = '32'] = text.split('/')
  return { ip_addr, mask: Number(mask) }
}
