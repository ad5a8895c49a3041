// Takes the pictures of the README and of docs/softphone.md from a running platform, light and dark, desk and phone. By hand:
//   VOIPBIN_STATE=.voipbin/state.json VOIPBIN_INROOT=… VOIPBIN_CHROMIUM=… npx node e2e/screens.ts [folder]
import { join } from 'node:path'
import { sine } from '../voip/testing/audio.ts'
import { until } from '../voip/testing/wait.ts'
import { BrowserPhone } from './support/browser-phone.ts'
import { addCarrier, type Carrier, carrierCalls } from './support/carrier.ts'
import { clientOf, operatorClient, platform } from './support/platform.ts'

const folder = process.argv[2] ?? join(import.meta.dirname, '../docs/images')
const state = platform()
const sizes = {
  desk: { viewport: { width: 1280, height: 800 }, scale: 1.5 },
  phone: { viewport: { width: 390, height: 844 }, scale: 2 },
}
/** Callers of the history, and what becomes of their calls. */
const callers = [
  ['Hôtel du Nord', '+33144556677', 'answered'],
  ['Bletchley Park', '+441908640404', 'answered'],
  ['Alan Turing', '+441612345678', 'declined'],
  ['', '+82215551234', 'missed'],
] as const

const api = clientOf(state, state.demo)
const carrier = await addCarrier(state, await operatorClient(state), { name: 'Pictures', ip: '127.0.0.49' })
const flow = await api.flows.create({
  name: 'Front desk',
  actions: [{ type: 'connect', option: { destinations: [{ type: 'extension', target: '1001' }] } }, { type: 'hangup' }],
})
const [number] = (await api.numbers.list()).result
if (!number) throw new Error('the demo customer has no number')
await api.numbers.update(number.id, { call_flow_id: flow.id })
try {
  for (const [size, look] of Object.entries(sizes)) {
    for (const color_scheme of ['light', 'dark'] as const) {
      const phone = await BrowserPhone.open({ state, account: state.demo, extension: '1001', tone_hz: 480, color_scheme, ...look })
      try {
        await phone.ready()
        if (size === 'desk') await phone.page.getByLabel('Only mine').check()
        if (size === 'desk') for (const caller of callers) await past(phone, carrier, caller)
        await picture(phone, join(folder, `softphone-${size}-${color_scheme}.png`))
      } finally {
        await phone.close()
      }
    }
  }
} finally {
  await api.numbers.update(number.id, { call_flow_id: number.call_flow_id })
  await api.flows.delete(flow.id)
  await carrier.remove()
}

function fromOf(name: string, target: string): string {
  return `"${name}" <sip:${target}@${carrier.ip}>`
}

/** A call that is over when this returns. */
async function past(phone: BrowserPhone, from: Carrier, [name, target, end]: (typeof callers)[number]): Promise<void> {
  const scenario = { answered: 'uac-call', declined: 'uac-refused', missed: 'uac-cancel' } as const
  const values = { FROM: fromOf(name, target), TALK_MS: 2_000, RING_MS: 500, EXPECT: 486 }
  const call = await carrierCalls(state, from, state.demo.number, scenario[end], values)
  try {
    if (end === 'answered') await phone.answer()
    if (end === 'declined') await phone.decline()
    await call.sipp.result
    await phone.page.getByTestId('last-call').waitFor()
  } finally {
    await call.close()
  }
}

/** A call under way, when its quality has been measured for a while. */
async function picture(phone: BrowserPhone, file: string): Promise<void> {
  const values = { FROM: fromOf('Grace Hopper', '+14155550142'), WAIT_MS: 120_000 }
  const call = await carrierCalls(state, carrier, state.demo.number, 'uac-wait-bye', values)
  try {
    call.phone.play(sine(620, 1000, 0.1), await answered(phone, call.sipp))
    await phone.page.locator('[data-testid="quality"][data-level="excellent"]').waitFor()
    const begun = (await phone.facts()).packets_in
    await until('a stretch of quality', async () => (await phone.facts()).packets_in > begun + 600, 30_000)
    // A busy machine makes it worse for a moment, which is not what a picture is for.
    await phone.page.locator('[data-testid="quality"][data-level="excellent"]').waitFor({ timeout: 60_000 })
    await phone.page.screenshot({ path: file })
    process.stdout.write(`${file}\n`)
    await phone.hangup()
  } finally {
    await call.close()
  }
}

async function answered(phone: BrowserPhone, sipp: { remoteMedia(): Promise<{ ip: string; port: number }> }) {
  await phone.answer()
  return sipp.remoteMedia()
}
