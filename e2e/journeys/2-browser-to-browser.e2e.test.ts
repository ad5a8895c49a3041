import { afterAll, beforeAll, expect, test } from 'vitest'
import { until } from '../../voip/testing/wait.ts'
import { bridges } from '../support/asterisk.ts'
import { BrowserPhone } from '../support/browser-phone.ts'
import { mediaSides } from '../support/inside-leg.ts'
import { platform } from '../support/platform.ts'
import { Recorder, talked } from '../support/recorder.ts'
import { GONE_DB, HEARD_DB } from '../support/sound.ts'

// Two browsers with different tones for microphones, one bridge between them.

const state = platform()
const ADA_HZ = 480
const ALAN_HZ = 1000
let recorder: Recorder
let ada: BrowserPhone
let alan: BrowserPhone
const heard = (db: number) => db > HEARD_DB
const gone = (db: number) => db < GONE_DB

beforeAll(async () => {
  recorder = await Recorder.start(state)
  ada = await BrowserPhone.open({ state, account: state.demo, extension: '1001', tone_hz: ADA_HZ })
  alan = await BrowserPhone.open({ state, account: state.demo, extension: '1002', tone_hz: ALAN_HZ })
  await ada.ready()
  await alan.ready()
})
afterAll(async () => {
  await Promise.all([ada?.close(), alan?.close()])
  await recorder?.stop()
})

test('browser calls browser: one bridge, and hold and mute act on the sound', async () => {
  const [bridgesBefore, sidesBefore] = [await bridges(state), await mediaSides(state)]
  const newBridges = async () => (await bridges(state)).filter(({ id }) => !bridgesBefore.some(before => before.id === id))
  await ada.dial('1002')
  const { data: first } = await recorder.event('call.created', ({ data }) => data.direction === 'incoming')
  await alan.answer()
  await ada.inState('active')
  const leg = await recorder.legOf(first.id)
  const levels: Record<string, number> = {}
  levels.ada_hears_alan = await ada.tone(ALAN_HZ, heard)
  levels.alan_hears_ada = await alan.tone(ADA_HZ, heard)
  expect((await newBridges()).map(({ channels }) => channels.length)).toEqual([2])
  expect((await mediaSides(state, sidesBefore)).filter(({ protocol }) => protocol === 'UDP/TLS/RTP/SAVPF')).toHaveLength(2)

  // Ada mutes: Alan hears nothing of her, she goes on hearing him
  await ada.page.getByTestId('mute').click()
  levels.muted = await alan.tone(ADA_HZ, gone)
  await ada.tone(ALAN_HZ, heard)
  await ada.page.getByTestId('mute').click()
  await alan.tone(ADA_HZ, heard)

  // Alan holds: neither hears the other, and the platform knows
  await alan.page.getByTestId('hold').click()
  await alan.inState('held')
  levels.held_ada = await ada.tone(ALAN_HZ, gone)
  levels.held_alan = await alan.tone(ADA_HZ, gone)
  await recorder.event('call.updated', ({ data }) => data.id === leg.id && data.hold)
  await alan.page.getByTestId('hold').click()
  await alan.inState('active')
  levels.back_ada = await ada.tone(ALAN_HZ, heard)
  levels.back_alan = await alan.tone(ADA_HZ, heard)
  await recorder.event('call.updated', ({ data }) => data.id === leg.id && !data.hold)

  // the same by REST on Ada's leg: muted `in` she is not heard, muted `out` she hears nothing
  await recorder.api.calls.mute(first.id, { direction: 'in' })
  levels.rest_muted_in = await alan.tone(ADA_HZ, gone)
  await ada.tone(ALAN_HZ, heard)
  await recorder.api.calls.unmute(first.id)
  await alan.tone(ADA_HZ, heard)
  await recorder.api.calls.mute(first.id, { direction: 'out' })
  levels.rest_muted_out = await ada.tone(ALAN_HZ, gone)
  await recorder.api.calls.unmute(first.id)
  await ada.tone(ALAN_HZ, heard)
  await recorder.api.calls.hold(first.id)
  levels.rest_held = await alan.tone(ADA_HZ, gone)
  levels.rest_held_hears = await ada.tone(ALAN_HZ, gone)
  await recorder.api.calls.unhold(first.id)
  await alan.tone(ADA_HZ, heard)
  await ada.tone(ALAN_HZ, heard)
  console.info(levels)

  await ada.hangup()
  await alan.page.getByTestId('last-call').waitFor()
  const changes = (count: number) => Array.from({ length: count }, () => 'call.updated:active')
  // mute in, open, mute out, open, hold, unhold by REST
  expect(await recorder.expectSteps(first.id, talked(...changes(6)))).toMatchObject({
    hangup_by: 'remote',
    hangup_cause: 'normal_clearing',
  })
  // hold and unhold by the phone
  expect(await recorder.expectSteps(leg.id, talked(...changes(2), 'call.updated:terminating'))).toMatchObject({ hangup_by: 'local' })
  await until('the bridge to be gone', async () => (await newBridges()).length === 0)
  await recorder.expectLedger([])
  await recorder.expectAudit(first.id, { action: 'create', actor_type: 'system' })
})
