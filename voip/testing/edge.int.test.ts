import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { AriEvent } from '../proxies/asterisk/ari-types.ts'
import type { AsteriskPort } from '../proxies/asterisk/port.ts'
import { openWebSocketPort } from '../proxies/asterisk/ws-port.ts'
import { dominantTone, sine } from './audio.ts'
import { addCarrier, addExtension, mediaSessions, refused } from './carrier.ts'
import { crash } from './inroot.ts'
import { portBlock } from './ports.ts'
import { type RtpPhone, rtpPhone } from './rtp.ts'
import { sipp, sippCall } from './sipp.ts'
import { type AsteriskInstance, type EdgeInstance, type Stack, startStack } from './stack.ts'
import { exchange } from './udp.ts'
import { until } from './wait.ts'
import { webPhone } from './web-phone.ts'

const customer = '01890000-0000-7000-8000-000000000001'
let stack: Stack
let first: EdgeInstance
let second: EdgeInstance
let port: AsteriskPort
let carrier: number
let domain: string
const events: AriEvent[] = []
const outside = (edge: EdgeInstance) => `127.0.0.1:${edge.outside.sip}`
const destroyed = (id: string) =>
  until(`the end of ${id}`, () =>
    events.find(
      (event): event is Extract<AriEvent, { type: 'ChannelDestroyed' }> => event.type === 'ChannelDestroyed' && event.channel.id === id,
    ),
  )
const answered = (id: string) =>
  until(`the answer of ${id}`, () => events.some(event => event.type === 'StasisStart' && event.channel.id === id))
const dial = (channelId: string, edge: EdgeInstance, uri: string, variables: Record<string, string> = {}) =>
  port.request('channels.originateWithId', {
    channelId,
    variables,
    endpoint: `PJSIP/${edge.name}/${uri}`,
    app: 'voipbin',
    appArgs: 'outbound',
    timeout: 15,
  })
const counted = async (reason: string, work: () => Promise<unknown>) => {
  const before = (await refused(first))[reason] ?? 0
  await work()
  return ((await refused(first))[reason] ?? 0) - before
}
/** Registers a phone at an edge; the port is where it can be called. */
async function registered(edge: EdgeInstance, extension: string, expires = 300): Promise<number> {
  const local = (await portBlock(1)).next()
  await sippCall('register', {
    target: outside(edge),
    port: local,
    values: { USER: extension, PASSWORD: `pw-${extension}`, DOMAIN: domain, EXPIRES: expires },
  })
  return local
}

beforeAll(async () => {
  stack = await startStack({ edges: 2, asterisks: 2, call_limit: 5 })
  const [one, two] = stack.edges
  const [asterisk] = stack.asterisks
  if (one === undefined || two === undefined || asterisk === undefined) throw new Error('no stack')
  first = one
  second = two
  carrier = await addCarrier(stack, 'provider-1')
  domain = await addExtension(stack, customer, '1001', 'pw-1001')
  await addExtension(stack, customer, '1002', 'pw-1002')
  await addExtension(stack, customer, '1003', 'pw-1003')
  port = openWebSocketPort({ ...asterisk.ari, app: 'voipbin' })
  port.start({ connected: () => undefined, disconnected: () => undefined, event: event => events.push(event) })
  await until('asterisk', () => port.connected)
})
afterAll(async () => {
  await port.stop()
  await stack.stop()
})

test('self-test: a carrier hears itself through edge, media relay and Asterisk', async () => {
  const phone = await rtpPhone()
  const call = await sipp('uac-call', {
    target: outside(first),
    port: carrier,
    values: { URI: `sip:selftest@${outside(first)}`, MEDIA_PORT: phone.port, TALK_MS: 1500 },
  })
  phone.play(sine(440, 1000), await call.remoteMedia())
  expect(await call.result).toMatchObject({ exit_code: 0 })
  phone.close()
  expect(phone.received).toBeGreaterThan(50)
  expect(dominantTone(phone.heard()).hz).toBe(440)
  await until('no media left', async () => (await mediaSessions(stack)) === 0)
})

describe('refused and counted', () => {
  const refuse =
    (status: number, values: Record<string, string | number> = {}) =>
    () =>
      sippCall('uac-refused', { target: outside(first), values: { URI: `sip:+15551234@${outside(first)}`, EXPECT: status, ...values } })
  test('a scanner', async () => expect(await counted('scanner', refuse(403, { HEADERS: 'User-Agent: friendly-scanner\n' }))).toBe(1))
  test('a caller that is no configured carrier', async () => expect(await counted('unknown_source', refuse(403))).toBe(1))
  test("a carrier's port at another address", async () => {
    const values = { URI: `sip:+15551234@${outside(first)}`, EXPECT: 403 }
    expect(
      await counted('unknown_source', () => sippCall('uac-refused', { target: outside(first), ip: '127.0.0.9', port: carrier, values })),
    ).toBe(1)
  })
  test('an INVITE of an extension without credentials', async () =>
    expect(await counted('unauthenticated', refuse(407, { FROM: `<sip:1001@${domain}>` }))).toBe(1))
  test("an extension without credentials at a carrier's address", async () => {
    const values = { URI: `sip:+15551234@${outside(first)}`, FROM: `<sip:1001@${domain}>`, EXPECT: 407 }
    expect(await counted('unauthenticated', () => sippCall('uac-refused', { target: outside(first), port: carrier, values }))).toBe(1)
  })
  test('a call with a wrong password', async () => {
    const values = { USER: '1001', PASSWORD: 'wrong', FROM: `<sip:1001@${domain}>`, URI: `sip:selftest@${domain}`, EXPECT: 403 }
    expect(await counted('bad_credentials', () => sippCall('phone-refused', { target: outside(first), values }))).toBe(1)
  })
  test('calls that guess a password, after the twentieth', async () => {
    const values = { USER: 'guessed', PASSWORD: 'wrong', FROM: `<sip:guessed@${domain}>`, URI: `sip:selftest@${domain}`, EXPECT: 403 }
    const guess = () => sippCall('phone-refused', { target: outside(first), values, calls: 25 })
    expect(await counted('too_many_failures', guess)).toBe(4)
  })
  test('a call with the credentials of another extension', async () => {
    const values = { USER: '1002', PASSWORD: 'pw-1002', FROM: `<sip:1001@${domain}>`, URI: `sip:selftest@${domain}`, EXPECT: 403 }
    expect(await counted('wrong_user', () => sippCall('phone-refused', { target: outside(first), values }))).toBe(1)
  })
  test('a registration with a wrong password, and of nobody', async () => {
    for (const USER of ['1001', '9999'])
      expect(
        await counted('bad_credentials', () =>
          sippCall('register', { target: outside(first), values: { USER, PASSWORD: 'wrong', DOMAIN: domain, EXPECT: 403 } }),
        ),
      ).toBe(1)
  })
  test('anybody else on the inside listener', async () => {
    const { ip, port: inside } = first.inside
    const work = () => sippCall('uac-refused', { target: `${ip}:${inside}`, values: { URI: `sip:+15551234@${ip}:${inside}`, EXPECT: 403 } })
    expect(await counted('inside_stranger', work)).toBe(1)
  })
  test('a request in a dialog that names its own target', async () => {
    const message = sipMessage('INVITE', {
      uri: 'sip:+1900@127.0.0.1:9',
      to: '<sip:+1900@127.0.0.1>;tag=made-up',
      more: `Route: <sip:${outside(first)};lr>\r\n`,
    })
    expect(await counted('foreign_target', async () => expect(await answer(message)).toMatch(/^SIP\/2\.0 403/))).toBe(1)
  })
})

describe('bad messages get a final answer', () => {
  test.each([
    ['a method nobody knows', sipMessage('PUBLISH', {}), 405],
    ['a CSeq of another method', sipMessage('INVITE', { cseq: '1 BYE' }), 400],
    ['too many hops', sipMessage('INVITE', { hops: '0' }), 483],
    ['a Content-Length longer than the body', sipMessage('INVITE', {}).replace('Content-Length: 0', 'Content-Length: 500'), 400],
    ['a request URI of another scheme', sipMessage('INVITE', { uri: 'http://example.com' }), 400],
    ['an unknown dialog', sipMessage('BYE', { to: '<sip:x@127.0.0.1>;tag=none' }), 481],
  ])('%s', async (_, message, status) => expect(await answer(message)).toMatch(new RegExp(`^SIP/2\\.0 ${status} `)))

  test('malformed ones are counted, and what nobody could answer (no Call-ID, no readable From, no SIP) harms nothing', async () => {
    expect(await counted('malformed', () => answer(sipMessage('INVITE', { cseq: '1 BYE' })))).toBe(1)
    const silent = [
      sipMessage('INVITE', {}).replace(/Call-ID:.*\r\n/, ''),
      'nonsense\r\n\r\n',
      sipMessage('INVITE', {}).replace(/From:.*\r\n/, 'From: <<<\r\n'),
    ]
    const before = (await refused(first)).unreadable ?? 0
    for (const message of silent) await exchange({ ip: '127.0.0.1', port: first.outside.sip }, message, () => true)
    await until('the unreadable one counted', async () => (await refused(first)).unreadable === before + 1)
    expect(await answer(sipMessage('PUBLISH', {}))).toMatch(/^SIP\/2\.0 405 /)
  })
})

test('a flood is refused with Retry-After, counted, and over after the window', async () => {
  const quiet = await startStack({ flood_limit: 20, private_callees: 'refused' })
  try {
    const [edge] = quiet.edges
    const [asterisk] = quiet.asterisks
    if (edge === undefined || asterisk === undefined) throw new Error('no stack')
    const target = { ip: '127.0.0.1', port: edge.outside.sip }
    const option = (timeout_ms?: number) =>
      exchange(target, sipMessage('OPTIONS', { uri: `sip:${outside(edge)}` }), text => text.includes('\r\n\r\n'), timeout_ms)
    for (let i = 0; i < 20; i++) expect(await option()).toMatch(/^SIP\/2\.0 200/)
    expect(await option()).toMatch(/^SIP\/2\.0 503[\s\S]*Retry-After: 10/)
    expect((await refused(edge)).flood).toBe(1)
    const source = await addCarrier(quiet, 'provider-1')
    await sippCall('uac-call', { target: outside(edge), port: source, values: { URI: `sip:selftest@${outside(edge)}`, TALK_MS: 100 } })
    await callInside(edge, asterisk)
    // no answer at all to most of them until then
    await until('the end of the window', async () => /^SIP\/2\.0 200/.test(await option(2_000)), 60_000)
  } finally {
    await quiet.stop()
  }
})

/** On an installation that is open to the world a SIP URI leads to nothing on this machine or its network. */
async function callInside(edge: EdgeInstance, { ari }: AsteriskInstance): Promise<void> {
  const own = openWebSocketPort({ ...ari, app: 'voipbin' })
  own.start({ connected: () => undefined, disconnected: () => undefined, event: event => events.push(event) })
  try {
    await until('asterisk', () => own.connected)
    for (const [n, uri] of ['sip:x@127.0.0.1:9', 'sip:x@10.1.2.3;transport=tcp', 'sip:x@169.254.169.254:80'].entries()) {
      const endpoint = `PJSIP/${edge.name}/${uri}`
      await own.request('channels.originateWithId', { channelId: `inside-${n}`, endpoint, app: 'voipbin', timeout: 15 })
      expect(await destroyed(`inside-${n}`)).toMatchObject({ tech_cause: 403 })
    }
  } finally {
    await own.stop()
  }
  expect((await refused(edge)).private_callee).toBe(3)
}

test('a phone registers over UDP, TCP and TLS, calls, and takes it back', async () => {
  const values = { USER: '1001', PASSWORD: 'pw-1001', DOMAIN: domain }
  await sippCall('register', { target: outside(first), transport: 'tcp', values })
  await sippCall('register', { target: `127.0.0.1:${first.outside.tls}`, transport: 'tls', values })
  const local = await registered(first, '1001')
  expect(await stack.sql(`SELECT COUNT(*) FROM location WHERE username = '1001' AND contact LIKE '%:${local}'`)).toBe('1\n')
  await until(
    'contacts of closed connections to go',
    async () => (await stack.sql(`SELECT COUNT(*) FROM location WHERE username = '1001'`)) === '1\n',
  )
  const call = { USER: '1001', PASSWORD: 'pw-1001', FROM: `<sip:1001@${domain}>`, URI: `sip:selftest@${domain}`, TALK_MS: 200 }
  await sippCall('phone-call', { target: outside(first), values: call })
  await sippCall('register', { target: outside(first), port: local, values: { ...values, EXPIRES: 0 } })
  expect(await stack.sql('SELECT COUNT(*) FROM location')).toBe('0\n')
})

test('a call out over TCP, as the request URI says', async () => {
  const callee = await sipp('uas-answer', { transport: 'tcp', values: { RING_MS: 10 } })
  await dial('tcp-1', first, `sip:+1555@127.0.0.1:${callee.port};transport=tcp`)
  await answered('tcp-1')
  await port.request('channels.hangup', { channelId: 'tcp-1' })
  expect(await callee.result).toMatchObject({ exit_code: 0 })
})

test('a carrier is called by its own legs only, not by a SIP URI that leads to it', async () => {
  const refusedThere = () =>
    counted('carrier_by_uri', async () => {
      await dial('free-ride', first, `sip:+1900@127.0.0.1:${carrier}`)
      expect(await destroyed('free-ride')).toMatchObject({ tech_cause: 403 })
    })
  expect(await refusedThere()).toBe(1)
  const callee = await sipp('uas-answer', { port: carrier, values: { RING_MS: 10 } })
  await dial('paid', first, `sip:+1900@127.0.0.1:${carrier}`, { 'PJSIP_HEADER(add,X-VoIPBIN-Provider-ID)': 'provider-1' })
  await answered('paid')
  await port.request('channels.hangup', { channelId: 'paid' })
  expect(await callee.result).toMatchObject({ exit_code: 0 })
})

test('a phone that calls too often is told to wait', async () => {
  const values = { USER: '1003', PASSWORD: 'pw-1003', FROM: `<sip:1003@${domain}>`, URI: `sip:selftest@${domain}`, TALK_MS: 50 }
  await sippCall('phone-call', { target: outside(first), values, calls: 5 })
  const refuse = () => sippCall('phone-refused', { target: outside(first), values: { ...values, EXPECT: 503 } })
  expect(await counted('too_many_calls', refuse)).toBe(1)
})

test('nobody registered is 404', async () => {
  await dial('nobody-1', first, `sip:1002@${domain}`)
  expect(await destroyed('nobody-1')).toMatchObject({ cause: 1, tech_cause: 404 })
})

describe('a number of the platform', () => {
  const number = '+899123456789'
  const call = (channelId: string, headers: Record<string, string>) =>
    port.request('channels.originateWithId', {
      channelId,
      endpoint: `PJSIP/${first.name}/sip:${number}@sip.${stack.domain}`,
      app: 'voipbin',
      appArgs: 'outbound',
      callerId: '"Acme" <+15550001111>',
      timeout: 15,
      variables: Object.fromEntries(Object.entries(headers).map(([name, value]) => [`PJSIP_HEADER(add,${name})`, value])),
    })

  test('comes in at an Asterisk, with sound, digits and hold, and without a media relay', async () => {
    // What the caller says of itself does not count: the edge writes it.
    await call('on-net-1', { 'X-VoIPBIN-Hops': '2', 'X-VoIPBIN-Customer-ID': customer })
    const entered = await until('the call to come in', () =>
      events.find(
        (event): event is Extract<AriEvent, { type: 'StasisStart' }> => event.type === 'StasisStart' && event.args[1] === 'platform',
      ),
    )
    expect(entered.args).toEqual(['inbound', 'platform', '', '', '', `sip:${number}@sip.${stack.domain}`, '2'])
    const { id: channelId, caller } = entered.channel
    expect(caller).toEqual({ number: '+15550001111', name: 'Acme' })
    await port.request('channels.ring', { channelId })
    await port.request('channels.answer', { channelId })
    await answered('on-net-1')
    await port.request('channels.playWithId', { channelId, playbackId: 'on-net-tone', media: ['tone:900'] })
    await until('sound', async () => (await port.request('channels.rtpstatistics', { channelId: 'on-net-1' })).rxcount >= 40)
    await port.request('channels.sendDTMF', { channelId: 'on-net-1', dtmf: '7#' })
    const of = (type: AriEvent['type'], id: string) =>
      events.filter(event => event.type === type && 'channel' in event && event.channel.id === id)
    await until('the digits', () => of('ChannelDtmfReceived', channelId).length === 2)
    expect(of('ChannelDtmfReceived', channelId)).toMatchObject([{ digit: '7' }, { digit: '#' }])
    await port.request('channels.hold', { channelId: 'on-net-1' })
    await until('the hold', () => of('ChannelHold', channelId).length === 1)
    await port.request('channels.unhold', { channelId: 'on-net-1' })
    await until('the end of the hold', () => of('ChannelUnhold', channelId).length === 1)
    expect(await mediaSessions(stack)).toBe(0)
    await port.request('channels.hangup', { channelId })
    expect(await destroyed('on-net-1')).toMatchObject({ cause: 16 })
  })

  test.each([
    { cause: 1, tech_cause: 404 },
    { cause: 21, tech_cause: 403 },
    { cause: 38, tech_cause: 500 },
  ])('that refuses with $cause is heard to do so, and no other Asterisk is asked', async ({ cause, tech_cause }) => {
    const before = events.length
    await call(`on-net-cause-${cause}`, { 'X-VoIPBIN-Hops': '1' })
    const came = () => events.slice(before).filter(event => event.type === 'StasisStart' && event.args[1] === 'platform')
    const entered = await until('the call to come in', () => came()[0])
    if (!('channel' in entered)) throw new Error('no channel')
    await port.request('channels.hangup', { channelId: entered.channel.id, reason_code: String(cause) })
    expect(await destroyed(`on-net-cause-${cause}`)).toMatchObject({ tech_cause })
    expect(came()).toHaveLength(1)
  })

  const uncounted: { headers: Record<string, string> }[] = [{ headers: {} }, { headers: { 'X-VoIPBIN-Hops': 'many' } }]
  test.each(uncounted)('is not there for a call that does not count: $headers', async ({ headers }) => {
    const id = `on-net-${Object.keys(headers).length + 3}`
    await call(id, headers)
    expect(await destroyed(id)).toMatchObject({ cause: 1, tech_cause: 404 })
  })
})

/** Rings phones of one account and lets one answer: RTP must flow both ways between Asterisk and the phone that answered. */
async function ringBoth(id: string, through: EdgeInstance, answering: EdgeInstance, other: EdgeInstance): Promise<void> {
  const winner: RtpPhone = await rtpPhone()
  winner.echo()
  const answerer = await sipp('uas-answer', {
    port: await registered(answering, '1002'),
    values: { USER: '1002', RING_MS: 400, MEDIA_PORT: winner.port },
  })
  const loser = await sipp('uas-ring', { port: await registered(other, '1002'), values: { USER: '1002' } })
  await dial(id, through, `sip:1002@${domain}`)
  await answered(id)
  await port.request('channels.playWithId', { channelId: id, playbackId: `${id}-tone`, media: ['tone:900'] })
  await until('sound at the phone', () => winner.received >= 50)
  const statistics = await until('its echo at Asterisk', async () => {
    const now = await port.request('channels.rtpstatistics', { channelId: id })
    return now.rxcount >= 40 && now
  })
  expect(statistics.txcount).toBeGreaterThanOrEqual(40)
  expect(dominantTone(winner.heard()).hz).toBe(900)
  expect(await loser.result).toMatchObject({ exit_code: 0 })
  await port.request('channels.hangup', { channelId: id })
  expect(await answerer.result).toMatchObject({ exit_code: 0 })
  winner.close()
  await until('no media left', async () => (await mediaSessions(stack)) === 0)
  await stack.sql('DELETE FROM location')
}

describe('phones of one account ring together, and whichever answers is heard', () => {
  test('both at the edge that got the call', () => ringBoth('fork-1', first, first, first))
  test('the one at the other edge answers', () => ringBoth('fork-2', first, second, first))
  test('the one at this edge answers, the other rings at the other edge', () => ringBoth('fork-3', first, first, second))
  test('both at the other edge', () => ringBoth('fork-4', second, first, first))
})

test('a WebSocket phone registers over WSS and is offered DTLS-SRTP with ICE, ulaw only; its contact goes with the connection', async () => {
  const phone = await webPhone(`wss://127.0.0.1:${first.outside.wss}`, { user: '1001', password: 'pw-1001', domain })
  await phone.register()
  expect(
    await stack.sql(`SELECT received LIKE 'sip:127.0.0.1:%;transport=ws', connection_id > 0 FROM location WHERE username = '1001'`),
  ).toBe('1\t1\n')
  await dial('web-1', second, `sip:1001@${domain}`)
  const invite = await phone.next('INVITE')
  expect(invite).toMatch(/^m=audio \d+ UDP\/TLS\/RTP\/SAVPF 0 101\r$/m)
  for (const line of ['a=ice-ufrag:', 'a=fingerprint:sha-256 ', 'a=setup:actpass', 'a=rtcp-mux', 'a=candidate:'])
    expect(invite).toContain(line)
  expect(invite).not.toContain('X-VoIPBIN')
  phone.reply(invite, '486 Busy Here')
  expect(await destroyed('web-1')).toMatchObject({ cause: 17, tech_cause: 486 })
  phone.close()
  await until('the contact to go', async () => (await stack.sql('SELECT COUNT(*) FROM location')) === '0\n')
})

test('an edge killed in the middle of a call: the call goes on and ends cleanly', async () => {
  const phone = await rtpPhone()
  phone.echo()
  const callee = await sipp('uas-answer', { port: await registered(first, '1001'), values: { USER: '1001', MEDIA_PORT: phone.port } })
  await dial('edge-killed', first, `sip:1001@${domain}`)
  await answered('edge-killed')
  await crash(first.process)
  await first.start()
  expect(await stack.sql(`SELECT COUNT(*) FROM location WHERE username = '1001'`)).toBe('1\n')
  await port.request('channels.hangup', { channelId: 'edge-killed' })
  expect(await callee.result).toMatchObject({ exit_code: 0 })
  phone.close()
})

test('an Asterisk that died is passed over', async () => {
  const dead = stack.asterisks[1]
  if (dead === undefined) throw new Error('one asterisk only')
  await crash(dead.process)
  await sippCall('uac-call', {
    target: outside(first),
    port: carrier,
    calls: 4,
    values: { URI: `sip:selftest@${outside(first)}`, TALK_MS: 100 },
  })
  await dead.start()
})

function answer(message: string): Promise<string> {
  return exchange({ ip: '127.0.0.1', port: first.outside.sip }, message, text => /^SIP\/2\.0 [2-6]/.test(text))
}

let count = 0
function sipMessage(method: string, parts: { uri?: string; to?: string; cseq?: string; hops?: string; more?: string }): string {
  const id = `${process.pid}-${++count}`
  return [
    `${method} ${parts.uri ?? 'sip:x@127.0.0.1'} SIP/2.0`,
    `Via: SIP/2.0/UDP 127.0.0.1:LOCAL_PORT;branch=z9hG4bK${id}`,
    `From: <sip:test@127.0.0.1>;tag=${id}`,
    `To: ${parts.to ?? '<sip:x@127.0.0.1>'}`,
    `Call-ID: ${id}`,
    `CSeq: ${parts.cseq ?? `1 ${method}`}`,
    'Contact: <sip:test@127.0.0.1:LOCAL_PORT>',
    `Max-Forwards: ${parts.hops ?? '70'}`,
    `${parts.more ?? ''}Content-Length: 0\r\n\r\n`,
  ].join('\r\n')
}
