import { expect, test } from 'vitest'
import type { AriChannel, AriEvent } from './ari-types.ts'
import { Registry } from './registry.ts'

const at = '2026-01-31T12:00:00.123+0000'
const channel = (id: string, state = 'Up', name = 'PJSIP/edge1-1', exten = 's'): AriChannel => ({
  id,
  name,
  state,
  caller: { name: '', number: '' },
  connected: { name: '', number: '' },
  accountcode: '',
  dialplan: { context: 'from-edge', exten, priority: 1, app_name: 'Stasis', app_data: '' },
  creationtime: at,
  language: 'en',
})
const base = { timestamp: at, application: 'voipbin' }
const created = (id: string, state = 'Down'): AriEvent => ({ ...base, type: 'ChannelCreated', channel: channel(id, state) })
const changed = (id: string, state: string): AriEvent => ({ ...base, type: 'ChannelStateChange', channel: channel(id, state) })
const destroyed = (id: string, cause: number, tech_cause?: number): AriEvent => ({
  ...base,
  type: 'ChannelDestroyed',
  channel: channel(id),
  cause,
  cause_txt: 'text',
  ...(tech_cause !== undefined && { tech_cause }),
})
function registry(): Registry {
  const made = new Registry('asterisk-call-1')
  made.boot_id = 'boot-1'
  return made
}

test.each([
  ['refused', [], 17, 486, { cause: 17, sip_code: 486, answered: false }],
  ['unknown end before the answer', [], 0, undefined, { cause: 0, sip_code: null, answered: false }],
  ['the far end says BYE', ['Up'], 0, undefined, { cause: 16, sip_code: null, answered: true }],
  ['hung up by us with a cause', ['Ringing', 'Up'], 17, 486, { cause: 17, sip_code: null, answered: true }],
])('hangup: %s', (_, states, cause, tech_cause, expected) => {
  const one = registry()
  one.translate(created('c-1'))
  for (const state of states) one.translate(changed('c-1', state))
  expect(one.translate(destroyed('c-1', cause, tech_cause))?.event).toMatchObject({
    event_type: 'asterisk.channel_hangup',
    data: { ...expected, synthetic: false, requested: false },
  })
})

test('a channel ends once, whatever is reported, and its id is remembered', () => {
  const one = registry()
  one.translate(created('c-1'))
  expect(one.reconcile(['c-1'], [], '2026-01-31T12:00:01.000Z')).toHaveLength(1)
  expect(one.translate(destroyed('c-1', 16))).toBeUndefined()
  expect(one.ended.has('c-1')).toBe(true)
})

test('the made-up end and the real one have the same event id, so that a consumer drops the second', () => {
  const [real, madeUp] = [registry(), registry()]
  for (const one of [real, madeUp]) one.translate(created('c-1'))
  expect(madeUp.reconcile(['c-1'], [], at)[0]?.event.event_id).toBe(real.translate(destroyed('c-1', 16))?.event.event_id)
})

test('reconciling reports the lost ones, the answer that was missed, and nothing about those made since', () => {
  const one = registry()
  for (const id of ['stays', 'lost', 'answered', 'newer']) one.translate(created(id))
  const events = one.reconcile(
    ['stays', 'lost', 'answered'],
    [channel('stays', 'Down'), channel('answered', 'Up'), channel('found', 'Up')],
    '2026-01-31T12:00:01.000Z',
  )
  expect(events.map(({ event }) => [event.resource_id, event.event_type])).toEqual([
    ['lost', 'asterisk.channel_hangup'],
    ['answered', 'asterisk.channel_state'],
  ])
  expect(one.channelIds.sort()).toEqual(['answered', 'found', 'newer', 'stays'])
})

test('the snapshot has every call once, in its shard', () => {
  const parts = registry().snapshot([channel('a'), channel('bb'), channel('x', 'Up', 'Recorder/ARI-1')], at, 16, id => id.length)
  expect(parts).toHaveLength(16)
  expect(parts.flatMap(({ shard, event }) => (event.data as { channel_ids: string[] }).channel_ids.map(id => [shard, id]))).toEqual([
    [1, 'a'],
    [2, 'bb'],
  ])
})

test('the same event twice has one id; another digit at the same moment another', () => {
  const digit = (key: string): AriEvent => ({ ...base, type: 'ChannelDtmfReceived', channel: channel('c-1'), digit: key, duration_ms: 100 })
  const ids = ['1', '1', '2'].map(key => registry().translate(digit(key))?.event.event_id)
  expect(ids[0]).toBe(ids[1])
  expect(ids[0]).not.toBe(ids[2])
  expect(ids[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/)
})

test('self-tests and what Asterisk makes for itself are nobody’s calls', () => {
  const one = registry()
  expect(one.translate({ ...base, type: 'StasisStart', args: [], channel: channel('x', 'Up', 'Recorder/ARI-1') })).toBeUndefined()
  expect(one.translate({ ...base, type: 'ChannelCreated', channel: channel('x', 'Up', 'PJSIP/edge1-1', 'selftest-tone') })).toBeUndefined()
  expect(one.channelIds).toEqual([])
})

test('what a bridge plays and records is told under the bridge', () => {
  const playback = { id: 'p-1', media_uri: '', target_uri: 'bridge:b-1', state: 'done' as const }
  expect(registry().translate({ ...base, type: 'PlaybackFinished', playback })).toMatchObject({
    shard_key: 'b-1',
    event: {
      resource_type: 'bridge',
      timestamp: '2026-01-31T12:00:00.123Z',
      data: { channel_id: null, bridge_id: 'b-1', playback_id: 'p-1', state: 'done' },
    },
  })
})
