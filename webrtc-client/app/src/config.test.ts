import { expect, test } from 'vitest'
import { readPrefill, sipUrl } from './config.ts'

const sip = { ws_url: 'ws://h/', wss_url: 'wss://h/', domain: 'd' }

test.each([
  { sip, protocol: 'https:', prefer: 'auto', want: 'wss://h/' },
  { sip, protocol: 'https:', prefer: 'ws', want: 'wss://h/' },
  { sip, protocol: 'http:', prefer: 'auto', want: 'ws://h/' },
  { sip, protocol: 'http:', prefer: 'wss', want: 'wss://h/' },
  { sip: { ...sip, ws_url: '' }, protocol: 'http:', prefer: 'auto', want: 'wss://h/' },
] as const)('on $protocol with $prefer the phone uses $want', ({ sip, protocol, prefer, want }) =>
  expect(sipUrl(sip, protocol, prefer)).toBe(want),
)

test.each([
  { hash: '', want: {} },
  { hash: '#username=a%40b&password=p%23w', want: { username: 'a@b', password: 'p#w' } },
  { hash: '#extension=1001&extension_password=x&transport=wss', want: { extension: '1001', extension_password: 'x', transport: 'wss' } },
  { hash: '#transport=udp&other=1', want: {} },
])('the fragment $hash fills in $want', ({ hash, want }) => expect(readPrefill(hash)).toEqual(want))
