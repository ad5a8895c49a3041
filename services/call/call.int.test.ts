import type { Calls } from '@voipbin/generated/rpc/calls'
import { type In, uuid7 } from '@voipbin/kernel'
import { until } from '@voipbin/kernel/testing'
import { describe, expect, test } from 'vitest'
import { AsteriskFixture } from './asterisk-fixture.ts'
import {
  agents,
  app,
  asterisk,
  channelOf,
  create,
  due,
  extension,
  mine,
  missing,
  own,
  reach,
  read,
  sip,
  startCall,
  stopCall,
  story,
  talking,
  theirs,
  told,
} from './call-fixture.ts'

describe('an outgoing call', () => {
  test.each([
    { destination: sip, uri: () => 'sip:bob@example.com' },
    { destination: { target: 'sip:carol@example.com:5070;transport=tcp' }, uri: () => 'sip:carol@example.com:5070;transport=tcp' },
    { destination: extension(), uri: () => `sip:1001@${mine.customer_id}.registrar.test` },
    { destination: { target: '1002' }, uri: () => `sip:1002@${mine.customer_id}.registrar.test` },
  ] satisfies { destination: In<Calls, 'createCall'>['destinations'][number]; uri: () => string }[])(
    'to $destination.target goes through its states in order',
    async ({ destination, uri }) => {
      const made = await create([destination])
      expect(made).toMatchObject({
        ...mine,
        status: 'initiating',
        direction: 'outgoing',
        type: 'flow',
        source: { type: 'tel', target: own },
        hangup_cause: null,
      })
      expect(made.calls.map(row => row.id)).toEqual([made.id])
      const channel_id = await channelOf(made.id)
      expect(asterisk.of('createChannel')).toMatchObject([{ channel_id, uri: uri(), caller_number: own, timeout: 60, headers: {} }])
      await asterisk.ring(channel_id)
      await reach(made.id, 'ringing')
      await asterisk.answer(channel_id)
      expect(await reach(made.id, 'active')).toMatchObject({ tm_ringing: expect.any(String), tm_answer: expect.any(String) })
      await asterisk.end(channel_id)
      expect(await story(made.id)).toEqual(['created', 'ringing', 'answered', 'hungup'])
      expect(await read(made.id)).toMatchObject({
        status: 'completed',
        hangup_by: 'remote',
        hangup_cause: 'normal_clearing',
        duration: expect.any(Number),
        tm_hangup: expect.any(String),
      })
      const audits = await app.query<{ action: string }>('SELECT action FROM kernel_audits WHERE resource_id = ? ORDER BY tm_create', [
        made.id,
      ])
      expect(audits[0]?.action).toBe('create')
      expect(await app.ownerOf('call', 'call', made.id)).toBe(mine.customer_id)
      expect(JSON.stringify(app.events)).not.toContain('channel_id')
    },
  )

  test('to the SIP URI of an extension is one to the extension: of the customer, or of nobody', async () => {
    const { id } = await create([{ target: `sip:1001@${mine.customer_id.toUpperCase()}.Registrar.test.:5060` }])
    expect(asterisk.of('createChannel', await channelOf(id))).toMatchObject([{ uri: `sip:1001@${mine.customer_id}.registrar.test` }])
    for (const host of [`${theirs.customer_id}.registrar.test`, `${theirs.customer_id}.registrar.test.:5060`, 'registrar.test'])
      await expect(create([{ target: `sip:1001@${host}` }])).rejects.toMatchObject({ reason: 'EXTENSION_NOT_FOUND' })
  })

  test('takes no SIP headers from a URI', async () => {
    for (const target of ['sip:bob@example.com?X-VoIPBIN-Provider-ID=1', 'sip:bob@example.com:5060?P-Asserted-Identity=x'])
      await expect(create([{ type: 'sip', target }])).rejects.toMatchObject({ reason: 'DESTINATION_INVALID' })
  })

  test('rings before it is answered, also when no ringing came', async () => {
    const { id } = await create([sip])
    await asterisk.answer(await channelOf(id))
    await until(() => told(id).length === 3)
    expect(told(id)).toEqual(['created', 'ringing', 'answered'])
  })

  test.each([
    { sip_code: 486, cause: 17, hangup_cause: 'user_busy' },
    { sip_code: 600, cause: 17, hangup_cause: 'user_busy' },
    { sip_code: 603, cause: 21, hangup_cause: 'call_rejected' },
    { sip_code: 404, cause: 1, hangup_cause: 'unallocated_number' },
    { sip_code: 480, cause: 19, hangup_cause: 'no_answer' },
    { sip_code: 503, cause: 38, hangup_cause: 'network_failure' },
    { sip_code: 500, cause: 41, hangup_cause: 'network_failure' },
    { sip_code: null, cause: 34, hangup_cause: 'network_failure' },
  ])('refused with $sip_code ($cause) ends as $hangup_cause', async ({ sip_code, cause, hangup_cause }) => {
    const { id } = await create([sip])
    await asterisk.end(await channelOf(id), { sip_code, cause })
    expect(await story(id)).toEqual(['created', 'hungup'])
    expect(await read(id)).toMatchObject({ hangup_by: 'remote', hangup_cause, hangup_sip_code: sip_code, duration: 0, tm_answer: null })
  })

  test('is canceled before the answer and terminated after it', async () => {
    const { id } = await create([sip])
    await channelOf(id)
    expect(await app.call('hangupCall', { id }, mine)).toMatchObject({ id })
    expect(await story(id)).toEqual(['created', 'updated canceling', 'hungup'])
    expect(await read(id)).toMatchObject({ hangup_by: 'local', hangup_cause: 'normal_clearing', hangup_sip_code: 487 })
    const up = await talking()
    await app.call('hangupCall', { id: up.id, reason: 'user_busy' }, mine)
    expect(await story(up.id)).toEqual(['created', 'ringing', 'answered', 'updated terminating', 'hungup'])
    expect(asterisk.of('hangupChannel', up.channel_id)).toMatchObject([{ cause: 17 }])
    // Over is over.
    expect(await app.call('hangupCall', { id: up.id }, mine)).toMatchObject({ status: 'completed', hangup_cause: 'user_busy' })
  })

  test('that nobody answers ends after its dial timeout', async () => {
    const { id } = await create([sip], { dial_timeout: 5 })
    await asterisk.ring(await channelOf(id))
    await reach(id, 'ringing')
    await due(`dial:${id}`)
    expect(await story(id)).toEqual(['created', 'ringing', 'updated canceling', 'hungup'])
    expect(await read(id)).toMatchObject({ hangup_by: 'local', hangup_cause: 'no_answer' })
  })

  test('ends after its longest duration', async () => {
    const { id } = await talking()
    await due(`max_duration:${id}`)
    expect(await story(id)).toEqual(['created', 'ringing', 'answered', 'updated terminating', 'hungup'])
    expect(await read(id)).toMatchObject({ hangup_by: 'local', hangup_cause: 'timeout' })
    expect(await app.query('SELECT name FROM call_timers WHERE timer_key LIKE ?', [`%${id}`])).toEqual([])
  })

  test('whose hangup nobody confirms is over after a while', async () => {
    const { id, channel_id } = await talking()
    asterisk.channels.delete(channel_id)
    await app.call('hangupCall', { id }, mine)
    await due(`hangup_check:${id}`)
    expect((await story(id)).slice(-2)).toEqual(['updated terminating', 'hungup'])
  })

  test('is one for each destination, and one request however often it comes', async () => {
    const message_id = uuid7()
    const input = {
      source: { target: own },
      destinations: [sip, extension()],
      dial_timeout: 60,
      max_duration: 60,
      variables: {},
      webhook_method: 'POST' as const,
    }
    const first = await app.call('createCall', input, mine, { message_id })
    expect(first.calls.map(row => row.destination.type)).toEqual(['sip', 'extension'])
    expect(await app.call('createCall', input, mine, { message_id })).toEqual(first)
    expect((await app.call('listCalls', { page_size: 10 }, mine)).result).toHaveLength(2)
    expect((await app.call('listCalls', { page_size: 10, status: 'completed' }, mine)).result).toEqual([])
  })

  test.each([
    { destinations: [{ type: 'tel' as const, target: '123' }], error: 'DESTINATION_INVALID' },
    { destinations: [{ type: 'sip' as const, target: 'bob' }], error: 'DESTINATION_INVALID' },
    { destinations: [{ type: 'conference' as const, target: missing }], error: 'DESTINATION_INVALID' },
    { destinations: [sip, { target: '+4912345678' }], error: 'DESTINATION_NOT_ROUTABLE' },
    { destinations: [{ type: 'agent' as const, target: missing }], error: 'AGENT_NOT_FOUND' },
    { destinations: [extension('9999')], error: 'EXTENSION_NOT_FOUND' },
  ])('to $destinations.0.target is refused: $error', async ({ destinations, error }) => {
    await expect(create(destinations)).rejects.toMatchObject({ reason: error })
    expect((await app.call('listCalls', { page_size: 10 }, mine)).result).toEqual([])
    expect(asterisk.of('createChannel')).toEqual([])
  })

  test('goes to another Asterisk when one is away', async () => {
    const other = new AsteriskFixture(app.bus, 'asterisk-call-2')
    await other.open()
    await until(async () => (await app.query('SELECT * FROM call_asterisks WHERE connected = 1')).length === 2)
    asterisk.refuses.set('createChannel', 'UNAVAILABLE')
    for (let n = 0; n < 3; n++) {
      const { id } = await create([sip])
      await until(() => other.of('createChannel', `${id}.0`).length === 1)
      expect(await read(id)).toMatchObject({ asterisk_id: 'asterisk-call-2', status: 'initiating' })
    }
    expect(asterisk.of('createChannel').length).toBeLessThan(2)
    other.refuses.set('createChannel', 'UNAVAILABLE')
    const { id } = await create([sip])
    expect(await story(id)).toEqual(['created', 'hungup'])
    expect(await read(id)).toMatchObject({ hangup_by: 'local', hangup_cause: 'network_failure' })
    await app.query("DELETE FROM call_asterisks WHERE id = 'asterisk-call-2'")
    await asterisk.snapshot()
    await until(async () => (await app.query('SELECT * FROM call_asterisks WHERE connected = 1')).length === 1)
  })
})

describe('an agent', () => {
  const address = (type: 'extension' | 'sip', target: string) => ({ type, target, target_name: '', name: '', detail: '' })
  const agent = (ring_method: 'ring_all' | 'linear') => {
    const id = uuid7()
    agents.set(id, { addresses: [address('extension', '1001'), address('extension', '1002'), address('sip', sip.target)], ring_method })
    return { type: 'agent' as const, target: id }
  }

  test('rings everywhere; the first answer wins, the others are canceled', async () => {
    const destination = agent('ring_all')
    const made = await create([destination])
    const [group] = made.groupcalls
    expect(group).toMatchObject({ status: 'dialing', ring_method: 'ring_all', owner_type: 'agent', owner_id: destination.target })
    expect(made.calls).toHaveLength(3)
    const [first, winner, last] = await Promise.all(made.calls.map(async row => ({ id: row.id, channel_id: await channelOf(row.id) })))
    if (!first || !winner || !last || !group) throw new Error('three legs')
    for (const leg of [first, winner, last]) await asterisk.ring(leg.channel_id)
    await Promise.all([asterisk.answer(winner.channel_id), asterisk.answer(last.channel_id)])
    const rows = await until(async () => {
      const all = await Promise.all(made.calls.map(row => read(row.id)))
      return all.filter(row => row.status === 'completed').length === 2 ? all : undefined
    })
    const [up] = rows.filter(row => row.status === 'active')
    for (const row of rows.filter(one => one.id !== up?.id))
      expect(row).toMatchObject({ hangup_by: 'local', hangup_cause: 'originator_cancel' })
    expect(await app.call('getGroupcall', { id: group.id }, mine)).toMatchObject({ status: 'answered', answer_call_id: up?.id })
    await asterisk.end(up?.channel_id ?? '')
    await until(() => told(group.id).at(-1) === 'groupcall.hungup')
    expect(told(group.id)).toEqual(['groupcall.created', 'groupcall.answered', 'groupcall.hungup'])
    expect((await app.call('listGroupcalls', { page_size: 10 }, mine)).result.map(row => row.id)).toEqual([group.id])
  })

  test('rings one after another when the agent wants it so', async () => {
    const made = await create([agent('linear')])
    const [group] = made.groupcalls
    if (!group) throw new Error('no group')
    expect(made.calls).toHaveLength(1)
    await asterisk.end(await channelOf(made.id), { sip_code: 486, cause: 17 })
    const second = await until(async () => (await app.call('getGroupcall', { id: group.id }, mine)).call_ids[1])
    await until(async () => asterisk.channels.has(await channelOf(second)))
    expect(await app.call('hangupGroupcall', { id: group.id }, mine)).toMatchObject({ id: group.id })
    await until(() => told(group.id).at(-1) === 'groupcall.hungup')
    expect((await app.call('getGroupcall', { id: group.id }, mine)).call_ids).toHaveLength(2)
    expect(await read(second)).toMatchObject({ hangup_cause: 'originator_cancel' })
  })

  test.each(['getGroupcall', 'hangupGroupcall'] as const)('%s: a foreign one looks like a missing one', async operation => {
    const { groupcalls } = await create([agent('ring_all')])
    await expect(app.call(operation, { id: groupcalls[0]?.id ?? '' }, theirs)).rejects.toMatchObject({ reason: 'GROUPCALL_NOT_FOUND' })
    await expect(app.call(operation, { id: missing }, mine)).rejects.toMatchObject({ reason: 'GROUPCALL_NOT_FOUND' })
  })
})

describe('dialling after the answer', () => {
  /** Until it is opened, Asterisk makes no channel. */
  const busy = () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    asterisk.opens = promise
    return resolve
  }

  test('nobody waits for Asterisk; a hangup meanwhile ends the channel that comes late', async () => {
    const open = busy()
    const { id, status } = await create([sip])
    expect(status).toBe('initiating')
    const channel_id = await channelOf(id)
    await app.call('hangupCall', { id }, mine)
    expect(asterisk.channels.has(channel_id)).toBe(false)
    open()
    expect(await story(id)).toEqual(['created', 'updated canceling', 'hungup'])
    await until(() => !asterisk.channels.has(channel_id))
    expect(asterisk.of('createChannel', channel_id)).toHaveLength(1)
  })

  test('a hangup wins, wherever the dialling is by then', async () => {
    const ids = await Promise.all(
      Array.from({ length: 8 }, async () => {
        const { id } = await create([sip])
        await app.call('hangupCall', { id }, mine)
        return id
      }),
    )
    for (const id of ids) {
      expect(await story(id)).toEqual(['created', 'updated canceling', 'hungup'])
      expect(await read(id)).toMatchObject({ hangup_by: 'local', hangup_cause: 'normal_clearing' })
      await until(() => !asterisk.channels.has(`${id}.0`))
    }
  })

  test('goes on when the service was stopped in the middle, with one channel', async () => {
    const open = busy()
    const { id } = await create([sip])
    const channel_id = await channelOf(id)
    await stopCall()
    await startCall()
    await until(() => asterisk.of('createChannel', channel_id).length === 2)
    open()
    await until(() => asterisk.channels.has(channel_id))
    await asterisk.answer(channel_id)
    expect(await reach(id, 'active')).toMatchObject({ channel_id })
  })
})

describe('what nobody may miss', () => {
  test('calls that vanished while nobody listened end with the snapshot', async () => {
    const gone = await talking()
    const kept = await talking()
    asterisk.channels.delete(gone.channel_id)
    await asterisk.snapshot()
    expect(await story(gone.id)).toEqual(['created', 'ringing', 'answered', 'hungup'])
    expect(await read(gone.id)).toMatchObject({ hangup_cause: 'network_failure' })
    expect(await read(kept.id)).toMatchObject({ status: 'active' })
  })

  test('what happens while the service is down', async () => {
    const ringing = await create([sip])
    const up = await talking()
    const channel_id = await channelOf(ringing.id)
    await stopCall()
    await asterisk.ring(channel_id)
    await asterisk.answer(channel_id)
    await asterisk.end(up.channel_id)
    const asked = create([sip])
    await startCall()
    await until(() => told(ringing.id).length === 3)
    expect(told(ringing.id)).toEqual(['created', 'ringing', 'answered'])
    expect(await story(up.id)).toEqual(['created', 'ringing', 'answered', 'hungup'])
    const later = await asked
    await reach(later.id, 'initiating')
    await due(`max_duration:${ringing.id}`)
    expect((await story(ringing.id)).slice(-2)).toEqual(['updated terminating', 'hungup'])
  })

  test('an event that comes twice', async () => {
    const { id, channel_id } = await talking()
    const end = {
      asterisk_id: asterisk.id,
      boot_id: asterisk.boot_id,
      channel_id,
      cause: 16,
      cause_text: '',
      sip_code: null,
      answered: true,
      requested: false,
      synthetic: false,
    }
    const event_id = uuid7()
    await asterisk.send('asterisk.channel_hangup', end, event_id)
    await asterisk.send('asterisk.channel_hangup', end, event_id)
    await asterisk.send('asterisk.channel_hangup', end)
    await story(id)
    const { id: other, channel_id: next } = await talking()
    await asterisk.end(next)
    await story(other)
    expect(told(id)).toEqual(['created', 'ringing', 'answered', 'hungup'])
  })
})
