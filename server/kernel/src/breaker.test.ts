import { expect, test, vi } from 'vitest'
import { Breaker } from './breaker.ts'
import { silentLogger } from './log.ts'

test('opens after five failures in a row, lets one probe through after its time, closes when that works', async () => {
  vi.useFakeTimers()
  const breaker = new Breaker('q', silentLogger)
  const failure = new Error('gone')
  for (let i = 0; i < 4; i++) breaker.failed(failure)
  breaker.succeeded()
  for (let i = 0; i < 4; i++) breaker.failed(failure)
  await vi.advanceTimersByTimeAsync(0)
  expect(breaker.isClosed).toBe(true)
  breaker.failed(failure)
  await vi.advanceTimersByTimeAsync(0)
  expect(breaker.isClosed).toBe(false)
  expect(await breaker.probe(async () => 'asked')).toBeUndefined()

  vi.advanceTimersByTime(30_001)
  const { promise, resolve } = Promise.withResolvers<string>()
  const probe = breaker.probe(() => promise)
  expect(await breaker.probe(async () => 'second')).toBeUndefined()
  resolve('works')
  expect(await probe).toBe('works')
  expect(breaker.isClosed).toBe(true)
  vi.useRealTimers()
})

test('a probe that fails keeps it open', async () => {
  vi.useFakeTimers()
  const breaker = new Breaker('q', silentLogger)
  for (let i = 0; i < 5; i++) breaker.failed(new Error('gone'))
  await vi.advanceTimersByTimeAsync(30_001)
  await expect(breaker.probe(() => Promise.reject(new Error('still gone')))).rejects.toThrow('still gone')
  expect(await breaker.probe(async () => 'asked')).toBeUndefined()
  vi.useRealTimers()
})
