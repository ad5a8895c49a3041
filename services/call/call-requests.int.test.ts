import { uuid7 } from '@voipbin/kernel'
import { until } from '@voipbin/kernel/testing'
import { describe, expect, test } from 'vitest'
import {
  app,
  asterisk,
  billingOf,
  carriers,
  channelOf,
  create,
  due,
  mine,
  missing,
  pastCalls,
  reach,
  read,
  stored,
  story,
  talking,
  theirs,
  told,
} from './call-fixture.ts'

describe('recordings', () => {
  test('start, stop, and their file goes to the storage', async () => {
    const { id, channel_id } = await talking()
    const call = await app.call(
      'startCallRecording',
      { id, format: 'wav', end_of_silence: 0, end_of_key: '#', duration: 60, beep_start: true },
      mine,
    )
    const recording_id = call.recording_id ?? ''
    expect(call.recording_ids).toEqual([recording_id])
    const [asked] = asterisk.of('recordChannel', channel_id)
    expect(asked).toMatchObject({ format: 'wav', max_duration: 60, beep: true })
    await expect(app.call('startCallRecording', { id }, mine)).rejects.toMatchObject({ reason: 'CALL_RECORDING_ACTIVE' })
    await expect(app.call('getRecordingFile', { id: recording_id, expire: 60 }, mine)).rejects.toMatchObject({
      reason: 'RECORDING_FILE_UNAVAILABLE',
    })
    expect(await app.call('stopCallRecording', { id }, mine)).toMatchObject({ recording_id: null, recording_ids: [recording_id] })
    await expect(app.call('stopCallRecording', { id }, mine)).rejects.toMatchObject({ reason: 'CALL_NOT_RECORDING' })
    const over = {
      asterisk_id: asterisk.id,
      boot_id: asterisk.boot_id,
      channel_id,
      bridge_id: null,
      name: String(asked?.name),
      format: 'wav',
      duration: 3,
    }
    for (const _time of [1, 2]) await asterisk.send('asterisk.recording_finished', over)
    await until(() => told(recording_id).at(-1) === 'recording.finished')
    expect(await app.call('getRecording', { id: recording_id }, mine)).toMatchObject({
      status: 'ended',
      duration: 3,
      filesize: 4_711,
      call_id: id,
    })
    expect(stored).toMatchObject([{ recording_id, asterisk_id: asterisk.id, name: asked?.name }])
    expect(await app.call('getRecordingFile', { id: recording_id, expire: 60 }, mine)).toMatchObject({
      url: expect.stringMatching(/^http/),
    })
    expect((await app.call('listRecordings', { page_size: 10, call_id: id } as never, mine)).result).toHaveLength(1)
    const { file_id } = await app.call('getRecording', { id: recording_id }, mine)
    await app.publish('storage', { event_type: 'storage_file.deleted', data: { id: file_id } })
    await until(async () => (await app.call('getRecording', { id: recording_id }, mine)).file_id === null)
    expect(await app.call('deleteRecording', { id: recording_id }, mine)).toMatchObject({ id: recording_id })
    await until(() => told(recording_id).at(-1) === 'recording.deleted')
    expect(told(recording_id)).toEqual(['recording.started', 'recording.finished', 'recording.deleted'])
    expect(stored).toHaveLength(1)
  })

  test.each([
    { end_of_key: '#' as const, passes: '1*', ends: '#' },
    { end_of_key: '*' as const, passes: '#', ends: '*' },
    { end_of_key: 'any' as const, passes: '', ends: '5' },
  ])('end with the key $end_of_key', async ({ end_of_key, passes, ends }) => {
    const { id, channel_id } = await talking()
    const { recording_id } = await app.call('startCallRecording', { id, end_of_key }, mine)
    const digits = async () => (await app.query<{ digits: string }>('SELECT digits FROM call_calls WHERE id = ?', [id]))[0]?.digits
    for (const digit of passes) await asterisk.press(channel_id, digit)
    await until(async () => (await digits()) === passes)
    expect(asterisk.of('stopRecording')).toEqual([])
    expect(await read(id)).toMatchObject({ recording_id })
    await asterisk.press(channel_id, ends)
    await until(async () => (await read(id)).recording_id === null)
    expect(asterisk.of('stopRecording')).toMatchObject([{ name: asterisk.of('recordChannel')[0]?.name }])
    // Digits are for the flow all the same.
    expect(await digits()).toBe(`${passes}${ends}`)
    await app.call('startCallRecording', { id, end_of_key: 'none' }, mine)
    await asterisk.press(channel_id, '#')
    await until(async () => (await digits()) === `${passes}${ends}#`)
    expect(asterisk.of('stopRecording')).toHaveLength(1)
  })

  test('one whose end was never reported is fetched after the call', async () => {
    const { id, channel_id } = await talking()
    const { recording_id } = await app.call('startCallRecording', { id }, mine)
    await asterisk.end(channel_id)
    await story(id)
    await due(`recordings:${id}`)
    await until(() => told(recording_id ?? '').at(-1) === 'recording.finished')
    expect(await app.call('getRecording', { id: recording_id ?? '' }, mine)).toMatchObject({ status: 'ended', filesize: 4_711 })
    expect(stored).toHaveLength(1)
  })

  test('one that fails says so, and the call may be recorded again', async () => {
    const { id, channel_id } = await talking()
    const { recording_id } = await app.call('startCallRecording', { id }, mine)
    const [asked] = asterisk.of('recordChannel')
    const over = {
      asterisk_id: asterisk.id,
      boot_id: asterisk.boot_id,
      channel_id,
      bridge_id: null,
      name: String(asked?.name),
      format: 'wav',
      duration: 0,
    }
    await asterisk.send('asterisk.recording_failed', { ...over, reason: 'disk full' })
    await until(async () => (await read(id)).recording_id === null)
    expect(await app.call('getRecording', { id: recording_id ?? '' }, mine)).toMatchObject({ status: 'failed', file_id: null })
    asterisk.refuses.set('recordChannel', 'CHANNEL_NOT_FOUND')
    await expect(app.call('startCallRecording', { id }, mine)).rejects.toMatchObject({ reason: 'CALL_NOT_ACTIVE' })
    expect(await read(id)).toMatchObject({ recording_id: null })
  })

  test.each(['getRecording', 'deleteRecording', 'getRecordingFile'] as const)(
    '%s: a foreign one looks like a missing one',
    async operation => {
      const { id } = await talking()
      const { recording_id } = await app.call('startCallRecording', { id }, mine)
      for (const [as, wanted] of [
        [theirs, recording_id ?? ''],
        [mine, missing],
      ] as const)
        await expect(app.call(operation, { id: wanted, expire: 60 } as never, as)).rejects.toMatchObject({ reason: 'RECORDING_NOT_FOUND' })
      expect((await app.call('listRecordings', { page_size: 10 }, theirs)).result).toEqual([])
    },
  )
})

describe('requests about a call', () => {
  const requests = [
    { operation: 'holdCall', input: {}, asked: 'holdChannel' },
    { operation: 'unholdCall', input: {}, asked: 'unholdChannel' },
    { operation: 'muteCall', input: { direction: 'in' }, asked: 'muteChannel' },
    { operation: 'unmuteCall', input: { direction: 'in' }, asked: 'unmuteChannel' },
    { operation: 'sendCallDtmf', input: { digits: '12#', duration: 100, interval: 0 }, asked: 'sendChannelDtmf' },
    { operation: 'playCall', input: { stream_urls: ['http://192.0.2.1/1.wav'] }, asked: 'playChannel' },
    { operation: 'talkCall', input: { text: 'hi', language: 'en-US' }, asked: 'playChannel' },
    { operation: 'startCallRecording', input: {}, asked: 'recordChannel' },
  ] as const

  test.each(requests)('$operation acts on the channel, and only while it is there', async ({ operation, input, asked }) => {
    const { id, channel_id } = await talking()
    const ask = (as = mine, wanted = id) => app.call(operation, { id: wanted, ...input } as never, as)
    expect(await ask()).toMatchObject({ id })
    expect(asterisk.of(asked, channel_id)).toHaveLength(1)
    await expect(ask(theirs)).rejects.toMatchObject({ reason: 'CALL_NOT_FOUND' })
    await expect(ask(mine, missing)).rejects.toMatchObject({ reason: 'CALL_NOT_FOUND' })
    if (operation === 'startCallRecording') await app.call('stopCallRecording', { id }, mine)
    asterisk.refuses.set(asked, 'CHANNEL_NOT_FOUND')
    await expect(ask()).rejects.toMatchObject({ reason: 'CALL_NOT_ACTIVE' })
    await asterisk.end(channel_id)
    await story(id)
    await expect(ask()).rejects.toMatchObject({ reason: 'CALL_NOT_ACTIVE' })
  })

  test('hold and mute are remembered and told once', async () => {
    const { id, channel_id } = await talking()
    expect(await app.call('holdCall', { id }, mine)).toMatchObject({ hold: true })
    await app.call('holdCall', { id }, mine)
    expect(await app.call('muteCall', { id, direction: 'in' }, mine)).toMatchObject({ mute_direction: 'in' })
    expect(await app.call('muteCall', { id, direction: 'out' }, mine)).toMatchObject({ mute_direction: 'both' })
    expect(await app.call('unmuteCall', { id, direction: 'in' }, mine)).toMatchObject({ mute_direction: 'out' })
    expect(await app.call('unmuteCall', { id, direction: 'both' }, mine)).toMatchObject({ mute_direction: null })
    await app.call('unholdCall', { id }, mine)
    await asterisk.send('asterisk.channel_hold', { asterisk_id: asterisk.id, boot_id: asterisk.boot_id, channel_id })
    await until(async () => (await read(id)).hold)
    await asterisk.end(channel_id)
    expect(await story(id)).toEqual(['created', 'ringing', 'answered', ...Array(7).fill('updated active'), 'hungup'])
  })

  test('on hold the far end hears nothing, and what was muted before stays muted after it', async () => {
    const { id, channel_id } = await talking()
    const out = { channel_id, direction: 'out' }
    await app.call('holdCall', { id }, mine)
    await app.call('unholdCall', { id }, mine)
    expect(asterisk.of('muteChannel')).toMatchObject([out])
    expect(asterisk.of('unmuteChannel')).toMatchObject([out])
    await app.call('muteCall', { id, direction: 'both' }, mine)
    await app.call('holdCall', { id }, mine)
    expect(await app.call('unholdCall', { id }, mine)).toMatchObject({ hold: false, mute_direction: 'both' })
    expect(asterisk.of('unmuteChannel')).toHaveLength(1)
  })

  test('a language nobody speaks is refused', async () => {
    const { id } = await talking()
    await expect(app.call('talkCall', { id, text: 'x', language: 'xx' }, mine)).rejects.toMatchObject({ reason: 'LANGUAGE_NOT_SUPPORTED' })
  })

  test('deleteCall ends a live call first, and it is paid', async () => {
    await carriers('+41', 1)
    const { id } = await create([{ target: '+41441234567' }])
    await asterisk.answer(await channelOf(id))
    await reach(id, 'active')
    expect(await app.call('deleteCall', { id }, mine)).toMatchObject({ id, status: 'completed', tm_delete: expect.any(String) })
    await until(() => told(id).at(-1) === 'deleted')
    expect(told(id)).toEqual(['created', 'ringing', 'answered', 'updated terminating', 'hungup', 'deleted'])
    expect(asterisk.channels.has(`${id}.0`)).toBe(false)
    await until(async () => (await billingOf(id))?.status === 'finished')
    await expect(read(id)).rejects.toMatchObject({ reason: 'CALL_NOT_FOUND' })
  })

  test.each(['getCall', 'deleteCall', 'hangupCall', 'stopCallRecording'] as const)(
    '%s: a foreign call looks like a missing one',
    async operation => {
      const { id } = await talking()
      for (const [as, wanted] of [
        [theirs, id],
        [mine, missing],
      ] as const)
        await expect(app.call(operation, { id: wanted }, as)).rejects.toMatchObject({ reason: 'CALL_NOT_FOUND' })
      expect((await app.call('listCalls', { page_size: 10 }, theirs)).result).toEqual([])
      expect(await read(id)).toMatchObject({ status: 'active' })
    },
  )

  test('the calls of a deleted customer end, however many it has had', async () => {
    await pastCalls(1_100)
    const { id } = await talking()
    await app.publish('customer', { event_type: 'customer.deleted', data: { id: mine.customer_id } })
    expect((await story(id)).slice(-2)).toEqual(['updated terminating', 'hungup'])
  })

  test('the calls of a customer end when it is frozen, by no other change of it', async () => {
    const { id } = await talking()
    const event_id = uuid7()
    await app.publish('customer', { event_type: 'customer.updated', event_id, data: { id: mine.customer_id, status: 'active' } })
    await until(async () => (await app.query('SELECT 1 FROM call_inbox WHERE message_id = ?', [event_id])).length > 0)
    expect(await read(id)).toMatchObject({ status: 'active' })
    await app.publish('customer', { event_type: 'customer.updated', data: { id: mine.customer_id, status: 'frozen' } })
    expect((await story(id)).slice(-2)).toEqual(['updated terminating', 'hungup'])
  })
})
