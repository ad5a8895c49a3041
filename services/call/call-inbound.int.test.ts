import type { Action, Activeflow } from '@voipbin/generated/schemas'
import { uuid7 } from '@voipbin/kernel'
import { until } from '@voipbin/kernel/testing'
import { describe, expect, test } from 'vitest'
import {
  app,
  asterisk,
  balance,
  billingOf,
  carriers,
  channelOf,
  customer,
  digits,
  frozen,
  hangup,
  mine,
  missing,
  numberOf,
  reach,
  read,
  story,
  talk,
  told,
} from './call-fixture.ts'

/** A call to a number of `mine` whose flow does this. */
async function incoming(actions: Action[], as = mine) {
  const flow = await app.call('createFlow', { name: 'n', detail: '', actions }, as)
  const number = await numberOf(as, flow.id)
  const channel_id = await asterisk.come({ source: 'carrier', provider_id: missing, request_uri: `sip:${number}@edge` })
  const id = await until(
    async () => (await app.call('listCalls', { page_size: 10, direction: 'incoming', flow_id: flow.id } as never, as)).result[0]?.id,
  )
  return { id, channel_id, number, flow_id: flow.id }
}
const runOf = (flow_id: string): Promise<Activeflow> =>
  until(async () => (await app.call('listActiveflows', { page_size: 10, flow_id }, mine)).result[0])
const trace = (run: Activeflow) => run.executed_actions.map(one => `${one.type} ${one.result?.outcome ?? 'runs'}`)
const ended = (flow_id: string) =>
  until(async () => {
    const run = await runOf(flow_id)
    return run.status === 'ended' ? run : undefined
  })

describe('a call from a carrier', () => {
  test('runs the flow of its number to the end', async () => {
    const { id, channel_id, number, flow_id } = await incoming([talk('menu'), digits({ length: 1 }), hangup])
    const [played] = await until(() => {
      const all = asterisk.of('playChannel', channel_id)
      return all.length > 0 ? all : undefined
    })
    expect(played?.media).toEqual(['sound:http://tts/menu.wav'])
    expect(await read(id)).toMatchObject({
      status: 'active',
      direction: 'incoming',
      flow_id,
      destination: { type: 'tel', target: number },
      source: { type: 'tel', target: '+15557654321', target_name: 'Bob' },
    })
    await asterisk.press(channel_id, '7')
    await asterisk.played(channel_id, String(played?.playback_id))
    const run = await ended(flow_id)
    expect(trace(run)).toEqual(['talk ok', 'digits_receive ok', 'hangup ok'])
    expect(run.executed_actions[1]?.result).toMatchObject({ digits: '7' })
    expect(await story(id)).toEqual(['created', 'ringing', 'answered', 'updated terminating', 'hungup'])
    expect((await read(id)).activeflow_id).toBe(run.id)
    await until(async () => (await billingOf(id))?.status === 'finished')
    expect(await billingOf(id)).toMatchObject({ cost_type: 'call_pstn_incoming', amount: -10_000 })
    expect(asterisk.of('ringChannel', channel_id)).toHaveLength(1)
  })

  test('that hangs up ends its flow', async () => {
    const { id, channel_id, flow_id } = await incoming([talk(), talk()])
    await until(() => asterisk.of('playChannel', channel_id).length === 1)
    await asterisk.end(channel_id)
    expect(await story(id)).toEqual(['created', 'ringing', 'answered', 'hungup'])
    expect(await ended(flow_id)).toMatchObject({ end_reason: 'hung_up' })
  })

  test.each([
    { when: 'to a number nobody has', uri: () => 'sip:+15550009999@edge', cause: 1 },
    { when: 'to no number at all', uri: () => 'sip:alice@edge', cause: 1 },
    { when: 'with an escape that is none', uri: () => 'sip:%zz%@edge', cause: 1 },
    { when: 'to a number without a flow', uri: async () => `sip:${(await numberOf(mine)).slice(1)}@edge`, cause: 1 },
  ])('$when is refused', async ({ uri, cause }) => {
    const channel_id = await asterisk.come({ source: 'carrier', provider_id: missing, request_uri: await uri() })
    await until(() => asterisk.of('hangupChannel', channel_id).length === 1)
    expect(asterisk.of('hangupChannel', channel_id)).toMatchObject([{ cause }])
    expect((await app.call('listCalls', { page_size: 10 }, mine)).result).toEqual([])
  })

  test('for a frozen customer is refused, from its phones too', async () => {
    const { id: flow_id } = await app.call('createFlow', { name: 'n', detail: '', actions: [talk()] }, mine)
    const number = await numberOf(mine, flow_id)
    frozen.add(mine.customer_id)
    const channels = [
      await asterisk.come({ source: 'carrier', provider_id: missing, request_uri: `sip:${number}@edge` }),
      await asterisk.come({ source: 'extension', customer_id: mine.customer_id, extension: '1002', request_uri: 'sip:1001@edge' }),
    ]
    for (const channel_id of channels) {
      await until(() => asterisk.of('hangupChannel', channel_id).length === 1)
      expect(asterisk.of('hangupChannel', channel_id)).toMatchObject([{ cause: 21 }])
    }
    expect((await app.call('listCalls', { page_size: 10 }, mine)).result).toEqual([])
  })
  test('for a customer without credit is refused before it is answered', async () => {
    const poor = await customer(0)
    const { id } = await incoming([talk()], poor)
    await story(id)
    expect(told(id)).toEqual(['created', 'ringing', 'updated canceling', 'hungup'])
    expect(asterisk.of('playChannel')).toEqual([])
    expect(await read(id, poor)).toMatchObject({ hangup_cause: 'call_rejected', hangup_by: 'local' })
  })

  test('whose flow is gone ends', async () => {
    const number = await numberOf(mine, missing)
    await asterisk.come({ source: 'carrier', provider_id: missing, request_uri: `sip:${number}@edge` })
    const id = await until(async () => (await app.call('listCalls', { page_size: 10 }, mine)).result[0]?.id)
    await story(id)
    expect(await read(id)).toMatchObject({ hangup_cause: 'failed' })
  })
})

/** Virtual numbers of the customer, newer than the one it has bought. */
async function virtualNumbers(count: number): Promise<void> {
  const columns = 'id, customer_id, number, type, name, detail, status, tm_purchase, tm_create, tm_update'
  const row = "(?, ?, ?, 'virtual', '', '', 'active', UTC_TIMESTAMP(6), UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))"
  const values = Array.from({ length: count }, (_, n) => [uuid7(), mine.customer_id, `+8996${String(n).padStart(8, '0')}`])
  await app.query(`INSERT INTO number_numbers (${columns}) VALUES ${values.map(() => row)}`, values.flat())
}

describe('a phone of a customer', () => {
  const dial = async (target: string) => {
    const request_uri = `sip:${target}@${mine.customer_id}.registrar.test`
    const channel_id = await asterisk.come({ source: 'extension', customer_id: mine.customer_id, extension: '1002', request_uri })
    const id = await until(async () => (await app.call('listCalls', { page_size: 10, direction: 'incoming' }, mine)).result[0]?.id)
    return { id, channel_id }
  }
  const legOf = (id: string) => until(async () => (await read(id)).chained_call_ids[0])

  test('calls another one: ring, answer, one bridge, and both end', async () => {
    const { id, channel_id } = await dial('1001')
    const leg_id = await legOf(id)
    const leg = await channelOf(leg_id)
    await until(() => asterisk.channels.has(leg))
    expect(await read(leg_id)).toMatchObject({
      type: 'connect',
      master_call_id: id,
      source: { type: 'extension', target: '1002' },
      destination: { target: '1001' },
    })
    await asterisk.ring(leg)
    await until(() => asterisk.of('ringChannel', channel_id).length > 0)
    await asterisk.answer(leg)
    await reach(id, 'active')
    const [bridge] = await until(() => {
      const all = asterisk.of('createBridge')
      return all.length > 0 ? all : undefined
    })
    await until(() => asterisk.of('addBridgeChannel', String(bridge?.bridge_id)).length === 2)
    expect(asterisk.of('addBridgeChannel').map(one => one.channel_id)).toEqual([channel_id, leg])
    await until(async () => (await read(id)).bridge_id !== null && (await read(leg_id)).bridge_id !== null)
    await asterisk.end(leg)
    expect(await story(leg_id)).toEqual(['created', 'ringing', 'answered', 'hungup'])
    expect(await story(id)).toEqual(['created', 'ringing', 'answered', 'updated terminating', 'hungup'])
    await until(() => asterisk.of('deleteBridge', String(bridge?.bridge_id)).length > 0)
    expect(await read(id)).toMatchObject({ hangup_cause: 'normal_clearing', bridge_id: null })
  })

  test('that hangs up first takes the other leg with it', async () => {
    const { id, channel_id } = await dial('1001')
    const leg_id = await legOf(id)
    await until(async () => asterisk.channels.has(await channelOf(leg_id)))
    await asterisk.end(channel_id)
    await story(id)
    expect(await story(leg_id)).toEqual(['created', 'updated canceling', 'hungup'])
    expect(await read(leg_id)).toMatchObject({ hangup_cause: 'originator_cancel', hangup_by: 'local' })
  })

  test.each([
    { target: '1001', end: { sip_code: 486, cause: 17 }, told_cause: 17, hangup_cause: 'user_busy' },
    { target: '9999', end: null, told_cause: 1, hangup_cause: 'unallocated_number' },
    { target: 'sip%3A1001%40other.registrar.test', end: null, told_cause: 1, hangup_cause: 'unallocated_number' },
  ])('hears why $target does not answer: $hangup_cause', async ({ target, end, told_cause, hangup_cause }) => {
    const { id, channel_id } = await dial(target)
    if (end) {
      const leg = await channelOf(await legOf(id))
      await until(() => asterisk.channels.has(leg))
      await asterisk.end(leg, end)
    }
    await story(id)
    expect(await read(id)).toMatchObject({ hangup_cause, tm_answer: null })
    expect(asterisk.of('hangupChannel', channel_id)).toMatchObject([{ cause: told_cause }])
  })

  test('calls the world with a number of the customer, however many virtual ones it has besides', async () => {
    await carriers('+39', 1)
    await virtualNumbers(110)
    const { id } = await dial('+390612345678')
    const leg = await channelOf(await legOf(id))
    await until(() => asterisk.channels.has(leg))
    expect(asterisk.of('createChannel', leg)).toMatchObject([
      { uri: 'sip:+390612345678@c1.carrier.test:5060', caller_number: expect.stringMatching(/^\+1555/) },
    ])
    expect(await balance()).toMatchObject({ balance_reserved: 10_000 })
  })
})
