import { expect, test } from 'vitest'
import { contactOf, difference, domainOf, ha1Of, type Location } from './rules.ts'

test('HA1 is that of RFC 2617, section 3.5', () => {
  expect(ha1Of({ extension: 'Mufasa', domain: 'testrealm@host.com' }, 'Circle Of Life')).toBe('939e7578ed9e3c518a452acee763bce9')
})
test('the domain is the customer in the base domain', () => expect(domainOf('c', 'voip.test')).toBe('c.registrar.voip.test'))

const base: Location = {
  ruid: 'r',
  username: '1001',
  domain: 'd',
  contact: 'sip:1001@10.0.0.9:5060',
  received: null,
  path: null,
  socket: 'udp:192.0.2.1:5060',
  user_agent: 'phone',
  expires: '2026-01-20T12:05:00.000000Z',
}
test.each([
  { when: 'behind NAT', row: { received: 'sip:203.0.113.7:49152;transport=udp' }, source: '203.0.113.7:49152', transport: 'udp' },
  {
    when: 'over WSS',
    row: { received: 'sip:203.0.113.7:49152;transport=ws', socket: 'tls:192.0.2.1:443' },
    source: '203.0.113.7:49152',
    transport: 'wss',
  },
  {
    when: 'over WS',
    row: { received: 'sip:203.0.113.7:49152;transport=ws', socket: 'tcp:192.0.2.1:80' },
    source: '203.0.113.7:49152',
    transport: 'ws',
  },
  { when: 'over IPv6', row: { received: 'sip:[2001:db8::7]:49152;transport=tcp' }, source: '[2001:db8::7]:49152', transport: 'tcp' },
  { when: 'with nothing seen', row: {}, source: '10.0.0.9:5060', transport: 'udp' },
  { when: 'without a port', row: { contact: 'sip:1001@phone.example;ob', socket: null }, source: 'phone.example', transport: 'udp' },
])('a phone $when', ({ row, source, transport }) => {
  expect(contactOf({ ...base, ...row })).toMatchObject({ uri: row.contact ?? base.contact, source, transport, tm_expire: base.expires })
})

test('the difference between two looks', () => {
  const known = [
    { ruid: 'a', extension_id: '1' },
    { ruid: 'b', extension_id: null },
  ]
  expect(difference(known, [{ ruid: 'b' }, { ruid: 'c' }])).toEqual({ come: [{ ruid: 'c' }], gone: [{ ruid: 'a', extension_id: '1' }] })
})
