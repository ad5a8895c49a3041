import type { Action, ActionResult } from '@voipbin/generated/schemas'
import { uuid7 } from '@voipbin/kernel'
import { until } from '@voipbin/kernel/testing'
import { describe, expect, test } from 'vitest'
import {
  agents,
  app,
  asterisk,
  balance,
  carriers,
  channelOf,
  create,
  digits,
  due,
  mine,
  missing,
  reach,
  read,
  story,
  talk,
  talking,
  theirs,
} from './call-fixture.ts'

const connect = (option = {}): Action => ({
  type: 'connect',
  option: { destinations: [{ type: 'extension', target: '1001' }], dial_timeout: 60, early_media: false, relay_reason: false, ...option },
})
const record: Action = {
  type: 'recording_start',
  option: { format: 'wav', end_of_silence: 0, end_of_key: 'none', duration: 0, beep_start: false },
}
/** A flow's action on a call; answers what the call service said at once. */
const act = (id: string, action: Action, action_run_id = uuid7(), activeflow_id = uuid7()) =>
  app.call('runCallAction', { id, activeflow_id, action_run_id, action }, mine)
const outcome = (action_run_id: string): Promise<ActionResult> =>
  until(() => {
    const ends = app.events
      .filter(event => event.event_type === 'call.action_finished')
      .map(({ event_id, data }) => ({ event_id, ...(data as { action_run_id: string; result: ActionResult }) }))
    const mineOnly = ends.filter(end => end.action_run_id === action_run_id)
    expect(new Set(mineOnly.map(end => end.event_id)).size).toBeLessThan(2)
    return mineOnly[0]?.result
  })
/** Runs an action that ends later. */
async function begin(id: string, action: Action): Promise<string> {
  const action_run_id = uuid7()
  expect(await act(id, action, action_run_id)).toEqual({ done: false, result: null })
  return action_run_id
}

describe('actions of a flow', () => {
  test('talk and play end with their playback', async () => {
    const { id, channel_id } = await talking()
    const spoken = await begin(id, talk('hi'))
    expect(asterisk.of('playChannel', spoken)).toMatchObject([{ channel_id, media: ['sound:http://tts/hi.wav'] }])
    await asterisk.played(channel_id, spoken)
    expect(await outcome(spoken)).toEqual({ outcome: 'ok' })
    const played = await begin(id, { type: 'play', option: { stream_urls: ['http://192.0.2.1/1.wav', 'http://192.0.2.1/2.wav'] } })
    expect(asterisk.of('playChannel', played)).toMatchObject([{ media: ['sound:http://192.0.2.1/1.wav', 'sound:http://192.0.2.1/2.wav'] }])
    await asterisk.played(channel_id, played, 'failed')
    expect(await outcome(played)).toMatchObject({ outcome: 'failed' })
    expect(await act(id, { type: 'talk', option: { text: 'x', language: 'xx' } })).toMatchObject({
      done: true,
      result: { outcome: 'failed' },
    })
  })

  test('are run once for each action_run_id', async () => {
    const { id, channel_id } = await talking()
    const action_run_id = uuid7()
    await Promise.all([act(id, talk(), action_run_id), act(id, talk(), action_run_id)])
    expect(new Set(asterisk.of('playChannel').map(one => one.playback_id))).toEqual(new Set([action_run_id]))
    await asterisk.played(channel_id, action_run_id)
    await outcome(action_run_id)
    expect(await act(id, talk(), action_run_id)).toEqual({ done: true, result: { outcome: 'ok' } })
    const recording = uuid7()
    const twice = [await act(id, record, recording), await act(id, record, recording)]
    expect(twice[1]).toEqual(twice[0])
    expect(asterisk.of('recordChannel')).toHaveLength(1)
    const ringing = uuid7()
    await Promise.all([act(id, connect(), ringing), act(id, connect(), ringing)])
    expect((await read(id)).chained_call_ids).toHaveLength(1)
  })

  test('a new one breaks off the one before; one may be canceled', async () => {
    const { id } = await talking()
    const first = await begin(id, talk('a'))
    const second = await begin(id, talk('b'))
    expect(await outcome(first)).toEqual({ outcome: 'canceled' })
    expect(await app.call('cancelCallAction', { id, action_run_id: second }, mine)).toEqual({ canceled: true })
    expect(await outcome(second)).toEqual({ outcome: 'canceled' })
    expect(await app.call('cancelCallAction', { id, action_run_id: second }, mine)).toEqual({ canceled: false })
    expect(asterisk.of('stopPlayback', second)).toHaveLength(1)
    for (const [as, call_id] of [
      [theirs, id],
      [mine, missing],
    ] as const) {
      await expect(app.call('cancelCallAction', { id: call_id, action_run_id: second }, as)).rejects.toMatchObject({
        reason: 'CALL_NOT_FOUND',
      })
      const input = { id: call_id, activeflow_id: uuid7(), action_run_id: uuid7(), action: talk() }
      await expect(app.call('runCallAction', input, as)).rejects.toMatchObject({ reason: 'CALL_NOT_FOUND' })
    }
  })

  test.each([
    { option: { length: 2 }, early: '', press: '12', want: { outcome: 'ok', digits: '12' } },
    { option: { key: '#' }, early: '', press: '123#', want: { outcome: 'ok', digits: '123#' } },
    { option: { length: 3 }, early: '12', press: '3', want: { outcome: 'ok', digits: '123' } },
    { option: { length: 5 }, early: '', press: '12', want: { outcome: 'timeout', digits: '12' } },
  ])('digits $early then $press with $option', async ({ option, early, press, want }) => {
    const { id, channel_id } = await talking()
    for (const digit of early) await asterisk.press(channel_id, digit)
    await until(async () => (await app.query<{ digits: string }>('SELECT digits FROM call_calls WHERE id = ?', [id]))[0]?.digits === early)
    const run = await begin(id, digits(option))
    for (const digit of press) await asterisk.press(channel_id, digit)
    if (want.outcome === 'timeout') {
      await until(
        async () => (await app.query<{ digits: string }>('SELECT digits FROM call_calls WHERE id = ?', [id]))[0]?.digits === press,
      )
      await due(`digits:${id}`)
    }
    expect(await outcome(run)).toEqual(want)
  })

  test('digits pressed beyond stay for the next action', async () => {
    const { id, channel_id } = await talking()
    for (const digit of '1234') await asterisk.press(channel_id, digit)
    await until(async () => (await app.query<{ digits: string }>('SELECT digits FROM call_calls WHERE id = ?', [id]))[0]?.digits === '1234')
    const [one, two] = [await begin(id, digits({ length: 1 })), await begin(id, digits({ length: 3 }))]
    expect([await outcome(one), await outcome(two)].map(result => result.digits)).toEqual(['1', '234'])
  })

  test('connect rings the caller back, bridges the answer and goes on when they are apart', async () => {
    const { id, channel_id } = await talking()
    const run = await begin(id, connect({ destinations: [{ target: '1001' }, { target: '1002' }] }))
    const legs = (await read(id)).chained_call_ids
    expect(legs).toHaveLength(2)
    expect(asterisk.of('playChannel', channel_id)).toMatchObject([{ media: ['tone:ring'] }])
    const [winner = '', loser = ''] = legs
    await asterisk.answer(await channelOf(winner))
    await story(loser)
    await until(async () => (await read(id)).bridge_id !== null)
    expect(asterisk.of('stopPlayback')).toHaveLength(1)
    await asterisk.end(await channelOf(winner))
    expect(await outcome(run)).toMatchObject({ outcome: 'ok', connected_call_id: winner })
    expect(await read(id)).toMatchObject({ status: 'active', bridge_id: null })
  })

  test.each(['http://127.0.0.1:8080/x.wav', 'http://169.254.169.254/latest.wav', 'http://localhost/x.wav'])(
    'play fetches and reads nothing of the platform: %s',
    async url => {
      const { id } = await talking()
      const play: Action = { type: 'play', option: { stream_urls: [url] } }
      expect(await act(id, play)).toMatchObject({ done: true, result: { outcome: 'failed' } })
      await begin(id, { type: 'play', option: { stream_urls: [url, 'http://192.0.2.1/1.wav'] } })
      expect(asterisk.of('playChannel')).toMatchObject([{ media: ['sound:http://192.0.2.1/1.wav'] }])
      const played = app.call('playCall', { id, stream_urls: [url] }, mine)
      await expect(played).rejects.toMatchObject({ reason: 'INVALID_ARGUMENT' })
    },
  )

  test('play knows no files', async () => {
    const { id } = await talking()
    for (const url of ['/srv/spool/recording/call-1', '../../etc/x', 'digits/1', 'file:///etc/x'])
      await expect(act(id, { type: 'play', option: { stream_urls: [url] } })).rejects.toMatchObject({ reason: 'INVALID_ARGUMENT' })
  })

  test('connect fails when nobody answers', async () => {
    const { id } = await talking()
    const run = await begin(id, connect())
    const [leg = ''] = (await read(id)).chained_call_ids
    await asterisk.end(await channelOf(leg), { sip_code: 486, cause: 17 })
    expect(await outcome(run)).toEqual({ outcome: 'failed', hangup_cause: 'user_busy' })
    expect(await read(id)).toMatchObject({ status: 'active' })
  })

  test('the end of the call breaks an action off before it is told', async () => {
    const { id, channel_id } = await talking()
    const run = await begin(id, talk())
    await asterisk.end(channel_id)
    await story(id)
    expect(await outcome(run)).toEqual({ outcome: 'canceled' })
    expect(app.events.filter(event => event.resource_id === id).at(-1)?.event_type).toBe('call.hungup')
    expect(await act(id, talk())).toMatchObject({ done: true, result: { outcome: 'skipped' } })
  })

  test('run on each destination that answers, one after another too', async () => {
    const agent = uuid7()
    const address = (target: string) => ({ type: 'extension' as const, target, target_name: '', name: '', detail: '' })
    agents.set(agent, { addresses: [address('1001'), address('1002')], ring_method: 'linear' })
    const made = await create([{ type: 'agent', target: agent }], { actions: [talk('hi')] })
    expect(made.activeflow_id).toEqual(expect.any(String))
    await asterisk.end(await channelOf(made.id), { sip_code: 486, cause: 17 })
    const second = await until(async () => (await app.call('getGroupcall', { id: made.groupcalls[0]?.id ?? '' }, mine)).call_ids[1])
    await until(async () => asterisk.channels.has(await channelOf(second)))
    await asterisk.answer(await channelOf(second))
    await until(() => asterisk.of('playChannel').length === 1)
    expect((await read(second)).activeflow_id).not.toBe(made.activeflow_id)
    await until(async () => (await app.call('getActiveflow', { id: made.activeflow_id ?? '' }, mine)).status === 'ended')
  })

  test('a place for its events needs no flow: the run of the call does nothing and ends with it', async () => {
    const { id, activeflow_id } = await create([{ type: 'sip', target: 'sip:bob@example.com' }], {
      webhook_uri: 'https://example.com/calls',
    })
    const run = () => app.call('getActiveflow', { id: activeflow_id ?? '' }, mine)
    expect(await run()).toMatchObject({ status: 'running', flow_id: null, call_id: id, webhook_uri: 'https://example.com/calls' })
    const channel_id = await channelOf(id)
    await asterisk.answer(channel_id)
    await reach(id, 'active')
    const { recording_id } = await app.call('startCallRecording', { id }, mine)
    expect(await app.call('getRecording', { id: recording_id ?? '' }, mine)).toMatchObject({ activeflow_id })
    expect(await run()).toMatchObject({ status: 'running', executed_actions: [] })
    await asterisk.end(channel_id)
    expect((await story(id)).filter(event => event !== 'updated active')).toEqual(['created', 'ringing', 'answered', 'hungup'])
    await until(async () => (await run()).status === 'ended')
    expect(await run()).toMatchObject({ end_reason: 'hung_up', executed_actions: [] })
  })

  test.each(['http://169.254.169.254/latest', 'http://localhost/', 'https://user:secret@example.com/'])(
    'events of a call are not sent to %s',
    async webhook_uri => {
      for (const fields of [{ webhook_uri }, { webhook_uri, actions: [talk()] }])
        await expect(create([{ type: 'sip', target: 'sip:bob@example.com' }], fields)).rejects.toMatchObject({
          reason: 'WEBHOOK_URI_REFUSED',
          details: [{ field: '/webhook_uri' }],
        })
      expect((await app.call('listCalls', { page_size: 10 }, mine)).result).toEqual([])
    },
  )

  test('a bad flow is refused before anybody rings', async () => {
    await carriers('+30', 1)
    const destinations = [{ target: '+302101234567' }]
    await expect(create(destinations, { actions: [{ ...talk(), next_id: missing }] })).rejects.toMatchObject({
      reason: 'ACTION_TARGET_UNKNOWN',
    })
    await expect(create(destinations, { flow_id: missing })).rejects.toMatchObject({ reason: 'FLOW_NOT_FOUND' })
    await expect(create(destinations, { flow_id: missing, actions: [] })).rejects.toMatchObject({ reason: 'INVALID_ARGUMENT' })
    expect(await balance()).toMatchObject({ balance_reserved: 0 })
    expect((await app.call('listCalls', { page_size: 10 }, mine)).result).toEqual([])
    expect(asterisk.of('createChannel')).toEqual([])
  })
})
