import { describe, expect, expectTypeOf, test } from 'vitest'
import { type Action, flow } from './flow.ts'

const first = 'f1000000-0000-4000-8000-000000000001'
const second = 'f1000000-0000-4000-8000-000000000002'

describe('a flow', () => {
  test('is its actions in order, with ids in place of names', () => {
    const actions = flow()
      .answer()
      .talk({ text: 'Press 1.' }, { id: 'menu' })
      .digitsReceive({ length: 1 })
      .branch({ target_ids: { '1': 'desk', '2': 'menu' }, default_target_id: 'menu' })
      .goto({ target_id: 'menu', loop_count: 2 })
      .hangup()
      .connect({ destinations: [{ type: 'extension', target: '1001' }] }, { id: 'desk', next_id: 'menu' })
      .build()
    expectTypeOf(actions).toEqualTypeOf<Action[]>()
    expect(actions).toEqual([
      { type: 'answer' },
      { id: first, type: 'talk', option: { text: 'Press 1.' } },
      { type: 'digits_receive', option: { length: 1 } },
      { type: 'branch', option: { target_ids: { '1': second, '2': first }, default_target_id: first } },
      { type: 'goto', option: { target_id: first, loop_count: 2 } },
      { type: 'hangup' },
      { id: second, type: 'connect', option: { destinations: [{ type: 'extension', target: '1001' }] }, next_id: first },
    ])
  })

  test('keeps ids that are UUIDs, and null where it means the next action', () => {
    const id = '01980000-0000-7000-8000-000000000001'
    const actions = flow()
      .talk({ text: 'Hello' }, { id })
      .branch({ target_ids: { '1': id }, default_target_id: null }, { next_id: null })
      .build()
    expect(actions).toEqual([
      { id, type: 'talk', option: { text: 'Hello' } },
      { type: 'branch', option: { target_ids: { '1': id }, default_target_id: null } },
    ])
  })

  test('is not changed by going on with it', () => {
    const begin = flow().answer()
    const [one, other] = [begin.talk({ text: 'one' }), begin.talk({ text: 'other' })]
    expect([begin, one, other].map(each => each.build().length)).toEqual([1, 2, 2])
  })

  test('leaves what it is given as it was', () => {
    const option = { target_id: 'x' } as const
    flow().answer({}, { id: 'x' }).goto(option).build()
    expect(option).toEqual({ target_id: 'x' })
  })
})

describe('what the compiler cannot know', () => {
  const name: string = 'elsewhere'
  test('is found when the flow is built: a target', () =>
    expect(() => flow().answer().goto({ target_id: name }).build()).toThrow("No action has the id 'elsewhere'."))
  test('an id used twice', () =>
    expect(() => flow().answer({}, { id: name }).hangup({}, { id: name }).build()).toThrow("Two actions have the id 'elsewhere'."))
  test('and what is right is let through', () => expect(flow().answer({}, { id: name }).goto({ target_id: name }).build()).toHaveLength(2))
})
