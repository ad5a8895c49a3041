import { describe, expect, test } from 'vitest'
import { sippCall } from '../../voip/testing/sipp.ts'
import { exchange } from '../../voip/testing/udp.ts'
import { until } from '../../voip/testing/wait.ts'
import { all, clientOf, edgeOf, extensionOf, platform } from '../support/platform.ts'

// What has no business at the edge is refused there and counted; what cannot be read gets a final answer and harms nothing.

const state = platform()
const edge = edgeOf(state)
const target = { ip: edge.split(':')[0] ?? '', port: Number(edge.split(':')[1]) }
/** An address that is no carrier's. */
const STRANGER = '127.0.0.99'
const { domain } = extensionOf(state.demo, '1001')

/** `voipbin_edge_refused_total{reason}` as Prometheus reads it. */
async function refused(reason: string): Promise<number> {
  const url = state.processes.kamailio?.metrics_url
  if (!url) throw new Error('kamailio has no metrics')
  const text = await (await fetch(url)).text()
  return Number(new RegExp(`^voipbin_edge_refused_total\\s*\\{reason="${reason}"\\} (\\d+)`, 'm').exec(text)?.[1] ?? 0)
}

async function counted(reason: string, work: () => Promise<unknown>): Promise<void> {
  const before = await refused(reason)
  await work()
  // more than once where a late answer made the sender repeat itself
  await until(`${reason} counted`, async () => (await refused(reason)) > before)
}

const invite = (status: number, values: Record<string, string | number> = {}) =>
  sippCall('uac-refused', { target: edge, ip: STRANGER, values: { URI: `sip:${state.demo.number}@${edge}`, EXPECT: status, ...values } })

describe('refused and counted, and no call is made of it', () => {
  test.each([
    ['scanner', 403, { HEADERS: 'User-Agent: friendly-scanner\n' }],
    ['unknown_source', 403, {}],
    ['unauthenticated', 407, { FROM: `<sip:1001@${domain}>` }],
  ])('%s', async (reason, status, values) => {
    const api = clientOf(state, state.demo)
    const tm_create_from = new Date().toISOString()
    await counted(reason, () => invite(status, values))
    expect(await all(api.calls.list({ tm_create_from, direction: 'incoming' }))).toEqual([])
  })

  test('a phone with a wrong password, at the registration', () =>
    counted('bad_credentials', () =>
      sippCall('register', { target: edge, ip: STRANGER, values: { USER: '1001', PASSWORD: 'wrong', DOMAIN: domain, EXPECT: 403 } }),
    ))

  test("a phone of one customer at another customer's domain", () => {
    const { password } = extensionOf(state.demo, '1002')
    const values = { USER: '1002', PASSWORD: password, DOMAIN: extensionOf(state.demo_other, '1002').domain, EXPECT: 403 }
    return counted('bad_credentials', () => sippCall('register', { target: edge, ip: STRANGER, values }))
  })

  test('a registration at a domain that is not ours', () =>
    counted('unknown_domain', async () =>
      expect(await answer(message('REGISTER', { uri: 'sip:elsewhere.example', to: '<sip:x@elsewhere.example>' }))).toMatch(
        /^SIP\/2\.0 403/,
      ),
    ))
})

describe('malformed messages get a final answer', () => {
  test.each([
    ['a method nobody knows', message('PUBLISH', {}), 405],
    ['a CSeq of another method', message('INVITE', { cseq: '1 BYE' }), 400],
    ['no hops left', message('INVITE', { hops: '0' }), 483],
    ['a Content-Length longer than the body', message('INVITE', {}).replace('Content-Length: 0', 'Content-Length: 500'), 400],
    ['a request URI of another scheme', message('INVITE', { uri: 'http://example.com' }), 400],
    ['a dialog that does not exist', message('BYE', { to: '<sip:x@127.0.0.1>;tag=none' }), 481],
  ])('%s', async (_, text, status) => expect(await answer(text)).toMatch(new RegExp(`^SIP/2\\.0 ${status} `)))

  test('what is no SIP at all harms nothing', async () => {
    for (const text of ['nonsense\r\n\r\n', '\0\0\0\0', `INVITE ${'x'.repeat(4000)}\r\n\r\n`]) await exchange(target, text, () => true)
    expect(await answer(message('OPTIONS', { uri: `sip:${edge}` }))).toMatch(/^SIP\/2\.0 200/)
  })
})

function answer(text: string): Promise<string> {
  return exchange(target, text, got => /^SIP\/2\.0 [2-6]/.test(got))
}

function message(method: string, parts: { uri?: string; to?: string; cseq?: string; hops?: string }): string {
  const id = crypto.randomUUID()
  return [
    `${method} ${parts.uri ?? 'sip:x@127.0.0.1'} SIP/2.0`,
    `Via: SIP/2.0/UDP 127.0.0.1:LOCAL_PORT;branch=z9hG4bK${id}`,
    `From: <sip:test@127.0.0.1>;tag=${id}`,
    `To: ${parts.to ?? '<sip:x@127.0.0.1>'}`,
    `Call-ID: ${id}`,
    `CSeq: ${parts.cseq ?? `1 ${method}`}`,
    'Contact: <sip:test@127.0.0.1:LOCAL_PORT>',
    `Max-Forwards: ${parts.hops ?? '70'}`,
    'Content-Length: 0\r\n\r\n',
  ].join('\r\n')
}
