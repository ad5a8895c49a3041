import { expect, test } from 'vitest'
import { Batch } from './batch.ts'
import { UnavailableError } from './db-errors.ts'

test('what comes while it is busy is worked on together, and each gets its own answer', async () => {
  const sizes: number[] = []
  const { promise: first, resolve: go } = Promise.withResolvers<void>()
  const batch = new Batch<number, number>(3, async items => {
    sizes.push(items.length)
    await first
    return items.map(item => item * 2)
  })
  const one = batch.add(1)
  await Promise.resolve().then(() => undefined)
  const rest = [2, 3, 4, 5].map(item => batch.add(item))
  go()
  expect(await Promise.all([one, ...rest])).toEqual([2, 4, 6, 8, 10])
  expect(sizes).toEqual([1, 3, 1])
  await batch.idle()
})

test('a bad item harms itself only; a database that is away harms all, once', async () => {
  let away = false
  let calls = 0
  const batch = new Batch<string, string>(10, async items => {
    calls++
    if (away) throw new UnavailableError('away')
    if (items.includes('bad')) throw new Error('refused')
    return [...items]
  })
  const settled = await Promise.allSettled(['a', 'bad', 'b'].map(item => batch.add(item)))
  expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  expect(calls).toBe(4)
  away = true
  const gone = await Promise.allSettled(['a', 'b'].map(item => batch.add(item)))
  expect(gone.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  expect(calls).toBe(5)
})

test.each([0, 1, 2, 3, 4, 5, 6, 7, 8])('what comes %i turns after an answer is worked on, too', async turns => {
  const batch = new Batch<number, number>(10, async items => items)
  expect(await batch.add(1)).toBe(1)
  for (let i = 0; i < turns; i++) await Promise.resolve()
  expect(await batch.add(2)).toBe(2)
})
