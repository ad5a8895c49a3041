import { Realtime } from '@voipbin/sdk/realtime'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { sine } from '../../voip/testing/audio.ts'
import { until } from '../../voip/testing/wait.ts'
import { bridges } from '../support/asterisk.ts'
import { addCarrier, type Carrier, type CarrierLeg, carrierAnswers, carrierCalls } from '../support/carrier.ts'
import { OwnPlatform } from '../support/own-platform.ts'
import { all, operatorClient, platform } from '../support/platform.ts'
import { Pump } from '../support/pump.ts'
import { type Call, Recorder, talked } from '../support/recorder.ts'
import { HEARD_DB, recentLevel } from '../support/sound.ts'

// kill -9 in mid-call, on a platform with one process per service and two of call, gateway and webhook. Two calls are up each time: one goes on
// and is hung up afterwards, of the other the far end hangs up while the killed process is away.

vi.setConfig({ testTimeout: 180_000, hookTimeout: 240_000 })

const NEAR_HZ = 500
const FAR_HZ = 900
/** How long the caller that does not wait stays after the answer. */
const SHORT_MS = 12_000

let own: OwnPlatform
let recorder: Recorder
let caller: Carrier
let callees: Carrier[]
/** Open ends of the test that runs. */
let ends: CarrierLeg[] = []

beforeAll(async () => {
  own = await OwnPlatform.start(platform(), ['--processes', '--instances', 'call=2,gateway=2,webhook=2'])
  const state = own.gateway(2)
  const operator = await operatorClient(state)
  caller = await addCarrier(state, operator, { name: 'Caller', ip: '127.0.0.45' })
  const customer_id = state.demo.customer_id
  callees = [
    await addCarrier(state, operator, { name: 'Callee 1', ip: '127.0.0.46', route: { customer_id, target: '+15554440001', priority: 1 } }),
    await addCarrier(state, operator, { name: 'Callee 2', ip: '127.0.0.47', route: { customer_id, target: '+15554440002', priority: 1 } }),
  ]
  recorder = await Recorder.start(state)
  const [one, two] = [crypto.randomUUID(), crypto.randomUUID()]
  const connect = (target: string) => ({ type: 'connect' as const, option: { destinations: [{ type: 'tel' as const, target }] } })
  const flow = await recorder.api.flows.create({
    name: 'Relay',
    actions: [
      { type: 'answer' },
      { type: 'branch', option: { variable: 'voipbin.call.source.target', target_ids: { '+15551239991': one, '+15551239992': two } } },
      { ...connect('+15554440001'), id: one },
      { type: 'hangup' },
      { ...connect('+15554440002'), id: two },
    ],
  })
  const [number] = (await recorder.api.numbers.list()).result
  if (!number) throw new Error('the demo customer has no number')
  await recorder.api.numbers.update(number.id, { call_flow_id: flow.id })
  await recorder.stop()
})
afterAll(async () => {
  await own?.stop()
})

/** Two phones through the platform: the caller's leg, the leg that was dialled for it, and both ends of the sound. */
interface Pair {
  call: Call
  leg: Call
  near: CarrierLeg
  far: CarrierLeg
  /** When the caller's SIPp had its answer. */
  answered: number
}

async function pair(n: 1 | 2, scenario: 'uac-wait-bye' | 'uac-call'): Promise<Pair> {
  const state = own.gateway(2)
  const callee = callees[n - 1]
  if (!callee) throw new Error('no callee')
  const known = new Set(recorder.events.map(({ resource_id }) => resource_id))
  const far = await carrierAnswers(callee, 'uas-answer', { WAIT_MS: 120_000 })
  const FROM = `<sip:+1555123999${n}@${caller.ip}>`
  const near = await carrierCalls(state, caller, state.demo.number, scenario, { FROM, WAIT_MS: 120_000, TALK_MS: SHORT_MS })
  ends.push(near, far)
  const media = await near.sipp.remoteMedia()
  const answered = performance.now()
  const { data: call } = await recorder.event('call.created', ({ data }) => data.direction === 'incoming' && !known.has(data.id))
  const leg = await recorder.legOf(call.id)
  await recorder.event('call.answered', ({ resource_id }) => resource_id === leg.id)
  near.phone.play(sine(NEAR_HZ, 1000), media)
  far.phone.play(sine(FAR_HZ, 1000), await far.sipp.remoteMedia())
  await bothHear({ near, far })
  return { call, leg, near, far, answered }
}

/** What arrives from now on is the other side's tone, at both ends. */
async function bothHear({ near, far }: Pick<Pair, 'near' | 'far'>): Promise<void> {
  for (const [end, hz] of [
    [near, FAR_HZ],
    [far, NEAR_HZ],
  ] as const) {
    const begin = end.phone.received
    await until(`${hz} Hz`, () => end.phone.received > begin + 40 && recentLevel(end.phone.heard(), hz) > HEARD_DB)
  }
}

/** Somebody else who listens at the first gateway. */
async function watch() {
  const { ws_url, demo } = own.gateway(1)
  const seen = { state: '', ended: [] as string[], close: () => realtime.close() }
  const realtime = new Realtime({
    baseUrl: ws_url,
    accessKey: demo.accesskey,
    onState: state => {
      seen.state = state
    },
  })
  realtime.on('call.hungup', ({ resource_id }) => seen.ended.push(resource_id))
  await realtime.subscribe(`customer_id:${demo.customer_id}:call`)
  return seen
}

const proxyOf = async (): Promise<string> => {
  const pairs = (await bridges(own.state)).filter(({ channels }) => channels.length === 2)
  return `asterisk-proxy-${pairs[0]?.asterisk ?? 1}`
}

test.each([
  ['a call service', async () => 'call-1'],
  // one of the two has the events of all calls: kill either
  ['the other call service', async () => 'call-2'],
  ['a gateway', async () => 'gateway'],
  ['the asterisk-proxy', proxyOf],
  ['RabbitMQ', async () => 'rabbitmq'],
  ['Redis', async () => 'redis'],
])('kill -9 of %s in mid-call', async (_, name) => {
  recorder = await Recorder.start(own.gateway(2))
  const urls = [own.gateway(1).api_url, own.gateway(2).api_url]
  const watcher = await watch()
  let pump: Pump | undefined
  try {
    const staying = await pair(1, 'uac-wait-bye')
    const leaving = await pair(2, 'uac-call')
    pump = new Pump(urls, own.state.demo.accesskey, [`/calls/${staying.call.id}`, '/calls?page_size=5', '/customer'])
    const { created } = pump
    // so late that the far end hangs up while the process is away
    await until('the end of the short call to be near', () => performance.now() - leaving.answered > SHORT_MS - 400)
    const victim = await name()
    const killed = own.kill(victim)
    expect((await leaving.near.sipp.result).failed).toBe(0)
    await bothHear(staying)
    const back_ms = await killed.restarted()
    await bothHear(staying)

    // the call can be worked with and hung up; whoever listens at the gateway that was killed hears of it, too
    await until('the watcher to be back', () => watcher.state === 'open')
    await until('a hangup that is taken', async () => (await recorder.api.calls.hangup(staying.call.id)).status !== 'active')
    expect((await staying.near.sipp.result).failed).toBe(0)
    expect((await staying.far.sipp.result).failed).toBe(0)
    const over = [
      await recorder.expectSteps(staying.call.id, talked('call.updated:terminating')),
      await recorder.expectSteps(staying.leg.id, talked('call.updated:terminating')),
      await recorder.expectSteps(leaving.call.id, talked()),
      await recorder.expectSteps(leaving.leg.id, talked('call.updated:terminating')),
    ]
    await recorder.expectLedger(over)
    await until('the watcher to hear of the end', () => watcher.ended.includes(staying.call.id))
    expect(watcher.ended.filter(id => id === staying.call.id)).toHaveLength(1)

    const answers = await pump.stop()
    const right: unknown[] = [200, 201, 503, ...(victim === 'gateway' ? ['refused', 'in_progress'] : [])]
    expect(answers.filter(({ status }) => !right.includes(status))).toEqual([])
    const flows = (await all(recorder.api.flows.list({ page_size: 100 }))).map(flow => flow.name).filter(found => found.startsWith('pump-'))
    expect(created.filter(made => !flows.includes(made))).toEqual([])
    expect(new Set(flows).size).toBe(flows.length)
    const count = (status: number | string) => answers.filter(one => one.status === status).length
    console.info({
      victim,
      back_ms,
      requests: answers.length,
      unavailable: count(503),
      refused: count('refused'),
      slowest_ms: Math.max(...answers.map(({ ms }) => ms)),
    })
  } finally {
    await pump?.stop()
    await Promise.all(ends.map(one => one.close()))
    ends = []
    for await (const call of recorder.api.calls.list({ status: 'active' })) await recorder.api.calls.hangup(call.id)
    watcher.close()
    await recorder.stop()
  }
})
