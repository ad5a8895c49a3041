import type { Action, ActiveflowEndReason } from '@voipbin/generated/schemas'
import { describe, expect, test } from 'vitest'
import { refusalOf, type StoredAction, variablesOf, withIds } from './actions.ts'
import { advance, finished, maxExecuted, type Position } from './engine.ts'

const clock = { stamp: () => '2026-01-20T12:00:00.000000Z' }
const position = (fields: Partial<Position> = {}): Position => ({
  variables: {},
  loops: {},
  executed_count: 0,
  executed_actions: [],
  call_id: 'call',
  ...fields,
})

const answer = (id: string, next_id?: string): StoredAction => ({ id, type: 'answer', option: {}, ...(next_id && { next_id }) })
const talk = (id: string, text: string): StoredAction => ({ id, type: 'talk', option: { text, language: 'en-US' } })
const goto = (id: string, target_id: string, loop_count = 1): StoredAction => ({ id, type: 'goto', option: { target_id, loop_count } })
const branch = (id: string, target_ids: Record<string, string>, default_target_id: string | null = null): StoredAction => ({
  id,
  type: 'branch',
  option: { variable: 'voipbin.call.digits', target_ids, default_target_id },
})
const hangup = (id: string): StoredAction => ({ id, type: 'hangup', option: { reason: 'normal_clearing' } })

/** Where it stops: the id of the action to carry out, or why it ends; and the way there. */
function walk(
  actions: StoredAction[],
  from: string | null,
  fields?: Partial<Position>,
): { to: string | ActiveflowEndReason; via: string[] } {
  const { next, executed_actions } = advance(actions, from, position(fields), clock)
  return {
    to: 'end' in next ? next.end : next.action.id,
    via: executed_actions.map(({ id, result }) => `${id} ${result?.outcome ?? 'runs'}`),
  }
}

const digits = (value: string) => ({ variables: { 'voipbin.call.digits': value } })
const menu = [branch('b', { '1': 'one', '2': 'two' }, 'zero'), answer('next'), answer('one'), answer('two'), answer('zero')]

test.each([
  { when: 'it begins', actions: [answer('a'), answer('b')], from: null, want: { to: 'a', via: ['a runs'] } },
  { when: 'one action follows another', actions: [answer('a'), answer('b')], from: 'a', want: { to: 'b', via: ['b runs'] } },
  {
    when: 'next_id overrides the order',
    actions: [answer('a', 'c'), answer('b'), answer('c')],
    from: 'a',
    want: { to: 'c', via: ['c runs'] },
  },
  { when: 'the last action is done', actions: [answer('a')], from: 'a', want: { to: 'completed', via: [] } },
  { when: 'there is no action', actions: [], from: null, want: { to: 'completed', via: [] } },
  { when: 'a hangup is done, whatever follows', actions: [hangup('h'), answer('a')], from: 'h', want: { to: 'completed', via: [] } },
  { when: 'a value has a target', actions: menu, from: null, fields: digits('2'), want: { to: 'two', via: ['b ok', 'two runs'] } },
  { when: 'a value has none', actions: menu, from: null, fields: digits('9'), want: { to: 'zero', via: ['b ok', 'zero runs'] } },
  {
    when: 'there is no default either',
    actions: [branch('b', {}), answer('next')],
    from: null,
    fields: digits('9'),
    want: { to: 'next', via: ['b ok', 'next runs'] },
  },
  {
    when: 'a value is named like a method',
    actions: menu,
    from: null,
    fields: digits('toString'),
    want: { to: 'zero', via: ['b ok', 'zero runs'] },
  },
  { when: 'a goto jumps', actions: [answer('a'), goto('g', 'a'), answer('z')], from: 'a', want: { to: 'a', via: ['g ok', 'a runs'] } },
  {
    when: 'a goto has jumped enough',
    actions: [answer('a'), goto('g', 'a', 2), answer('z')],
    from: 'a',
    fields: { loops: { g: 2 } },
    want: { to: 'z', via: ['g ok', 'z runs'] },
  },
  {
    when: 'there is no call',
    actions: [talk('t', 'hi'), answer('a')],
    from: null,
    fields: { call_id: null },
    want: { to: 'completed', via: ['t skipped', 'a skipped'] },
  },
  {
    when: 'there is no call to hang up',
    actions: [hangup('h'), answer('a')],
    from: null,
    fields: { call_id: null },
    want: { to: 'completed', via: ['h skipped'] },
  },
  {
    when: 'the limit is reached',
    actions: [answer('a'), answer('b')],
    from: 'a',
    fields: { executed_count: maxExecuted },
    want: { to: 'limit_reached', via: [] },
  },
  {
    when: 'variables make an option too large',
    actions: [talk('t', '${x}${x}'.repeat(100)), answer('a')],
    from: null,
    fields: { variables: { x: 'x'.repeat(10_000) } },
    want: { to: 'a', via: ['t failed', 'a runs'] },
  },
])('advance when $when', ({ actions, from, fields, want }) => expect(walk(actions, from, fields)).toEqual(want))

test('advance fills variables in and leaves the template alone', () => {
  const actions = [talk('t', 'Hello ${name}')]
  expect(advance(actions, null, position({ variables: { name: 'Ada' } }), clock).next).toEqual({ action: talk('t', 'Hello Ada') })
  expect(actions).toEqual([talk('t', 'Hello ${name}')])
})

test('a branch back to itself ends at the limit, with the last hundred in the trace', () => {
  const { next, executed_actions, executed_count } = advance([branch('b', {}, 'b')], null, position(), clock)
  expect(next).toEqual({ end: 'limit_reached' })
  expect(executed_count).toBe(maxExecuted)
  expect(executed_actions).toHaveLength(100)
})

test('finished closes the action under way only', () => {
  const open = { id: 'b', type: 'answer' as const, result: null, tm_execute: clock.stamp(), tm_finish: null }
  const closed = { ...open, id: 'a', result: { outcome: 'ok' as const }, tm_finish: clock.stamp() }
  expect(finished([closed, open], { outcome: 'failed' }, 'now')).toEqual([
    closed,
    { ...open, result: { outcome: 'failed' }, tm_finish: 'now' },
  ])
  expect(finished([closed], { outcome: 'failed' }, 'now')).toEqual([closed])
})

describe('refusalOf', () => {
  const connect = (type: 'tel' | 'conference'): Action => ({
    type: 'connect',
    option: {
      destinations: [{ target: '+15551234567' }, { type, target: 'x' }],
      dial_timeout: 60,
      early_media: false,
      relay_reason: false,
    },
  })
  test.each<{ when: string; actions: Action[]; want: { reason: string; fields: string[] } | undefined }>([
    { when: 'all is well', actions: [answer('a', 'b'), branch('b', { '1': 'a' }, 'b'), goto('g', 'a')], want: undefined },
    {
      when: 'an id comes twice',
      actions: [answer('a'), answer('b'), answer('a')],
      want: { reason: 'ACTION_ID_DUPLICATE', fields: ['/actions/2/id'] },
    },
    {
      when: 'jumps lead nowhere',
      actions: [answer('a', 'x'), goto('g', 'y'), branch('b', { '1': 'a', 'a/b~': 'z' }, 'w')],
      want: {
        reason: 'ACTION_TARGET_UNKNOWN',
        fields: [
          '/actions/0/next_id',
          '/actions/1/option/target_id',
          '/actions/2/option/default_target_id',
          '/actions/2/option/target_ids/a~1b~0',
        ],
      },
    },
    {
      when: 'a conference is dialled',
      actions: [connect('tel'), connect('conference')],
      want: { reason: 'ADDRESS_TYPE_REFUSED', fields: ['/actions/1/option/destinations/1/type'] },
    },
  ])('when $when', ({ actions, want }) => {
    const refusal = refusalOf(withIds(actions, () => crypto.randomUUID()))
    expect(refusal && { reason: refusal.reason, fields: refusal.details.map(detail => detail.field) }).toEqual(want)
  })
})

test.each([
  { type: 'digits_receive' as const, result: { outcome: 'ok' as const, digits: '42' }, want: { 'voipbin.call.digits': '42' } },
  { type: 'digits_receive' as const, result: { outcome: 'timeout' as const }, want: { 'voipbin.call.digits': '' } },
  { type: 'recording_start' as const, result: { outcome: 'ok' as const, recording_id: 'r' }, want: { 'voipbin.recording.id': 'r' } },
  {
    type: 'connect' as const,
    result: { outcome: 'failed' as const, hangup_cause: 'user_busy' as const },
    want: { 'voipbin.connect.call_id': '', 'voipbin.connect.hangup_cause': 'user_busy' },
  },
  { type: 'talk' as const, result: { outcome: 'ok' as const }, want: {} },
])('variablesOf($type, $result)', ({ type, result, want }) => expect(variablesOf(type, result)).toEqual(want))
