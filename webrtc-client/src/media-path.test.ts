import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { MediaPath } from './media-path.ts'

/** An event target with the one property that is looked at; real connections are in test/app.int.test.ts. */
class Connection extends EventTarget {
  iceConnectionState = 'new'
  readonly transport = Object.assign(new EventTarget(), { state: 'connected' })
  getSenders = () => [{ transport: this.transport }]
  become(state: string): void {
    this.iceConnectionState = state
    this.dispatchEvent(new Event('iceconnectionstatechange'))
  }
}

let connection: Connection
let path: MediaPath
let happened: string[]
beforeEach(() => {
  vi.useFakeTimers()
  happened = []
  connection = new Connection()
  path = new MediaPath(connection as unknown as RTCPeerConnection, {
    onInterrupted: interrupted => happened.push(interrupted ? 'interrupted' : 'back'),
    restart: () => happened.push('restart'),
    onLost: () => happened.push('lost'),
  })
})
afterEach(() => {
  path.close()
  vi.useRealTimers()
})

test('a path that never stood is left to the stack', () => {
  connection.become('failed')
  expect(path.stood).toBe(false)
  vi.advanceTimersByTime(60_000)
  expect(happened).toEqual([])
})

test('a short disturbance passes without a word to the other side', () => {
  connection.become('connected')
  connection.become('disconnected')
  vi.advanceTimersByTime(2_000)
  connection.become('connected')
  vi.advanceTimersByTime(60_000)
  expect(happened).toEqual(['interrupted', 'back'])
})

test('a longer one starts ICE over, again and again, and the stack is not to end the call', () => {
  connection.become('connected')
  connection.become('disconnected')
  vi.advanceTimersByTime(3_000)
  expect(happened).toEqual(['interrupted', 'restart'])
  connection.become('failed')
  expect(path.stood).toBe(true)
  vi.advanceTimersByTime(10_000)
  connection.become('checking')
  connection.become('completed')
  vi.advanceTimersByTime(60_000)
  expect(happened).toEqual(['interrupted', 'restart', 'restart', 'back'])
})

test('a path that is back without an event is left alone', () => {
  connection.become('connected')
  connection.become('disconnected')
  connection.iceConnectionState = 'connected'
  vi.advanceTimersByTime(60_000)
  expect(happened).toEqual(['interrupted', 'back'])
})

test('what never comes back is lost, once', () => {
  connection.become('connected')
  connection.become('failed')
  vi.advanceTimersByTime(120_000)
  expect(happened.filter(word => word !== 'restart')).toEqual(['interrupted', 'lost'])
})

test('keys that are thrown away end the call, unless it is over by then', () => {
  connection.become('connected')
  connection.transport.state = 'closed'
  connection.transport.dispatchEvent(new Event('statechange'))
  vi.advanceTimersByTime(2_000)
  expect(happened).toEqual([])
  vi.advanceTimersByTime(2_000)
  expect(happened).toEqual(['lost'])
})

test('a closed one is quiet', () => {
  connection.become('connected')
  connection.become('failed')
  path.close()
  happened.length = 0
  vi.advanceTimersByTime(120_000)
  connection.become('failed')
  expect(happened).toEqual([])
})
