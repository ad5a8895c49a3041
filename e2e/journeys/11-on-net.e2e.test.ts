import type { components } from '@voipbin/sdk'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { dominantTone, parseWav, resemblance } from '../../voip/testing/audio.ts'
import { until } from '../../voip/testing/wait.ts'
import { BrowserPhone } from '../support/browser-phone.ts'
import { mediaSides } from '../support/inside-leg.ts'
import { platform } from '../support/platform.ts'
import { type Call, Recorder, talked } from '../support/recorder.ts'
import { SPOKEN, spoken, VOICE } from '../support/speech.ts'

// Calls to numbers of the platform stay on it: from the softphone to the demo number, from customer to customer, and round in circles.

type Actions = components['schemas']['FlowCreate']['actions']
const state = platform()
const PHONE_HZ = 480
const CALLER_SAYS = 'Your order has arrived at the warehouse this morning.'
const CALLEE_SAYS = 'Thank you for the number. We will take care of it.'
const NOBODY_SAYS = 'Good evening, ladies and gentlemen.'
let mine: Recorder
let theirs: Recorder
let phone: BrowserPhone
const undo: (() => Promise<unknown>)[] = []

beforeAll(async () => {
  mine = await Recorder.start(state)
  theirs = await Recorder.start(state, state.demo_other)
  phone = await BrowserPhone.open({ state, account: state.demo, extension: '1001', tone_hz: PHONE_HZ })
  await phone.ready()
})
afterAll(async () => {
  for (const step of undo.reverse()) await step()
  await phone?.close()
  await Promise.all([mine?.stop(), theirs?.stop()])
})

/** A virtual number, with a flow where actions are given. */
async function virtualNumber({ api }: Recorder, actions?: Actions): Promise<{ id: string; number: string }> {
  const flow = actions && (await api.flows.create({ name: 'Journey inside', actions }))
  if (flow) undo.push(() => api.flows.delete(flow.id))
  const [free] = (await api.availableNumbers.list({ type: 'virtual', page_size: 1 })).result
  const row = await api.numbers.create({ number: free?.number ?? '', call_flow_id: flow?.id ?? null })
  undo.push(() => api.numbers.delete(row.id))
  return row
}

const tel = (target: string) => ({ type: 'tel' as const, target })
/** The call that came in on a number. */
const incomingOn = async (recorder: Recorder, number: string): Promise<Call> =>
  (
    await recorder.event(
      'call.created',
      ({ data: { direction, source, destination } }) => direction === 'incoming' && source.type === 'tel' && destination.target === number,
    )
  ).data
const doing = (recorder: Recorder, call_id: string, action: string) =>
  recorder.event('activeflow.updated', ({ data }) => data.call_id === call_id && data.current_action?.type === action)

/** The finished recording of a call, as 8 kHz samples. */
async function recordingOf(recorder: Recorder, call_id: string): Promise<Float64Array> {
  const { data } = await recorder.event('recording.finished', event => event.data.call_id === call_id)
  const { uri } = await recorder.api.recordings.getFile(data.id)
  return parseWav(Buffer.from(await (await fetch(uri)).arrayBuffer())).samples
}

test('from the softphone the demo number speaks, takes digits and records', async () => {
  await phone.dial(state.demo.number)
  await phone.inState('active')
  const call = await incomingOn(mine, state.demo.number)
  const { data: first } = await mine.event('call.created', ({ data }) => data.source.target === '1001')
  const leg = await mine.legOf(first.id)
  // What a phone shows to numbers is a number, here the only one there is.
  expect(call).toMatchObject({ type: 'flow', source: tel(state.demo.number) })
  await doing(mine, call.id, 'digits_receive')
  const heard = await phone.heardSoFar()
  await phone.page.keyboard.press('1')
  await mine.event('call.updated', ({ data }) => data.id === call.id && data.recording_id !== null)
  await phone.tone(PHONE_HZ, db => db < 0) // a moment of sound goes by
  await phone.page.keyboard.press('#')
  await phone.page.getByTestId('last-call').waitFor()
  // now that nobody waits for a digit
  const matches = { welcome: resemblance(heard, await spoken('Welcome to VoIPBIN.')), other: resemblance(heard, await spoken(NOBODY_SAYS)) }
  console.info(matches)
  expect(matches.welcome).toBeGreaterThan(SPOKEN)
  expect(matches.other).toBeLessThan(SPOKEN)
  const message = await recordingOf(mine, call.id)
  expect(dominantTone(message).hz).toBe(PHONE_HZ)

  const over = await mine.expectSteps(call.id, talked('call.updated:active', 'call.updated:active', 'call.updated:terminating'))
  expect(over).toMatchObject({ hangup_by: 'local', hangup_cause: 'normal_clearing' })
  const paid = await mine.expectSteps(leg.id, talked())
  expect(paid).toMatchObject({ hangup_by: 'remote', destination: tel(state.demo.number) })
  expect(await mine.expectSteps(first.id, talked('call.updated:terminating'))).toMatchObject({ hangup_cause: 'normal_clearing' })
  const [row] = await mine.expectLedger([paid])
  expect(row).toMatchObject({ cost_type: 'call_vn', amount: 0 })
})

test('from customer to customer: sound, digits, hold and recordings, without a media relay, and neither learns who the other is', async () => {
  const sides = await mediaSides(state)
  const caller = await virtualNumber(mine)
  const callee = await virtualNumber(theirs, [
    { type: 'answer' },
    { type: 'recording_start' },
    { type: 'digits_receive', option: { length: 2, duration: 40_000 } },
    { type: 'recording_stop' },
    { type: 'talk', option: { text: CALLEE_SAYS, voice: VOICE } },
    { type: 'sleep', option: { duration: 60_000 } },
  ])
  const made = await mine.api.calls.create({
    source: { ...tel(caller.number), target_name: 'Acme' },
    destinations: [tel(callee.number)],
    actions: [
      { type: 'talk', option: { text: 'Good day to you.', voice: VOICE } }, // while the other side begins to record
      { type: 'talk', option: { text: CALLER_SAYS, voice: VOICE } },
      { type: 'sleep', option: { duration: 60_000 } },
    ],
  })
  const came = await incomingOn(theirs, callee.number)
  expect(came).toMatchObject({ source: { ...tel(caller.number), target_name: 'Acme', name: '' } })
  await doing(mine, made.id, 'sleep')
  await mine.api.calls.startRecording(made.id, { format: 'wav' })
  await mine.api.calls.sendDtmf(made.id, { digits: '42' })
  await doing(theirs, came.id, 'sleep')
  expect(await mediaSides(state, sides)).toEqual([])

  await mine.api.calls.hold(made.id)
  await theirs.event('call.updated', ({ data }) => data.id === came.id && data.hold)
  await mine.api.calls.unhold(made.id)
  await theirs.event('call.updated', ({ data, resource_seq }) => data.id === came.id && !data.hold && resource_seq > 5)
  await mine.api.calls.stopRecording(made.id)
  await mine.api.calls.hangup(made.id)

  const heard = await recordingOf(theirs, came.id)
  const answered = await recordingOf(mine, made.id)
  const [said, reply, nothing] = await Promise.all([CALLER_SAYS, CALLEE_SAYS, NOBODY_SAYS].map(spoken))
  if (!said || !reply || !nothing) throw new Error('no speech')
  const matches = {
    said: resemblance(heard, said),
    reply: resemblance(answered, reply),
    nothing: resemblance(heard, nothing),
  }
  console.info(matches)
  expect(matches.said).toBeGreaterThan(SPOKEN)
  expect(matches.reply).toBeGreaterThan(SPOKEN)
  expect(matches.nothing).toBeLessThan(SPOKEN)

  const active = 'call.updated:active'
  await mine.expectSteps(made.id, talked(active, active, active, active, 'call.updated:terminating'))
  const over = await theirs.expectSteps(came.id, talked(active, active, active, active))
  expect(over).toMatchObject({ hangup_by: 'remote', hangup_cause: 'normal_clearing' })
  const [run] = (await theirs.api.activeflows.list({ call_id: came.id })).result
  expect(run?.executed_actions[2]?.result).toMatchObject({ outcome: 'ok', digits: '42' })
  for (const [one, other] of [
    [mine, theirs],
    [theirs, mine],
  ] as const) {
    expect(JSON.stringify(one.events)).not.toContain(other.account.customer_id)
    expect(one.receiver.deliveries.map(({ body }) => body).join()).not.toContain(other.account.customer_id)
  }
  await theirs.expectLedger([])
})

test('a number that does not answer rings until the time is over', async () => {
  const callee = await virtualNumber(theirs, [{ type: 'sleep', option: { duration: 60_000 } }])
  const { id } = await mine.api.calls.create({ source: tel(state.demo.number), destinations: [tel(callee.number)], dial_timeout: 5 })
  const came = await incomingOn(theirs, callee.number)
  const { data: over } = await mine.event('call.hungup', ({ resource_id }) => resource_id === id)
  expect(over).toMatchObject({ hangup_cause: 'no_answer', tm_answer: null, tm_ringing: expect.any(String) })
  const { data: missed } = await theirs.event('call.hungup', ({ resource_id }) => resource_id === came.id)
  expect(missed).toMatchObject({ tm_answer: null, hangup_by: 'remote' })
})

test('a number without a flow is unallocated; a virtual one that nobody has is refused', async () => {
  const mute = await virtualNumber(theirs)
  const { id } = await mine.api.calls.create({ source: tel(state.demo.number), destinations: [tel(mute.number)] })
  const { data: over } = await mine.event('call.hungup', ({ resource_id }) => resource_id === id)
  expect(over).toMatchObject({ hangup_cause: 'unallocated_number', hangup_sip_code: 404 })
  const [free] = (await mine.api.availableNumbers.list({ type: 'virtual', page_size: 1 })).result
  const nobody = mine.api.calls.create({ source: tel(state.demo.number), destinations: [tel(free?.number ?? '')] })
  await expect(nobody).rejects.toMatchObject({ reason: 'DESTINATION_NOT_ROUTABLE' })
})

test('numbers whose flows connect to each other end by themselves', async () => {
  const [here, there] = [await virtualNumber(mine), await virtualNumber(theirs)]
  for (const [{ api }, from, to] of [
    [mine, here, there],
    [theirs, there, here],
  ] as const) {
    const flow = await api.flows.create({
      name: 'Circle',
      actions: [{ type: 'connect', option: { destinations: [tel(to.number)], relay_reason: true } }],
    })
    undo.push(() => api.flows.delete(flow.id))
    await api.numbers.update(from.id, { call_flow_id: flow.id })
  }
  const { id } = await mine.api.calls.create({ source: tel(here.number), destinations: [tel(there.number)] })
  await mine.event('call.hungup', ({ resource_id }) => resource_id === id)
  const came = ({ events }: Recorder, number: string) =>
    events.filter(
      ({ event_type, data }) =>
        event_type === 'call.created' && (data as Call).direction === 'incoming' && (data as Call).destination.target === number,
    )
  const ends = await until('the ends of all', () => {
    const calls = [mine, theirs].flatMap(({ events }) =>
      events.filter(({ data }) => [here.number, there.number].includes((data as Call).destination?.target)),
    )
    const of = (type: string) => calls.filter(({ event_type }) => event_type === type)
    return of('call.created').length === 11 && of('call.hungup').length === 11 && of('call.hungup').map(({ data }) => data as Call)
  })
  expect([came(theirs, there.number).length, came(mine, here.number).length]).toEqual([3, 2])
  expect(ends.filter(({ hangup_sip_code }) => hangup_sip_code === 483)).toMatchObject([
    { hangup_cause: 'network_failure', hangup_by: 'local' },
  ])
})
