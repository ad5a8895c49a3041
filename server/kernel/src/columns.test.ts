import { describe, expect, test } from 'vitest'
import { fromDbTime, stamp, toDbTime } from './columns.ts'
import { isUuid, uuid7 } from './id.ts'

describe('toDbTime', () => {
  test.each([
    { given: '2026-01-20T12:00:00Z', want: '2026-01-20 12:00:00.000000' },
    { given: '2026-01-20T12:00:00.123Z', want: '2026-01-20 12:00:00.123000' },
    { given: '2026-01-20T12:00:00.123456Z', want: '2026-01-20 12:00:00.123456' },
    { given: '2026-01-20T12:00:00.123456789Z', want: '2026-01-20 12:00:00.123456' },
    { given: '2026-01-20T14:30:00.5+02:30', want: '2026-01-20 12:00:00.500000' },
  ])('$given', ({ given, want }) => expect(toDbTime(given)).toBe(want))

  test.each(['', 'yesterday', '2026-01-20', '2026-01-20T12:00:00', '2026-13-20T12:00:00+00:00'])('refuses %j', given =>
    expect(() => toDbTime(given)).toThrow(TypeError),
  )
})

test('fromDbTime gives RFC 3339 with microseconds', () => {
  expect(fromDbTime('2026-01-20 12:00:00.123456')).toBe('2026-01-20T12:00:00.123456Z')
  expect(fromDbTime('2026-01-20 12:00:00')).toBe('2026-01-20T12:00:00.000000Z')
})

test('stamps never repeat and only grow', () => {
  const stamps = Array.from({ length: 5_000 }, () => stamp())
  expect(new Set(stamps).size).toBe(5_000)
  expect(stamps.toSorted()).toEqual(stamps)
})

test('stamps follow a clock that stands still', () => {
  const frozen = new Date('2020-02-02T02:02:02.222Z')
  expect([stamp(frozen), stamp(frozen), stamp(frozen)]).toEqual([
    '2020-02-02T02:02:02.222000Z',
    '2020-02-02T02:02:02.222001Z',
    '2020-02-02T02:02:02.222002Z',
  ])
})

test('ids sort by time', () => {
  const ids = Array.from({ length: 1_000 }, uuid7)
  expect(ids.every(isUuid)).toBe(true)
  expect(ids.toSorted()).toEqual(ids)
})
