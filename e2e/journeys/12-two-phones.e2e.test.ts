import { afterAll, beforeAll, expect, test } from 'vitest'
import { sine } from '../../voip/testing/audio.ts'
import { until } from '../../voip/testing/wait.ts'
import { BrowserPhone } from '../support/browser-phone.ts'
import { addCarrier, type Carrier, carrierAnswers } from '../support/carrier.ts'
import { operatorClient, platform } from '../support/platform.ts'
import { Recorder, talked } from '../support/recorder.ts'
import { HEARD_DB, recentLevel } from '../support/sound.ts'

// Two phones of one extension ring together. Whichever answers has sound both ways, and the other is told that it was answered elsewhere.

const state = platform()
const CARRIER_HZ = 1000
const NUMBER = '+15552230001'
const tones = { first: 480, second: 760 }
type Name = keyof typeof tones
const phones = new Map<Name, BrowserPhone>()
let recorder: Recorder
let carrier: Carrier

beforeAll(async () => {
  recorder = await Recorder.start(state)
  const route = { customer_id: state.demo.customer_id, target: '+1555223', priority: 1 }
  carrier = await addCarrier(state, await operatorClient(state), { name: 'Two phones', ip: '127.0.0.50', route })
  for (const name of ['first', 'second'] as const) {
    const phone = await BrowserPhone.open({ state, account: state.demo, extension: '1001', tone_hz: tones[name] })
    phones.set(name, phone)
    await phone.ready()
  }
})
afterAll(async () => {
  await Promise.all([...phones.values()].map(phone => phone.close()))
  await carrier?.remove()
  await recorder?.stop()
})

function phoneCalled(name: Name): BrowserPhone {
  const phone = phones.get(name)
  if (!phone) throw new Error(`the ${name} phone is not open`)
  return phone
}

// Both ways round: the edge keeps the media of each phone apart, and to mix them up would leave one of the two with sound.
test.each<{ answers: Name; rings: Name }>([
  { answers: 'first', rings: 'second' },
  { answers: 'second', rings: 'first' },
])('the $answers of two phones answers and talks, the other is told so', async ({ answers, rings }) => {
  const [phone, other] = [phoneCalled(answers), phoneCalled(rings)]
  const far = await carrierAnswers(carrier, 'uas-answer', { RING_MS: 0, WAIT_MS: 80_000 })
  try {
    const made = await recorder.api.calls.create({
      source: { type: 'tel', target: state.demo.number },
      destinations: [{ type: 'extension', target: '1001' }],
      actions: [{ type: 'connect', option: { destinations: [{ type: 'tel', target: NUMBER }] } }],
    })
    await other.page.getByTestId('incoming').waitFor()
    await phone.answer()
    await other.page.getByTestId('incoming').waitFor({ state: 'detached' })
    await other.page.getByTestId('last-call').getByText('Answered on another phone').waitFor()
    expect(await other.page.getByTestId('phone-error').count()).toBe(0)

    far.phone.play(sine(CARRIER_HZ, 1000), await far.sipp.remoteMedia())
    const in_browser_db = await phone.tone(CARRIER_HZ, db => db > HEARD_DB)
    const at_carrier_db = await until(`the ${answers} phone at the carrier`, () => {
      const db = recentLevel(far.phone.heard(), tones[answers])
      return db > HEARD_DB && db
    })
    console.info({ answers, in_browser_db, at_carrier_db })

    await phone.hangup()
    const call = await recorder.expectSteps(made.id, talked())
    expect(call).toMatchObject({ destination: { type: 'extension', target: '1001' }, hangup_by: 'remote', hangup_cause: 'normal_clearing' })
    expect((await far.sipp.result).failed).toBe(0)
  } finally {
    await far.close()
  }
})
