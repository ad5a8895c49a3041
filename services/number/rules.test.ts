import { expect, test } from 'vitest'
import { isTakeable, numberType, virtualNumber } from './rules.ts'

test.each([
  { given: '+899123456789', type: 'virtual', takeable: true },
  { given: '+899000456789', type: 'virtual', takeable: false },
  { given: '+89912345678', type: 'virtual', takeable: false },
  { given: '+15551230100', type: 'normal', takeable: false },
])('$given is $type', ({ given, type, takeable }) => {
  expect(numberType(given)).toBe(type)
  expect(isTakeable(given)).toBe(takeable)
})

test.each([undefined, '+', '+899', '+8991', '+89912345678'])('a virtual number that begins with %s', prefix => {
  const number = virtualNumber(prefix)
  expect(number).toMatch(/^\+899\d{9}$/)
  expect(number?.startsWith(prefix ?? '')).toBe(true)
})

test.each(['+1', '+898', '+899000', '+8991234567890'])('no virtual number begins with %s', prefix => {
  expect(virtualNumber(prefix)).toBeUndefined()
})
