import { expect, test } from 'vitest'
import { AddressGuard, isPublicAddress, parseNetworks } from './address-guard.ts'

test.each([
  '8.8.8.8',
  '1.1.1.1',
  '172.15.0.1',
  '172.32.0.1',
  '100.63.0.1',
  '100.128.0.1',
  '192.169.0.1',
  '2606:4700:4700::1111',
  '2a00:1450:4001:80b::200e',
])('%s is public', address => expect(isPublicAddress(address)).toBe(true))

test.each([
  '0.0.0.0',
  '10.1.2.3',
  '100.64.0.1',
  '127.0.0.1',
  '127.255.255.254',
  '169.254.169.254',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.1.1',
  '198.18.0.1',
  '224.0.0.1',
  '255.255.255.255',
  '::',
  '::1',
  '0:0:0:0:0:0:0:1',
  '::ffff:127.0.0.1',
  '::ffff:7f00:1',
  '::ffff:8.8.8.8',
  '0:0:0:0:0:ffff:a00:1',
  '::7f00:1',
  '::127.0.0.1',
  '64:ff9b::7f00:1',
  '64:ff9b::808:808',
  '64:ff9b:1::1',
  '4000::1',
  '2002:7f00:1::',
  '2001:0:53aa:64c::',
  'fc00::1',
  'fd12:3456::1',
  'fe80::1',
  'fe80::1%eth0',
  'ff02::1',
  'localhost',
  '',
])('%s is not', address => expect(isPublicAddress(address)).toBe(false))

const open = new AddressGuard({ allow_private: true })
const strict = new AddressGuard()
const some = new AddressGuard({ allow: '127.0.0.1, 10.1.0.0/16,fd00::/8' })

test.each([
  { uri: 'https://acme.example/hook', to: [open, strict, some] },
  { uri: 'https://8.8.8.8/hook', to: [open, strict, some] },
  { uri: 'http://93.184.216.34:8080/', to: [open, strict, some] },
  { uri: 'http://127.0.0.1/', to: [open, some] },
  { uri: 'http://127.1/', to: [open, some] },
  { uri: 'http://0x7f000001/', to: [open, some] },
  { uri: 'http://127.0.0.2/', to: [open] },
  { uri: 'http://10.1.2.3:8080/', to: [open, some] },
  { uri: 'http://10.2.2.3:8080/', to: [open] },
  { uri: 'http://[fd12::1]/', to: [open, some] },
  { uri: 'http://[::1]/', to: [open] },
  { uri: 'http://[::ffff:10.9.0.1]/', to: [open] },
  { uri: 'http://localhost:3000/', to: [open, some] },
  { uri: 'http://api.localhost./', to: [open, some] },
  { uri: 'http://169.254.169.254/latest', to: [open] },
  { uri: 'http://224.0.0.1/', to: [open] },
  { uri: 'http://user:pass@acme.example/', to: [] },
  { uri: 'ftp://acme.example/', to: [] },
  { uri: 'http://', to: [] },
  { uri: 'nothing', to: [] },
])('$uri', ({ uri, to }) => {
  expect([open, strict, some].filter(guard => guard.acceptsUri(uri))).toEqual(to)
})

test.each(['10.0.0.0/33', 'fd00::/129', 'example.com', '10.1', '10.0.0.1/x'])('%s is no network', list => {
  expect(() => parseNetworks(list)).toThrow(TypeError)
})

test('a name is looked up once, and one refused address refuses it', async () => {
  const ask = (guard: AddressGuard) =>
    new Promise(resolve => guard.lookup('localhost', { all: true }, (error, found) => resolve(error ? error.name : found)))
  expect(await ask(strict)).toBe('AddressRefused')
  expect(await ask(open)).toContainEqual({ address: '127.0.0.1', family: 4 })
})

test.each([
  { uri: 'http://localhost/', to: [open, some] },
  { uri: 'http://nobody.invalid/', to: [open] },
  { uri: 'http://10.2.2.3/', to: [open] },
  { uri: 'http://192.88.98.1/', to: [open, strict, some] },
  { uri: '/etc/hostname', to: [] },
])('$uri may be fetched by a server of ours', async ({ uri, to }) => {
  const reached = await Promise.all([open, strict, some].map(async guard => ((await guard.reaches(uri)) ? guard : undefined)))
  expect(reached.filter(guard => guard !== undefined)).toEqual(to)
})
