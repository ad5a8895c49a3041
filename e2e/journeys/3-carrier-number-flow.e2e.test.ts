import type { components } from '@voipbin/sdk'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { correlation, dominantTone, parseWav, sine, toneLevel } from '../../voip/testing/audio.ts'
import { until } from '../../voip/testing/wait.ts'
import { addCarrier, type Carrier, type CarrierLeg, carrierCalls } from '../support/carrier.ts'
import { operatorClient, platform } from '../support/platform.ts'
import { Recorder, talked } from '../support/recorder.ts'
import { spoken, VOICE } from '../support/speech.ts'

// A carrier calls the demo number; the flow answers, speaks, takes a digit, branches and records.

/** Correlation of what the caller heard with the engine's own WAV: at least this for a sentence that was spoken, at most that for one that was not. */
// nothing is stretched on the way to a carrier
const SPOKEN = 0.95
const NOT_SPOKEN = 0.35
const CALLER_HZ = 700
const GREETING = 'Welcome to the hotline. Please press one for sales or two for support.'
const SALES = 'You are talking to the sales department now.'
const SUPPORT = 'Our support team is glad to help you with anything.'

const state = platform()
let recorder: Recorder
let carrier: Carrier
let caller: CarrierLeg
let number: components['schemas']['Number']
let flow: components['schemas']['Flow']

beforeAll(async () => {
  recorder = await Recorder.start(state)
  carrier = await addCarrier(state, await operatorClient(state), { name: 'Caller', ip: '127.0.0.42' })
  const [digits, sales, support, end] = Array.from({ length: 4 }, () => crypto.randomUUID())
  if (!digits || !sales || !support || !end) throw new Error('no ids')
  flow = await recorder.api.flows.create({
    name: 'Journey hotline',
    actions: [
      { type: 'answer' },
      { type: 'recording_start' },
      { type: 'talk', option: { text: GREETING, voice: VOICE } },
      { id: digits, type: 'digits_receive', option: { length: 1, duration: 20_000 } },
      { type: 'branch', option: { default_target_id: end, target_ids: { 1: sales, 2: support } } },
      { id: sales, type: 'talk', option: { text: SALES, voice: VOICE }, next_id: end },
      { id: support, type: 'talk', option: { text: SUPPORT, voice: VOICE }, next_id: end },
      { id: end, type: 'recording_stop' },
      { type: 'hangup' },
    ],
  })
  const found = (await recorder.api.numbers.list()).result.find(row => row.number === state.demo.number)
  if (!found) throw new Error('the demo customer has no number')
  number = found
  await recorder.api.numbers.update(number.id, { call_flow_id: flow.id })
})
afterAll(async () => {
  await caller?.close()
  if (number) await recorder.api.numbers.update(number.id, { call_flow_id: number.call_flow_id })
  if (flow) await recorder.api.flows.delete(flow.id)
  await carrier?.remove()
  await recorder?.stop()
})

test('a carrier calls a number: speech, digits, branch and a recording that holds what was said', async () => {
  caller = await carrierCalls(state, carrier, state.demo.number, 'uac-wait-bye', { WAIT_MS: 80_000 })
  caller.phone.play(sine(CALLER_HZ, 1000), await caller.sipp.remoteMedia())
  const { data: call } = await recorder.event('call.created', ({ data }) => data.direction === 'incoming')
  expect(call).toMatchObject({ flow_id: flow.id, destination: { type: 'tel', target: state.demo.number } })
  await recorder.event('activeflow.updated', ({ data }) => data.call_id === call.id && data.current_action?.type === 'digits_receive')
  await caller.phone.dtmf('2')
  expect((await caller.sipp.result).failed).toBe(0)

  const whole = caller.phone.heard()
  const matches = {
    greeting: correlation(whole, await spoken(GREETING)).value,
    support: correlation(whole, await spoken(SUPPORT)).value,
    sales: correlation(whole, await spoken(SALES)).value,
  }
  console.info(matches)
  expect(matches.greeting).toBeGreaterThan(SPOKEN)
  expect(matches.support).toBeGreaterThan(SPOKEN)
  expect(matches.sales).toBeLessThan(NOT_SPOKEN)

  const over = await recorder.expectSteps(call.id, talked('call.updated:active', 'call.updated:active', 'call.updated:terminating'))
  expect(over).toMatchObject({ hangup_by: 'local', hangup_cause: 'normal_clearing', recording_ids: [expect.any(String)] })
  const [run] = (await recorder.api.activeflows.list({ call_id: call.id })).result
  expect(run).toMatchObject({ status: 'ended', flow_id: flow.id })
  expect(run?.executed_actions.map(({ type }) => type)).toEqual([
    'answer', 'recording_start', 'talk', 'digits_receive', 'branch', 'talk', 'recording_stop', 'hangup',
  ]) // biome-ignore format: one line of a flow
  expect(run?.executed_actions[3]?.result).toMatchObject({ outcome: 'ok', digits: '2' })
  await recorder.expectLedger([over])
  await recorder.expectAudit(call.id, { action: 'create', actor_type: 'system' })
})

test('the recording comes through a signed URL, and only through a genuine one', async () => {
  const { data: finished } = await recorder.event('recording.finished')
  expect(finished).toMatchObject({ status: 'ended', reference_type: 'call' })
  const { uri, filesize } = await recorder.api.recordings.getFile(finished.id)
  const answer = await fetch(uri)
  expect(answer.status).toBe(200)
  expect(answer.headers.get('content-type')).toBe('audio/wav')
  const file = Buffer.from(await answer.arrayBuffer())
  expect(file.length).toBe(filesize)
  const { samples, rate } = parseWav(file)
  expect(rate).toBe(8000)
  expect(samples.length / rate).toBeGreaterThan(5)
  expect(dominantTone(samples).hz).toBe(CALLER_HZ)
  expect(toneLevel(samples, CALLER_HZ)).toBeGreaterThan(-20)
  const speech = correlation(samples, await spoken(SUPPORT)).value
  console.info({ seconds: samples.length / rate, caller_db: toneLevel(samples, CALLER_HZ), speech })

  const refused = async (change: (url: URL) => void) => {
    const url = new URL(uri)
    change(url)
    return (await fetch(url)).status
  }
  expect(await refused(url => url.searchParams.set('signature', 'f'.repeat(url.searchParams.get('signature')?.length ?? 64)))).toBe(403)
  expect(await refused(url => url.searchParams.set('expires', '4102444800'))).toBe(403)
  expect(await refused(url => url.searchParams.delete('signature'))).toBeGreaterThanOrEqual(400)
  const unknown = await recorder.api.recordings.getFile(crypto.randomUUID()).catch((error: unknown) => error)
  expect(unknown).toMatchObject({ httpStatus: 404, reason: 'RECORDING_NOT_FOUND' })
  const { uri: brief } = await recorder.api.recordings.getFile(finished.id, { expire: 10 })
  expect((await fetch(brief)).status).toBe(200)
  await until('the URL to expire', async () => (await fetch(brief)).status === 403)
})

test('a key ends a recording while the call goes on', async () => {
  await caller.close()
  const actions = [
    { type: 'answer' as const },
    { type: 'recording_start' as const, option: { end_of_key: '#' as const } },
    { type: 'digits_receive' as const, option: { length: 3, duration: 20_000 } },
    { type: 'hangup' as const },
  ]
  await recorder.api.flows.update(flow.id, { actions })
  const before = new Set((await recorder.api.calls.list()).result.map(({ id }) => id))
  caller = await carrierCalls(state, carrier, state.demo.number, 'uac-wait-bye', { WAIT_MS: 80_000 })
  caller.phone.play(sine(CALLER_HZ, 1000), await caller.sipp.remoteMedia())
  const { data: call } = await recorder.event('call.answered', ({ data }) => data.direction === 'incoming' && !before.has(data.id))
  const { data: started } = await recorder.event('recording.started', ({ data }) => data.call_id === call.id)
  await recorder.event('activeflow.updated', ({ data }) => data.call_id === call.id && data.current_action?.type === 'digits_receive')
  await caller.phone.dtmf('1')
  await caller.phone.dtmf('#')
  const { data: finished } = await recorder.event('recording.finished', ({ data }) => data.id === started.id)
  expect(finished).toMatchObject({ status: 'ended', call_id: call.id })
  const { data: free } = await recorder.event('call.updated', ({ data }) => data.id === call.id && data.recording_id === null)
  expect(free).toMatchObject({ status: 'active' })
  await caller.phone.dtmf('2')
  await recorder.event('call.hungup', ({ data }) => data.id === call.id)
  const [run] = (await recorder.api.activeflows.list({ call_id: call.id })).result
  expect(run?.executed_actions.find(({ type }) => type === 'digits_receive')?.result).toMatchObject({ outcome: 'ok', digits: '1#2' })
})
