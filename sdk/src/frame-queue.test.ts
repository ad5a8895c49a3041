import { expect, test } from 'vitest'
import { FrameQueue, type RealtimeFrame } from './frame-queue.ts'

const event = (seq: number) => ({ type: 'event', seq }) as RealtimeFrame
const gap = (from: number, to: number): RealtimeFrame => ({ type: 'gap', reason: 'expired', from, to })

/** Everything that is there and how it ends. */
async function drain(queue: FrameQueue): Promise<RealtimeFrame[]> {
  const seen: RealtimeFrame[] = []
  queue.end()
  for await (const frame of queue) seen.push(frame)
  return seen
}

test('what waits comes in order', async () => {
  const queue = new FrameQueue(10)
  for (const frame of [event(1), gap(2, 4), event(5)]) queue.push(frame)
  expect(await drain(queue)).toEqual([event(1), gap(2, 4), event(5)])
})

test.each([
  { when: 'events', frames: [1, 2, 3, 4, 5].map(event), lost: [1, 3] },
  { when: 'a gap among them', frames: [event(1), gap(2, 4), event(5), event(6), event(7)], lost: [1, 5] },
  { when: 'an unnumbered one among them', frames: [event(1), event(0), event(2), event(3), event(4)], lost: [1, 2] },
])('past the limit the oldest go and a gap says which: $when', async ({ frames, lost: [from, to] }) => {
  const queue = new FrameQueue(2)
  for (const frame of frames) queue.push(frame)
  expect(await drain(queue)).toEqual([{ type: 'gap', reason: 'missed', from, to }, ...frames.slice(-2)])
})

test('a loop that waits gets the frame, the end or the error', async () => {
  const [one, other, third] = [new FrameQueue(1), new FrameQueue(1), new FrameQueue(1)]
  const waiting = [one.next(), other.next(), third.next()]
  one.push(event(1))
  other.end()
  third.end(new Error('refused'))
  await expect(waiting[0]).resolves.toEqual({ done: false, value: event(1) })
  await expect(waiting[1]).resolves.toEqual({ done: true, value: undefined })
  await expect(waiting[2]).rejects.toThrow('refused')
  await expect(third.next()).rejects.toThrow('refused')
})

test('a loop that is left takes nothing more', async () => {
  let left = 0
  const queue = new FrameQueue(5, () => left++)
  queue.push(event(1))
  queue.push(event(2))
  for await (const frame of queue) if (frame) break
  expect(left).toBe(1)
  await expect(queue.next()).resolves.toEqual({ done: true, value: undefined })
})

test('what waits can go over to another loop', async () => {
  const [one, other] = [new FrameQueue(1), new FrameQueue(10)]
  for (const seq of [1, 2, 3]) one.push(event(seq))
  one.moveTo(other)
  expect(await drain(other)).toEqual([{ type: 'gap', reason: 'missed', from: 1, to: 2 }, event(3)])
})
