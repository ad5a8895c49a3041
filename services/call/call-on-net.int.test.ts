import type { Action, Address, Call } from '@voipbin/generated/schemas'
import { until } from '@voipbin/kernel/testing'
import { describe, expect, test } from 'vitest'
import {
  addsUp,
  app,
  asterisk,
  balance,
  billingOf,
  carriers,
  channelOf,
  create,
  customer,
  hangup,
  mine,
  numberOf,
  operator,
  own,
  reach,
  read,
  story,
  talk,
} from './call-fixture.ts'

// A call to a number of the platform is two calls of two customers. What lies between them, Asterisk → edge → Asterisk, is up to the tests.

let drawn = 0
type As = { customer_id: string }
async function virtualOf(as: As, call_flow_id: string | null = null): Promise<string> {
  const number = `+8995${String(++drawn).padStart(8, '0')}`
  await app.call('createNumber', { number, call_flow_id, message_flow_id: null, name: 'Secret plans', detail: '' }, as)
  return number
}
const flowOf = async (actions: Action[], as: As): Promise<string> =>
  (await app.call('createFlow', { name: 'n', detail: '', actions }, as)).id
/** The call that comes in when a leg on its way to a number has gone through the edge. */
async function arrive(leg: { source: Address; destination: Address }, as: As, hops = 1): Promise<{ id: string; channel_id: string }> {
  const about = { source: 'platform' as const, request_uri: `sip:${leg.destination.target}@sip.test`, hops }
  const channel_id = await asterisk.come(about, { number: leg.source.target, name: leg.source.target_name })
  const id = await until(async () => {
    const { result } = await app.call('listCalls', { page_size: 10, direction: 'incoming' }, as)
    return result.find(row => row.channel_id === channel_id)?.id
  })
  return { id, channel_id }
}
const asked = (channel_id: string) => asterisk.of('createChannel', channel_id)
const address = (target: string): Address => ({ type: 'tel', target, target_name: '', name: '', detail: '' })
const connect = (destinations: string[]): Action => ({
  type: 'connect',
  option: { destinations: destinations.map(target => ({ target })), dial_timeout: 60, early_media: false, relay_reason: false },
})
/** The legs of a `connect`. */
const legsOf = async (id: string, as: As, count: number): Promise<Call[]> =>
  until(async () => {
    const { chained_call_ids } = await read(id, as)
    return chained_call_ids.length === count ? Promise.all(chained_call_ids.map(leg => read(leg, as))) : undefined
  })

describe('a call to a number of another customer', () => {
  test('is two calls that know nothing of each other, and costs nothing', async () => {
    await carriers('+899', 1)
    const other = await customer(0)
    const flow_id = await flowOf([talk('welcome'), hangup], other)
    const number = await virtualOf(other, flow_id)
    const made = await create([{ target: number }])
    const channel_id = await channelOf(made.id)
    expect(asked(channel_id)).toMatchObject([
      { uri: `sip:${number}@sip.test`, caller_number: own, caller_name: '', headers: { 'X-VoIPBIN-Hops': '1' } },
    ])
    const there = await arrive(made, other)
    await asterisk.ring(channel_id)
    const [played] = await until(() => {
      const all = asterisk.of('playChannel', there.channel_id)
      return all.length > 0 ? all : undefined
    })
    await asterisk.answer(channel_id)
    await reach(made.id, 'active')
    await asterisk.played(there.channel_id, String(played?.playback_id))
    await story(there.id)
    await asterisk.end(channel_id)
    expect(await story(made.id)).toEqual(['created', 'ringing', 'answered', 'hungup'])
    const [here, across] = [await read(made.id), await read(there.id, other)]
    expect(here).toMatchObject({
      direction: 'outgoing',
      provider_id: null,
      flow_id: null,
      destination: { type: 'tel', target: number, name: '' },
    })
    expect(across).toMatchObject({
      direction: 'incoming',
      provider_id: null,
      flow_id,
      source: { type: 'tel', target: own, name: '' },
      destination: { target: number },
    })
    for (const [side, stranger] of [
      [made.id, other],
      [there.id, mine],
    ] as const) {
      const told = app.events.filter(event => event.resource_id === side)
      expect(told.length).toBeGreaterThan(0)
      expect(JSON.stringify([told, side === made.id ? here : across])).not.toContain(stranger.customer_id)
    }
    await expect(read(there.id)).rejects.toMatchObject({ reason: 'CALL_NOT_FOUND' })
    await until(async () => (await billingOf(made.id))?.status === 'finished')
    expect(await billingOf(made.id)).toMatchObject({ cost_type: 'call_vn', amount: 0, billable_units: 1 })
    expect(await billingOf(there.id, other)).toBeUndefined()
    expect(await addsUp()).toBe(true)
  })

  test('has the price that the operator sets', async () => {
    const number = await virtualOf(await customer(0))
    const price = { cost_type: 'call_vn' as const, prefix: number, name: 'Inside', rate_per_unit: 300, unit_duration: 60 }
    const rate = await app.call('createBillingRate', price, operator)
    const { id } = await create([{ target: number }])
    expect(await balance()).toMatchObject({ balance_reserved: 300 })
    const poor = await customer(0)
    const source = { target: await virtualOf(poor) }
    await expect(create([{ target: number }], { source }, poor)).rejects.toMatchObject({ reason: 'BALANCE_INSUFFICIENT' })
    await app.call('deleteBillingRate', { id: rate.id }, operator)
    await asterisk.end(await channelOf(id), { sip_code: 404, cause: 1 })
    await story(id)
    expect(await read(id)).toMatchObject({ hangup_cause: 'unallocated_number', hangup_sip_code: 404 })
    await until(async () => (await balance()).balance_reserved === 0)
  })

  test('without a flow goes there too, and is refused there as one of a carrier is', async () => {
    await carriers('+1555', 1)
    const number = await numberOf(await customer())
    const { id } = await create([{ target: number }])
    expect(asked(await channelOf(id))).toMatchObject([{ uri: `sip:${number}@sip.test` }])
    const channel_id = await asterisk.come({ source: 'platform', request_uri: `sip:${number}@sip.test`, hops: 1 })
    await until(() => asterisk.of('hangupChannel', channel_id).length === 1)
    expect(asterisk.of('hangupChannel', channel_id)).toMatchObject([{ cause: 1 }])
    await asterisk.end(await channelOf(id))
  })
})

test('a virtual number that nobody has is refused, whatever carriers say they reach', async () => {
  await carriers('all', 1)
  await expect(create([{ target: '+899999999999' }])).rejects.toMatchObject({
    reason: 'DESTINATION_NOT_ROUTABLE',
    message: expect.stringContaining('virtual'),
    details: [{ field: '/destinations/0/target', rule: 'assigned', expected: expect.any(String) }],
  })
  await app.query("DELETE FROM route_routes WHERE target = 'all'")
})

describe('what the called one is shown', () => {
  test('is a number of the caller, a virtual one only inside', async () => {
    await carriers('+43', 1)
    const other = await customer()
    const number = await virtualOf(other)
    const source = { target: await virtualOf(mine) }
    for (const foreign of [number, '+15559999999'])
      await expect(create([{ target: number }], { source: { target: foreign } })).rejects.toMatchObject({ reason: 'SOURCE_NOT_OWNED' })
    await expect(create([{ target: '+4312345678' }], { source })).rejects.toMatchObject({
      reason: 'SOURCE_NOT_OWNED',
      details: [{ expected: 'a number that is not virtual' }],
    })
    const { id } = await create([{ target: number }], { source })
    const channel_id = await channelOf(id)
    expect(asked(channel_id)).toMatchObject([{ caller_number: source.target }])
    await asterisk.end(channel_id)
  })

  const phone = async (as: As, target: string) => {
    const request_uri = `sip:${target}@${as.customer_id}.registrar.test`
    return asterisk.come({ source: 'extension', customer_id: as.customer_id, extension: '1002', request_uri })
  }
  const incomingOf = (as: As, channel_id: string): Promise<Call> =>
    until(async () =>
      (await app.call('listCalls', { page_size: 10, direction: 'incoming' }, as)).result.find(row => row.channel_id === channel_id),
    )

  test('of a phone: a number of its customer, not what it is called', async () => {
    await carriers('+44', 1)
    const target = await virtualOf(await customer())
    const as = await customer()
    const refused = await phone(as, target)
    await until(() => asterisk.of('hangupChannel', refused).length === 1)
    expect(asterisk.of('hangupChannel', refused)).toMatchObject([{ cause: 21 }])
    const virtual = await virtualOf(as)
    const outside = await phone(as, '+441234567890')
    await until(() => asterisk.of('hangupChannel', outside).length === 1)
    const legs = []
    for (const shownNow of [async () => virtual, () => numberOf(as)]) {
      const shown = await shownNow()
      const { id } = await incomingOf(as, await phone(as, target))
      const [leg] = await legsOf(id, as, 1)
      const channel_id = await channelOf(leg?.id ?? '', as)
      expect(asked(channel_id)).toMatchObject([{ caller_number: shown, caller_name: '', uri: `sip:${target}@sip.test` }])
      legs.push(channel_id)
    }
    for (const channel_id of legs) await asterisk.end(channel_id, { sip_code: 404, cause: 1 })
  })

  test('when a flow leads on: the caller, but to a carrier no virtual number', async () => {
    await carriers('+45', 1)
    const flow_id = await flowOf([connect(['+4512345678'])], mine)
    const [normal, virtual] = [await numberOf(mine, flow_id), await virtualOf(mine, flow_id)]
    const caller = await virtualOf(await customer())
    const shownTo = async (source: string, destination: string) => {
      const { id, channel_id } = await arrive({ source: address(source), destination: address(destination) }, mine)
      const run = await until(async () => {
        const [found] = (await app.call('listActiveflows', { page_size: 10, call_id: id }, mine)).result
        return found && (found.status === 'ended' || (await read(id)).chained_call_ids.length > 0) ? found : undefined
      })
      const [leg] = (await read(id)).chained_call_ids
      if (!leg) return run.executed_actions[0]?.result
      const shown = asked(await channelOf(leg))[0]?.caller_number
      await asterisk.end(channel_id)
      await story(leg)
      return shown
    }
    expect(await shownTo('+390612345678', normal)).toBe('+390612345678')
    expect(await shownTo(caller, normal)).toBe(normal)
    expect(await shownTo(caller, virtual)).toMatchObject({ outcome: 'failed', detail: expect.stringContaining('SOURCE_NOT_OWNED') })
  })

  test('when the flow of a call out leads on: nothing that is not the customer’s', async () => {
    await carriers('+46', 1)
    const actions = [connect(['+4612345678'])]
    const { id } = await create([{ type: 'extension', target: '1001' }], { source: { target: '+15559999999' }, actions })
    await asterisk.answer(await channelOf(id))
    const run = await until(async () => {
      const [found] = (await app.call('listActiveflows', { page_size: 10, call_id: id }, mine)).result
      return found?.status === 'ended' ? found : undefined
    })
    expect(run.executed_actions[0]?.result).toMatchObject({ outcome: 'failed', detail: expect.stringContaining('SOURCE_NOT_OWNED') })
  })
})

describe('a call that is led from number to number', () => {
  /** Comes in as one that has been led to so many numbers, and is led on. */
  const leadOn = async (hops: number, branches: number) => {
    const other = await customer()
    const numbers = await Promise.all(Array.from({ length: branches }, () => virtualOf(other)))
    const number = await virtualOf(mine, await flowOf([connect(numbers), talk('nobody')], mine))
    const { id, channel_id } = await arrive({ source: address('+390612345678'), destination: address(number) }, mine, hops)
    return { id, channel_id, legs: await legsOf(id, mine, branches) }
  }

  test.each([
    { hops: 1, branches: 1, header: '2' },
    { hops: 4, branches: 1, header: '5' },
    { hops: 2, branches: 3, header: '5' },
  ])('counts on: $hops and $branches more make $header', async ({ hops, branches, header }) => {
    const { channel_id, legs } = await leadOn(hops, branches)
    for (const leg of legs) expect(asked(await channelOf(leg.id))).toMatchObject([{ headers: { 'X-VoIPBIN-Hops': header } }])
    await asterisk.end(channel_id)
    for (const leg of legs) await story(leg.id)
  })

  test.each([
    { hops: 5, branches: 1 },
    { hops: 2, branches: 4 },
  ])('ends when there are too many, and its flow goes on: $hops and $branches more', async ({ hops, branches }) => {
    const { channel_id, legs } = await leadOn(hops, branches)
    for (const { id } of legs) {
      expect(await story(id)).toEqual(['created', 'hungup'])
      expect(await read(id)).toMatchObject({ hangup_cause: 'network_failure', hangup_sip_code: 483, hangup_by: 'local' })
      expect(asked(`${id}.0`)).toEqual([])
    }
    await until(() => asterisk.of('playChannel', channel_id).some(one => one.media))
    await until(async () => (await balance()).balance_reserved === 0)
    await asterisk.end(channel_id)
  })
})
