import { afterAll, beforeAll, expect, test } from 'vitest'
import { until } from '../../voip/testing/wait.ts'
import { addCarrier, type Carrier, carrierAnswers } from '../support/carrier.ts'
import { operatorClient, platform } from '../support/platform.ts'
import { Recorder, talked } from '../support/recorder.ts'

// Two carriers for one destination. What the carrier cannot do the next one tries; what the callee refuses stays refused.

const state = platform()
const NUMBER = '+15553330001'
let recorder: Recorder
let first: Carrier
let second: Carrier

beforeAll(async () => {
  recorder = await Recorder.start(state)
  const operator = await operatorClient(state)
  const route = (priority: number) => ({ customer_id: state.demo.customer_id, target: '+1555333', priority })
  first = await addCarrier(state, operator, { name: 'Carrier A', ip: '127.0.0.43', route: route(1) })
  second = await addCarrier(state, operator, { name: 'Carrier B', ip: '127.0.0.44', route: route(2) })
})
afterAll(async () => {
  await first?.remove()
  await second?.remove()
  await recorder?.stop()
})

const create = () =>
  recorder.api.calls.create({
    source: { type: 'tel', target: state.demo.number },
    destinations: [{ type: 'tel', target: NUMBER }],
    actions: [{ type: 'sleep', option: { duration: 60_000 } }],
    webhook_uri: `${recorder.receiver.url}/call`,
  })

test('503 of the first carrier: the second one takes the call, which stays one call', async () => {
  const failing = await carrierAnswers(first, 'uas-reject', { CODE: 503, REASON: 'Service Unavailable' })
  const taking = await carrierAnswers(second, 'uas-answer', { WAIT_MS: 60_000 })
  try {
    const made = await create()
    expect(made.calls).toHaveLength(1)
    await recorder.event('call.answered', ({ resource_id }) => resource_id === made.id)
    expect((await failing.sipp.result).successful).toBe(1)
    await recorder.api.calls.hangup(made.id)
    expect((await taking.sipp.result).failed).toBe(0)
    const call = await recorder.expectSteps(made.id, talked('call.updated:terminating'))
    expect(call).toMatchObject({ hangup_by: 'local', hangup_cause: 'normal_clearing' })
    expect(recorder.events.filter(({ event_type }) => event_type === 'call.created')).toHaveLength(1)
    // the address given with the call gets the same, signed by the customer's secret
    await recorder.expectWebhooks(made.id, talked('call.updated:terminating'), '/call', state.demo.webhook_secret)
    await recorder.expectLedger([call])
    await recorder.expectAudit(made.id, { action: 'create', actor_type: 'accesskey' })
  } finally {
    await failing.close()
    await taking.close()
  }
})

test('486 of the first carrier: the callee is busy, nobody else is asked', async () => {
  const busy = await carrierAnswers(first, 'uas-reject', { CODE: 486, REASON: 'Busy Here' })
  const never = await carrierAnswers(second, 'uas-answer')
  try {
    const made = await create()
    const call = await recorder.expectSteps(made.id, ['call.created:initiating', 'call.hungup:completed'])
    expect(call).toMatchObject({ hangup_by: 'remote', hangup_cause: 'user_busy', hangup_sip_code: 486, duration: 0, tm_answer: null })
    expect((await busy.sipp.result).successful).toBe(1)
    expect(never.sipp.log()).toBe('')
    const [row] = await until('the ledger row', async () => {
      const { result } = await recorder.api.billings.list({ reference_id: made.id })
      return result[0]?.status === 'released' && result
    })
    expect(row).toMatchObject({ amount: 0, amount_reserved: 0 })
  } finally {
    await busy.close()
    await never.close()
  }
})

test('all carriers fail: one call, one end, nothing charged', async () => {
  // the route for all numbers, to the demo carrier, comes last
  const [ip = '', port] = state.sip.carrier.split(':')
  const last = await carrierAnswers({ ip, port: Number(port) }, 'uas-reject', { CODE: 502, REASON: 'Bad Gateway' })
  const a = await carrierAnswers(first, 'uas-reject', { CODE: 503, REASON: 'Service Unavailable' })
  const b = await carrierAnswers(second, 'uas-reject', { CODE: 500, REASON: 'Server Internal Error' })
  try {
    const made = await create()
    const call = await recorder.expectSteps(made.id, ['call.created:initiating', 'call.hungup:completed'])
    expect(call).toMatchObject({ hangup_by: 'remote', hangup_cause: 'network_failure', hangup_sip_code: 502 })
    for (const { sipp } of [a, b, last]) expect((await sipp.result).successful).toBe(1)
  } finally {
    await last.close()
    await a.close()
    await b.close()
  }
})
