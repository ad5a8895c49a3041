import { expect, test } from 'vitest'
import { dialRoutes, network, refusedHeader, targetsOf } from './rules.ts'

const provider = (name: string) => ({
  name,
  hostname: `${name}.example`,
  port: 5060,
  transport: 'udp' as const,
  tech_prefix: '9',
  tech_postfix: '',
  tech_headers: {},
  codecs: ['PCMU' as const],
})
const route = (id: string, provider_id: string, rest: { target: string; scope?: 'customer' | 'default'; priority?: number }) => ({
  route: { id, provider_id, scope: rest.scope ?? ('default' as const), priority: rest.priority ?? 1, target: rest.target },
  provider: provider(provider_id),
})

test.each([
  {
    when: 'priorities differ',
    given: [route('1', 'b', { target: 'all', priority: 2 }), route('2', 'a', { target: 'all', priority: 1 })],
    want: ['a', 'b'],
  },
  { when: 'a longer beginning fits', given: [route('1', 'a', { target: '+1' }), route('2', 'b', { target: '+1555' })], want: ['b', 'a'] },
  {
    when: 'the customer has its own',
    given: [route('1', 'a', { target: '+1555' }), route('2', 'b', { target: 'all', scope: 'customer' })],
    want: ['b', 'a'],
  },
  { when: 'a carrier comes twice', given: [route('1', 'a', { target: 'all' }), route('2', 'a', { target: '+1' })], want: ['a'] },
  { when: 'the number is virtual', number: '+899123456789', given: [route('1', 'a', { target: 'all' })], want: [] },
  { when: 'nothing fits', given: [route('1', 'a', { target: '+44' })], want: [] },
])('dialRoutes when $when', ({ number = '+15551234567', given, want }) => {
  expect(dialRoutes(number, given).map(attempt => attempt.provider_id)).toEqual(want)
})

test('an attempt holds what its INVITE needs', () => {
  expect(dialRoutes('+15551234567', [route('1', 'a', { target: 'all' })])[0]).toMatchObject({
    user: '9+15551234567',
    hostname: 'a.example',
    port: 5060,
    route_id: '1',
  })
})

test('targetsOf names every beginning', () => expect(targetsOf('+123')).toEqual(['all', '+1', '+12', '+123']))

test.each<{ given: Record<string, string>; want: string | undefined }>([
  { given: { 'X-Account': '7' }, want: undefined },
  { given: { Via: 'x' }, want: 'Via' },
  { given: { 'X-VoIPBIN-Customer-ID': 'x' }, want: 'X-VoIPBIN-Customer-ID' },
  { given: { 'bad header': 'x' }, want: 'bad header' },
])('refusedHeader($given)', ({ given, want }) => expect(refusedHeader(given)).toBe(want))

test.each([
  { given: '10.1.2.0/24', want: { ip_addr: '10.1.2.0', mask: 24 } },
  { given: '192.0.2.1', want: { ip_addr: '192.0.2.1', mask: 32 } },
])('network($given)', ({ given, want }) => expect(network(given)).toEqual(want))
