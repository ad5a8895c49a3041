import { describe, expect, test } from 'vitest'
import { affordableUnits, choosePrice, defaultPrices, prefixesOf, settle, unitsOf } from './rules.ts'

const minute = { rate_per_unit: 10_000, unit_duration: 60 }

test.each([
  { seconds: 0, want: 0 },
  { seconds: 1, want: 1 },
  { seconds: 60, want: 1 },
  { seconds: 61, want: 2 },
])('$seconds s are $want started minutes', ({ seconds, want }) => expect(unitsOf(seconds, minute)).toBe(want))

test('a price by piece has one unit', () => expect(unitsOf(999, { rate_per_unit: 1, unit_duration: 0 })).toBe(1))

test.each([
  { number: '+15551', want: 3 },
  { number: '+1999', want: 2 },
  { number: '+44', want: 1 },
])('the longest prefix of $number counts', ({ number, want }) => {
  const rates = [1, 2, 3].map((rate_per_unit, index) => ({ rate_per_unit, unit_duration: 60, prefix: ['', '+1', '+1555'][index] ?? '' }))
  expect(choosePrice('call_pstn_outgoing', number, rates).rate_per_unit).toBe(want)
})

test.each([
  { number: '', want: [''] },
  { number: '+1', want: ['', '+', '+1'] },
])('prefixes of "$number"', ({ number, want }) => expect(prefixesOf(number)).toEqual(want))
test('no prefix is longer than one that a price may have', () => expect(prefixesOf('+1'.padEnd(255, '2')).at(-1)).toHaveLength(16))

test('without a price of the operator the built-in one counts', () => expect(choosePrice('number', '+1', [])).toEqual(defaultPrices.number))

describe('affordableUnits', () => {
  test.each([
    { when: 'there is enough', wanted: 2, free: 25_000, held: 0, want: 2 },
    { when: 'there is enough for one', wanted: 5, free: 19_999, held: 0, want: 1 },
    { when: 'there is too little', wanted: 1, free: 9_999, held: 0, want: 0 },
    { when: 'a reservation grows', wanted: 3, free: 10_000, held: 1, want: 2 },
    { when: 'a reservation cannot grow', wanted: 3, free: 0, held: 1, want: 1 },
    { when: 'less is wanted than held', wanted: 1, free: 0, held: 2, want: 2 },
  ])('$when', ({ wanted, free, held, want }) => expect(affordableUnits(wanted, minute, { free, held })).toBe(want))

  test('what costs nothing has no limit', () =>
    expect(affordableUnits(600, { rate_per_unit: 0, unit_duration: 60 }, { free: 0, held: 0 })).toBe(600))
})

test.each([
  { seconds: 0, reserved: 10_000, want: { units: 0, cost: 0 } },
  { seconds: 59, reserved: 10_000, want: { units: 1, cost: 10_000 } },
  { seconds: 61, reserved: 20_000, want: { units: 2, cost: 20_000 } },
  { seconds: 61, reserved: 10_000, want: { units: 1, cost: 10_000 } },
])('settle $seconds s with $reserved reserved', ({ seconds, reserved, want }) => expect(settle(seconds, minute, reserved)).toEqual(want))
