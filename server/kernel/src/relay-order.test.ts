import { expect, test } from 'vitest'
import type { WrittenRow } from './outbox.ts'
import { PublishOrder } from './relay-order.ts'

const row = (position: number, resource_id = 'r'): WrittenRow => ({
  id: position,
  event_id: `${resource_id}${position}`,
  event_type: 'x',
  domain: 'x',
  payload: '{}',
  resource_id,
  position,
})
const send = (order: PublishOrder, one: WrittenRow): string => {
  const next = order.judge(one)
  if (next === 'send') order.sent(one.event_id, one)
  return next
}

test('a resource whose every event is committed here never needs the table', () => {
  const order = new PublishOrder()
  expect([1, 2, 3].map(n => send(order, row(n)))).toEqual(['send', 'send', 'send'])
  expect(send(order, row(1, 'other'))).toBe('send')
})

test('behind an event that only the table knows, the table decides; then it goes on from memory', () => {
  const order = new PublishOrder()
  send(order, row(1))
  expect(send(order, row(3))).toBe('read')
  order.sent('r2')
  order.sent('r3')
  expect(send(order, row(4))).toBe('send')
})

test('what a read has sent already is not sent again when its commit is reported late', () => {
  const order = new PublishOrder()
  order.sent('r1')
  expect(send(order, row(1))).toBe('gone')
  expect(send(order, row(2))).toBe('send')
})

test('reports that overtake each other keep the order', () => {
  const order = new PublishOrder()
  send(order, row(1))
  expect(send(order, row(3))).toBe('read')
  expect(send(order, row(2))).toBe('send')
  // 3 is still waiting for the read that 2 has not stopped.
  expect(send(order, row(4))).toBe('read')
  order.sent('r3')
  order.sent('r4')
  expect(send(order, row(5))).toBe('send')
})

test('after a failure nothing leaves from memory until the table has been read', () => {
  const order = new PublishOrder()
  send(order, row(1))
  send(order, row(2))
  order.failed('r2')
  expect(send(order, row(3))).toBe('read')
})
