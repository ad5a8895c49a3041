import { uuid7 } from '@voipbin/kernel'
import { until } from '@voipbin/kernel/testing'
import { describe, expect, test } from 'vitest'
import {
  addsUp,
  agents,
  app,
  asterisk,
  balance,
  billingOf,
  carriers,
  channelOf,
  create,
  customer,
  due,
  extension,
  mine,
  numberOf,
  reach,
  read,
  sip,
  story,
  told,
} from './call-fixture.ts'

describe('over carriers', () => {
  const dial = async (target: string, fields = {}) => create([{ target }], fields)

  test('503 goes on to the next one as one call; the end is charged once', async () => {
    const [carrier, second] = await carriers('+31', 2)
    const { id } = await dial('+31201234567')
    const first = await channelOf(id)
    expect(asterisk.of('createChannel', first)).toMatchObject([
      { uri: 'sip:+31201234567@c1.carrier.test:5060', headers: { 'X-Via': 'c1', 'X-VoIPBIN-Provider-ID': carrier } },
    ])
    await asterisk.end(first, { sip_code: 503, cause: 38 })
    const channel_id = await until(async () => {
      const now = await channelOf(id)
      return now !== first && asterisk.channels.has(now) ? now : undefined
    })
    expect(asterisk.channels.get(channel_id)?.uri).toBe('sip:+31201234567@c2.carrier.test:5060')
    await asterisk.answer(channel_id)
    await reach(id, 'active')
    await asterisk.end(channel_id)
    expect(await story(id)).toEqual(['created', 'ringing', 'answered', 'hungup'])
    expect(await read(id)).toMatchObject({ provider_id: second, hangup_cause: 'normal_clearing' })
    await until(async () => (await billingOf(id))?.status === 'finished')
    expect(await billingOf(id)).toMatchObject({ amount: -10_000, billable_units: 1 })
    expect(await addsUp()).toBe(true)
  })

  test('486 does not; nothing is charged', async () => {
    await carriers('+32', 2)
    const { id } = await dial('+3221234567')
    expect(await balance()).toMatchObject({ balance_reserved: 10_000 })
    await asterisk.end(await channelOf(id), { sip_code: 486, cause: 17 })
    expect(await story(id)).toEqual(['created', 'hungup'])
    expect(asterisk.of('createChannel')).toHaveLength(1)
    await until(async () => (await balance()).balance_reserved === 0)
    expect(await billingOf(id)).toMatchObject({ status: 'released', amount: 0 })
  })

  test('when the last one has failed, so has the call', async () => {
    await carriers('+33', 2)
    const { id } = await dial('+33123456789')
    for (const attempt of [0, 1]) {
      await until(() => asterisk.channels.has(`${id}.${attempt}`))
      await asterisk.end(`${id}.${attempt}`, { sip_code: 503, cause: 38 })
    }
    expect(await story(id)).toEqual(['created', 'hungup'])
    expect(await read(id)).toMatchObject({ hangup_cause: 'network_failure', hangup_sip_code: 503 })
  })

  test('the source must be a number of the customer', async () => {
    await carriers('+34', 1)
    const other = await numberOf(await customer())
    for (const source of [{ target: other }, { target: '+15559999999' }, extension(), sip])
      await expect(dial('+34911234567', { source })).rejects.toMatchObject({ reason: 'SOURCE_NOT_OWNED' })
  })

  test('the source must be so for whom a flow dials, too, unless somebody else called', async () => {
    await carriers('+36', 1)
    const { id } = await create([sip], { source: { type: 'tel', target: '+15559999999' } })
    await asterisk.answer(await channelOf(id))
    await reach(id, 'active')
    const option = { destinations: [{ target: '+3612345678' }], dial_timeout: 60, early_media: false, relay_reason: false }
    const run = { id, activeflow_id: uuid7(), action_run_id: uuid7() }
    const { result } = await app.call('runCallAction', { ...run, action: { type: 'connect', option } }, mine)
    expect(result).toMatchObject({ outcome: 'failed', detail: expect.stringContaining('SOURCE_NOT_OWNED') })
    expect(asterisk.of('createChannel')).toHaveLength(1)
  })

  test('without credit nobody is dialled, and nothing stays reserved', async () => {
    await carriers('+35', 1)
    const poor = await customer(15_000)
    const source = { target: await numberOf(poor) }
    const two = [{ target: '+35112345678' }, { target: '+35112345679' }]
    await expect(create(two, { source }, poor)).rejects.toMatchObject({ reason: 'BALANCE_INSUFFICIENT', status: 'PAYMENT_REQUIRED' })
    expect(asterisk.of('createChannel')).toEqual([])
    expect(await balance(poor)).toMatchObject({ balance: 15_000, balance_reserved: 0 })
    expect((await app.call('listCalls', { page_size: 10 }, poor)).result).toEqual([])
    await create(two.slice(0, 1), { source }, poor)
  })

  test.each([
    { ring_method: 'ring_all' as const, reserved: 20_000 },
    { ring_method: 'linear' as const, reserved: 10_000 },
  ])('legs of a $ring_method group are paid for before they ring, as single ones are', async ({ ring_method, reserved }) => {
    await carriers('+38', 1)
    const address = (type: 'tel' | 'extension', target: string) => ({ type, target, target_name: '', name: '', detail: '' })
    const addresses = [address('tel', '+38112345678'), address('extension', '1001'), address('tel', '+38112345679')]
    const agent = { type: 'agent' as const, target: uuid7() }
    agents.set(agent.target, { addresses, ring_method })
    const poor = await customer(reserved - 1)
    const source = { target: await numberOf(poor) }
    await expect(create([agent], { source }, poor)).rejects.toMatchObject({ reason: 'BALANCE_INSUFFICIENT', status: 'PAYMENT_REQUIRED' })
    expect(await balance(poor)).toMatchObject({ balance_reserved: 0 })
    expect((await app.call('listCalls', { page_size: 10 }, poor)).result).toEqual([])
    expect(asterisk.of('createChannel')).toEqual([])
    const made = await create([agent])
    expect(await balance()).toMatchObject({ balance_reserved: reserved })
    for (const { id } of made.calls) await channelOf(id)
    await app.call('hangupGroupcall', { id: made.groupcalls[0]?.id ?? '' }, mine)
    for (const { id } of made.calls) await story(id)
    await until(async () => (await balance()).balance_reserved === 0)
  })

  test('is cut when its credit ends', async () => {
    await carriers('+36', 1)
    const poor = await customer(25_000)
    const { id } = await create([{ target: '+3612345678' }], { source: { target: await numberOf(poor) } }, poor)
    await asterisk.answer(await channelOf(id, poor))
    await until(async () => (await read(id, poor)).status === 'active')
    const dueAt = async () =>
      (
        await app.query<{ s: number }>(
          'SELECT CAST(ROUND(TIMESTAMPDIFF(MICROSECOND, c.tm_answer, t.tm_due) / 1e6) AS SIGNED) AS s FROM call_timers t JOIN call_calls c ON c.id = ? WHERE timer_key = ?',
          [id, `funds:${id}`],
        )
      )[0]?.s
    await until(async () => (await dueAt()) === 50)
    // A minute later.
    const later = async () => {
      await app.query('UPDATE call_calls SET tm_answer = tm_answer - INTERVAL 50 SECOND WHERE id = ?', [id])
      await due(`funds:${id}`)
    }
    await later()
    await until(async () => (await dueAt()) === 110)
    expect(await balance(poor)).toMatchObject({ balance_reserved: 20_000 })
    await app.query('UPDATE call_calls SET tm_answer = tm_answer - INTERVAL 60 SECOND WHERE id = ?', [id])
    await due(`funds:${id}`)
    await until(async () => (await dueAt()) === 120)
    await due(`funds:${id}`)
    await until(() => told(id).at(-1) === 'hungup')
    expect(told(id)).toEqual(['created', 'ringing', 'answered', 'updated terminating', 'hungup'])
    expect(await read(id, poor)).toMatchObject({ hangup_by: 'local', hangup_cause: 'timeout', duration: expect.any(Number) })
    await until(async () => (await billingOf(id, poor))?.status === 'finished')
    expect(await balance(poor)).toMatchObject({ balance: 5_000, balance_reserved: 0 })
    expect(await addsUp(poor)).toBe(true)
  })
})
