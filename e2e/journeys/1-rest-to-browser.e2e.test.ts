import { afterAll, beforeAll, expect, test } from 'vitest'
import { dominantTone, sine, toneLevel } from '../../voip/testing/audio.ts'
import { until } from '../../voip/testing/wait.ts'
import { BrowserPhone } from '../support/browser-phone.ts'
import { addCarrier, type Carrier, type CarrierLeg, carrierAnswers } from '../support/carrier.ts'
import { captureRtp, mediaSides } from '../support/inside-leg.ts'
import { operatorClient, platform } from '../support/platform.ts'
import { Recorder, talked } from '../support/recorder.ts'
import { APART_DB, HEARD_DB, recentLevel } from '../support/sound.ts'

// POST /v1.0/calls rings a browser; when it answers, the call is connected to a carrier that plays a tone.

const state = platform()
const BROWSER_HZ = 480
const CARRIER_HZ = 1000
const NUMBER = '+15552220001'
let recorder: Recorder
let carrier: Carrier
let far: CarrierLeg
let phone: BrowserPhone

beforeAll(async () => {
  recorder = await Recorder.start(state)
  const route = { customer_id: state.demo.customer_id, target: '+1555222', priority: 1 }
  carrier = await addCarrier(state, await operatorClient(state), { name: 'Tone carrier', ip: '127.0.0.41', route })
  far = await carrierAnswers(carrier, 'uas-answer', { RING_MS: 2_500, WAIT_MS: 80_000 })
  phone = await BrowserPhone.open({ state, account: state.demo, extension: '1001', tone_hz: BROWSER_HZ })
  await phone.ready()
})
afterAll(async () => {
  await phone?.close()
  await far?.close()
  await carrier?.remove()
  await recorder?.stop()
})

test('a call by REST rings a browser, which talks over SRTP with a carrier behind plain ulaw', async () => {
  const before = await mediaSides(state)
  const made = await recorder.api.calls.create({
    source: { type: 'tel', target: state.demo.number },
    destinations: [{ type: 'extension', target: '1001' }],
    actions: [{ type: 'connect', option: { destinations: [{ type: 'tel', target: NUMBER }] } }],
  })
  expect(made).toMatchObject({ status: 'initiating', direction: 'outgoing', destination: { type: 'extension', target: '1001' } })
  await recorder.event('call.ringing', ({ resource_id }) => resource_id === made.id)
  await phone.answer()
  const leg = await recorder.legOf(made.id)
  // while the carrier rings, the browser hears it: 440 and 480 Hz
  const ringback = await phone.tone(440, db => db > HEARD_DB)
  await recorder.event('call.answered', ({ resource_id }) => resource_id === leg.id)

  // sound, measured at each end
  far.phone.play(sine(CARRIER_HZ, 1000), await far.sipp.remoteMedia())
  const inBrowser = await phone.tone(CARRIER_HZ, db => db > HEARD_DB)
  expect(dominantTone(await phone.listen()).hz).toBe(CARRIER_HZ)
  await until('the browser at the carrier', () => recentLevel(far.phone.heard(), BROWSER_HZ) > HEARD_DB)
  expect(dominantTone(far.phone.heard().subarray(-8000)).hz).toBe(BROWSER_HZ)
  const atCarrier = recentLevel(far.phone.heard(), BROWSER_HZ)

  // outside: DTLS and SRTP, told by getStats and by the app itself
  const facts = await phone.facts()
  expect(facts.dtls_state).toBe('connected')
  expect(facts.srtp_cipher).toMatch(/AES/)
  await expect.poll(() => phone.page.getByTestId('cipher').textContent()).toMatch(/AES/)
  // measured, that is: how good it is depends on how busy the machine is
  await expect.poll(() => phone.page.getByTestId('quality').textContent()).toMatch(/MOS [1-4]\.\d/)

  // inside: what Asterisk sends and gets is RTP/AVP with payload type 0, and read as ulaw it is the tones
  const sides = await mediaSides(state, before)
  expect(sides.filter(({ protocol }) => protocol === 'UDP/TLS/RTP/SAVPF')).toHaveLength(1)
  const asterisk = sides.filter(({ protocol, ip }) => protocol === 'RTP/AVP' && ip === '127.0.0.1')
  expect(asterisk).toHaveLength(2)
  const inside = []
  for (const { port } of asterisk) inside.push(await captureRtp(port, 50))
  expect(inside.flatMap(({ payload_types }) => payload_types)).toEqual([0, 0])
  const tones = inside.map(({ samples }) => dominantTone(samples).hz).sort((a, b) => a - b)
  expect(tones).toEqual([BROWSER_HZ, CARRIER_HZ])
  // each way its own tone only; a gap in a tone is heard at other frequencies, too, but far weaker
  const apart = inside.map(({ samples }) => Math.abs(toneLevel(samples, BROWSER_HZ) - toneLevel(samples, CARRIER_HZ)))
  expect(Math.min(...apart)).toBeGreaterThan(APART_DB)
  console.info({
    ringback_db: ringback,
    inBrowser_db: inBrowser,
    atCarrier_db: atCarrier,
    ...facts,
    inside: inside.map(({ packets }) => packets),
    apart_db: apart,
  })

  await phone.hangup()
  const call = await recorder.expectSteps(made.id, talked())
  expect(call).toMatchObject({ hangup_by: 'remote', hangup_cause: 'normal_clearing', chained_call_ids: [leg.id] })
  const connected = await recorder.expectSteps(leg.id, talked('call.updated:terminating'))
  expect(connected).toMatchObject({ hangup_by: 'local', master_call_id: made.id, destination: { type: 'tel', target: NUMBER } })
  expect((await far.sipp.result).failed).toBe(0)
  await recorder.expectLedger([connected])
  await recorder.expectAudit(made.id, { action: 'create', actor_type: 'accesskey' })
})
