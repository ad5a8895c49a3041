import { expect, test, vi } from 'vitest'
import { Chains } from './chains.ts'

/** Work that ends when the test says so. */
function controlled(at_once: number) {
  const log: string[] = []
  const running = new Map<string, (retry_ms?: number) => void>()
  const chains = new Chains<string>(at_once, item => {
    log.push(item)
    return new Promise(resolve => running.set(item, resolve))
  })
  const end = async (item: string, retry_ms?: number) => {
    running.get(item)?.(retry_ms)
    running.delete(item)
    await Promise.resolve()
    await Promise.resolve()
  }
  return { log, chains, end }
}

test('one key is in order, keys are side by side, up to the limit', async () => {
  const { log, chains, end } = controlled(2)
  for (const item of ['a1', 'a2', 'b1', 'c1']) chains.add(item.slice(0, 1), item)
  expect(log).toEqual(['a1', 'b1'])
  await end('b1')
  expect(log).toEqual(['a1', 'b1', 'c1'])
  await end('a1')
  expect(log).toEqual(['a1', 'b1', 'c1', 'a2'])
})

test('an item that is tried again holds its own key and no slot', async () => {
  vi.useFakeTimers()
  const { log, chains, end } = controlled(1)
  for (const item of ['a1', 'a2', 'b1']) chains.add(item.slice(0, 1), item)
  await end('a1', 1_000)
  expect(log).toEqual(['a1', 'b1'])
  await end('b1')
  expect(log).toEqual(['a1', 'b1'])
  vi.advanceTimersByTime(1_000)
  expect(log).toEqual(['a1', 'b1', 'a1'])
  await end('a1')
  expect(log).toEqual(['a1', 'b1', 'a1', 'a2'])
  vi.useRealTimers()
})

test('a drop forgets what waits, and what comes after it waits for what is at work', async () => {
  const { log, chains, end } = controlled(4)
  chains.add('a', 'a1')
  chains.add('a', 'a2')
  chains.drop()
  chains.add('a', 'a1 again')
  expect(log).toEqual(['a1'])
  let idle = false
  void chains.idle().then(() => {
    idle = true
  })
  await end('a1', 5)
  expect(log).toEqual(['a1', 'a1 again'])
  expect(idle).toBe(false)
  await end('a1 again')
  await chains.idle()
  expect(log).toEqual(['a1', 'a1 again'])
})
