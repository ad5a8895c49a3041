import { expect, test } from 'vitest'
import { isUuid, uuid7 } from './id.ts'

const ids = Array.from({ length: 20_000 }, uuid7)

test('ids are UUIDs of version 7 and variant 10, all different', () => {
  expect(ids.filter(id => !isUuid(id) || !/^.{14}7.{4}[89ab]/.test(id))).toEqual([])
  expect(new Set(ids).size).toBe(ids.length)
})

test('they sort by the order they were made in, however many a millisecond takes', () => {
  expect(ids.toSorted()).toEqual(ids)
})

test('they begin with the time', () => {
  const before = Date.now()
  const at = Number.parseInt(uuid7().replaceAll('-', '').slice(0, 12), 16)
  expect(at).toBeGreaterThanOrEqual(before)
  // Ahead by what the burst above borrowed, at most.
  expect(at).toBeLessThanOrEqual(Date.now() + ids.length / 2_048)
})

test('what follows the counter is random', () => {
  expect(new Set(ids.map(id => id.slice(19))).size).toBe(ids.length)
})
