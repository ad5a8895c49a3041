import type { Address, AddressInput, Number as PhoneNumber } from '@voipbin/generated/schemas'
import { isAppError } from '@voipbin/kernel'
import { config } from './config.ts'
import type { Ctx } from './lifecycle.ts'
import { costs, isOverCarrier, isVirtual } from './rules.ts'
import type { Leg } from './schema.ts'
import { together } from './together.ts'

/** A destination resolved to the legs that ring for it. */
export interface Target {
  destination: Address
  legs: Leg[]
  /** Several legs of one destination ring as a group. */
  group: boolean
  ring_method: 'ring_all' | 'linear'
}

const e164 = /^\+[1-9][0-9]{6,14}$/
/** As `createChannel` takes it; no `?…`, which would be headers of the INVITE (RFC 3261 §19.1.1). */
const sipUri = /^sips?:([^\s@]+)@([^\s@/;<>,"?]+)(;transport=(udp|tcp|tls))?$/
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/** Fills in what a request may leave out. Without a type the form of the target tells it. */
export function addressOf(input: AddressInput): Address {
  const { target, target_name = '', name = '', detail = '' } = input
  return { type: input.type ?? typeOf(target), target, target_name, name, detail }
}

function typeOf(target: string): Address['type'] {
  if (e164.test(target)) return 'tel'
  if (sipUri.test(target)) return 'sip'
  return uuid.test(target) ? 'agent' : 'extension'
}

type Resolve = (ctx: Ctx, destination: Address, field: string) => Promise<Target>

const alone = (ctx: Ctx, leg: Omit<Leg, 'owner'>): Target => ({
  destination: leg.destination,
  legs: [{ ...leg, owner: { owner_type: 'customer', owner_id: ctx.customer_id } }],
  group: false,
  ring_method: 'ring_all',
})

const resolvers: Record<Address['type'], Resolve> = {
  tel: async (ctx, destination, field) => {
    const { target } = destination
    if (!e164.test(target)) throw refused(ctx, field, 'a number in E.164, for example +15551234567')
    const [here, { result }] = await together([
      findNumber(ctx, target),
      ctx.call('listDialRoutes', { target, customer_id: ctx.customer_id }),
    ])
    // A number of anybody here stays here, also one that nobody answers.
    if (here) return alone(ctx, { destination, dial_uri: `sip:${target}@sip.${config.of(ctx).SIP_DOMAIN}`, dialroutes: [], hops: 1 })
    if (result.length === 0) throw unroutable(ctx, target, field)
    return alone(ctx, { destination, dial_uri: '', dialroutes: result })
  },
  sip: async (ctx, destination, field) => {
    if (!sipUri.test(destination.target)) throw refused(ctx, field, 'a SIP URI, for example sip:alice@example.com')
    return registrarOf(ctx, destination.target) ?? alone(ctx, { destination, dial_uri: destination.target, dialroutes: [] })
  },
  extension: async (ctx, destination) => {
    const { extension, domain } = await ctx.call('listExtensionContacts', { extension: destination.target })
    return alone(ctx, { destination, dial_uri: `sip:${extension}@${domain}`, dialroutes: [] })
  },
  agent: async (ctx, destination, field) => {
    if (!uuid.test(destination.target)) throw refused(ctx, field, 'the id of an agent')
    const { agent_id, addresses, ring_method } = await ctx.call('listAgentAddresses', { id: destination.target })
    const own = addresses.filter(address => address.type !== 'agent')
    if (own.length === 0)
      throw ctx.error('DESTINATION_NOT_ROUTABLE', {
        details: [{ field, rule: 'addresses', expected: 'an agent with at least one address' }],
      })
    const owner = { owner_type: 'agent' as const, owner_id: agent_id }
    const targets = await together(own.map(address => resolvers[address.type](ctx, address, field)))
    return { destination, legs: targets.flatMap(target => target.legs.map(leg => ({ ...leg, owner }))), group: true, ring_method }
  },
  conference: async (ctx, _destination, field) => {
    throw refused(ctx, field, 'an address of type tel, sip, extension or agent')
  },
}

/** A SIP URI of this platform's own phones is an extension: the customer's, or none. Undefined for any other. */
function registrarOf(ctx: Ctx, uri: string): Promise<Target> | undefined {
  const [, user = '', hostport = ''] = sipUri.exec(uri) ?? []
  const host = hostport.toLowerCase().replace(/:\d*$/, '').replace(/\.$/, '')
  const base = `registrar.${config.of(ctx).SIP_DOMAIN}`
  if (host !== base && !host.endsWith(`.${base}`)) return undefined
  if (host !== `${ctx.customer_id}.${base}`) throw ctx.error('EXTENSION_NOT_FOUND')
  return resolvers.extension(ctx, addressOf({ type: 'extension', target: user }), '')
}

const refused = (ctx: Ctx, field: string, expected: string) =>
  ctx.error('DESTINATION_INVALID', { details: [{ field, rule: 'format', expected }] })

/** Whether a destination may have a price: a number does, and an agent may have one. */
export const mayCost = (input: AddressInput): boolean => ['tel', 'agent'].includes(addressOf(input).type)

function unroutable(ctx: Ctx, number: string, field: string) {
  if (!isVirtual(number))
    return ctx.error('DESTINATION_NOT_ROUTABLE', { details: [{ field, rule: 'routable', expected: 'a route that covers this number' }] })
  const details = [{ field, rule: 'assigned', expected: 'a virtual number that somebody has' }]
  return ctx.error('DESTINATION_NOT_ROUTABLE', { message: 'Nobody has this virtual number, and no carrier reaches it.', details })
}

/** Resolves destinations in the customer's scope. `field` is where they stand in the request, for error details. */
export async function resolveDestinations(ctx: Ctx, inputs: readonly AddressInput[], field: string): Promise<Target[]> {
  return together(
    inputs.map(async (input, index) => {
      const destination = addressOf(input)
      return resolvers[destination.type](ctx, destination, `${field}/${index}/target`)
    }),
  )
}

/** As `resolveDestinations`, and whoever calls may show itself so: to numbers as a number of the customer, to carriers as one that is not virtual. */
export async function resolveFrom(ctx: Ctx, source: Address, inputs: readonly AddressInput[], field: string): Promise<Target[]> {
  const asked = source.type === 'tel' && inputs.some(mayCost) ? findNumber(ctx, source.target) : undefined
  const [targets, number] = await together([resolveDestinations(ctx, inputs, field), asked])
  const legs = targets.flatMap(target => target.legs)
  if (legs.some(costs) && number?.customer_id !== ctx.customer_id) throw notOwned(ctx, 'a number of this customer')
  if (legs.some(isOverCarrier) && number?.type === 'virtual') throw notOwned(ctx, 'a number that is not virtual')
  return targets
}

export const notOwned = (ctx: Ctx, expected: string) =>
  ctx.error('SOURCE_NOT_OWNED', { details: [{ field: '/source/target', rule: 'owned', expected }] })

/** Whose number this is; `undefined` for nobody's here. */
export async function findNumber(ctx: Ctx, number: string): Promise<PhoneNumber | undefined> {
  try {
    return await ctx.call('findNumber', { number })
  } catch (error) {
    if (isAppError(error) && error.status === 'NOT_FOUND') return undefined
    throw error
  }
}
