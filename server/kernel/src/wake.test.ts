import { expect, test } from 'vitest'
import { atMost, pause, Wake } from './wake.ts'

test('set before anybody waits is kept, once', async () => {
  const wake = new Wake()
  wake.set()
  await wake.wait(60_000)
  const started = performance.now()
  await wake.wait(20)
  expect(performance.now() - started).toBeGreaterThan(15)
})

test('releases everybody who waits', async () => {
  const wake = new Wake()
  const waiting = Promise.all([wake.wait(60_000), wake.wait(60_000)])
  wake.set()
  await waiting
})

test('ends when the signal aborts', async () => {
  const stop = new AbortController()
  const waiting = pause(60_000, stop.signal)
  stop.abort()
  await waiting
  await pause(60_000, stop.signal)
})

test('atMost ends with the work or with the time', async () => {
  await atMost(60_000, Promise.resolve())
  await atMost(5, new Promise(() => undefined))
  await expect(atMost(60_000, Promise.reject(new Error('failed')))).rejects.toThrow('failed')
})
