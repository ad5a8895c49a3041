import { expect, test } from 'vitest'
import { isUuid } from './id.ts'
import { derivedId, Message } from './message.ts'

test('the same message derives the same ids, one after another', () => {
  const ids = (id: string) => {
    const message = new Message(id, true)
    return [message.nextCallId('getCall'), message.nextCallId('getCall'), message.nextCallId('createCall')]
  }
  expect(ids('m1')).toEqual(ids('m1'))
  expect(new Set([...ids('m1'), ...ids('m2')]).size).toBe(6)
})

test('a derived id looks like a uuid', () => {
  const id = derivedId('parent', 'name')
  expect(isUuid(id)).toBe(true)
  expect(id[14]).toBe('8')
})

test('steps count from 1', () => {
  const message = new Message('m', true)
  expect([message.nextStep(), message.nextStep()]).toEqual([1, 2])
})
