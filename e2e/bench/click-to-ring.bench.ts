// Browser click → ringing at a SIPp callee. Ours: the softphone app → Kamailio → RTPEngine → Asterisk → the call service (carrier, credit, row) → Asterisk → Kamailio → SIPp.
// Floor: a page with nothing but JsSIP → a Kamailio that only relays → SIPp. Both pages open the microphone after the click; the time counts from the click, as the page
// sees it, to the 180 that SIPp writes down. Needs VOIPBIN_STATE, VOIPBIN_INROOT and VOIPBIN_CHROMIUM.
import { type SippRun, sipp } from '../../voip/testing/sipp.ts'
import { until } from '../../voip/testing/wait.ts'
import { BrowserPhone } from '../support/browser-phone.ts'
import { addCarrier } from '../support/carrier.ts'
import { operatorClient, platform } from '../support/platform.ts'
import { BarePhone, startBareEdge } from './bare-phone.ts'
import { liftLimits, median, pause, row } from './measure.ts'

const calls = Number(process.env.BENCH_CALLS ?? 10)
const number = '+15558880000'
const state = platform()

/** When the callee has sent its ringings, in milliseconds since 1970; SIPp writes UTC. */
const ringings = (run: SippRun): number[] =>
  run
    .log()
    .split(/^-{20,} /m)
    .filter(part => /message sent/.test(part) && /^SIP\/2\.0 180/m.test(part))
    .map(part => Date.parse(`${part.slice(0, 10)}T${part.slice(11, 23)}Z`))

interface Caller {
  /** Clicks and gives the moment of the click. */
  click(): Promise<number>
  hangup(): Promise<void>
}

/** One call after another; the first is for warming up. */
async function measure(caller: Caller, callee: SippRun): Promise<number[]> {
  const times: number[] = []
  for (let n = 0; n <= calls; n++) {
    const clicked = await caller.click()
    const rang = await until('the callee to ring', () => ringings(callee)[n], 20_000)
    await caller.hangup()
    if (n > 0) times.push(rang - clicked)
    // The callee answers the CANCEL and takes the next call.
    await pause(500)
  }
  return times
}

const cleanUp: (() => Promise<unknown>)[] = []
try {
  const operator = await operatorClient(state)
  cleanUp.push(await liftLimits(state))
  const [account] = (await operator.billingAccounts.list({ customer_id: state.demo.customer_id })).result
  if (!account) throw new Error('the demo customer has no billing account')
  await operator.billingAccounts.addBalance(account.id, { amount: 100_000_000, detail: 'bench' })
  const route = { customer_id: state.demo.customer_id, target: number.slice(0, 7), priority: 1 }
  const carrier = await addCarrier(state, operator, { name: 'Bench callee', ip: '127.0.0.61', route })
  cleanUp.push(() => carrier.remove())
  const callee = await sipp('uas-ring', { ip: carrier.ip, port: carrier.port, calls: calls + 1, timeout_ms: 300_000 })
  cleanUp.push(() => callee.stop())
  const phone = await BrowserPhone.open({ state, account: state.demo, extension: '1001', tone_hz: 440 })
  cleanUp.push(() => phone.close())
  await phone.ready()
  await phone.page.evaluate(() => {
    addEventListener(
      'click',
      event =>
        (event.target as Element).closest('[data-testid="call"]') &&
        sessionStorage.setItem('clicked', String(performance.timeOrigin + event.timeStamp)),
      true,
    )
  })
  const ours: Caller = {
    click: async () => {
      await phone.dial(number)
      return Number(await phone.page.evaluate(() => sessionStorage.getItem('clicked')))
    },
    hangup: () => phone.hangup(),
  }

  const bareCallee = await sipp('uas-ring', { calls: calls + 1, timeout_ms: 300_000 })
  cleanUp.push(() => bareCallee.stop())
  const edge = await startBareEdge(`127.0.0.1:${bareCallee.port}`)
  cleanUp.push(() => edge.stop())
  const bare = await BarePhone.open(edge.ws_url)
  cleanUp.push(() => bare.close())

  const found = { floor: median(await measure(bare, bareCallee)), ours: median(await measure(ours, callee)) }
  row('click_to_ring_p50_ms', found.ours, found.floor)
} finally {
  for (const end of cleanUp.toReversed()) await end()
}
