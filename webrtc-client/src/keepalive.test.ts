import { UA } from 'jssip'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { SipEdge } from '../test/sip-edge.ts'
import { Keepalive } from './keepalive.ts'
import { type Logger, silent } from './log.ts'
import { SipSocket } from './sip-socket.ts'

let edge: SipEdge
let socket: SipSocket
let ua: UA
let keepalive: Keepalive
let sent: string[] = []
let dropped: string[] = []

beforeEach(async () => {
  edge = await SipEdge.start({})
  // The time stands still unless a test lets it pass: a busy machine is no silent server.
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date', 'performance'] })
  sent = []
  const debug: Logger['debug'] = (message, fields) => message === 'sip out' && sent.push(String(fields?.['pii.startLine']))
  socket = new SipSocket(edge.url, { ...silent, debug })
  ua = new UA({ sockets: [socket], uri: `sip:1001@${edge.domain}`, password: 'x', register: false })
  dropped = []
  ua.on('disconnected', ({ reason = '' }) => dropped.push(reason))
  ua.start()
  await expect.poll(() => ua.isConnected()).toBe(true)
  keepalive = new Keepalive(ua, edge.domain, [socket])
})
afterEach(async () => {
  keepalive.close()
  vi.useRealTimers()
  socket.close()
  ua.stop()
  await edge.close()
})

async function answered(): Promise<void> {
  const now = performance.now()
  await expect.poll(() => socket.lastHeard).toBeGreaterThanOrEqual(now)
}

test('a server that answers is asked and kept', async () => {
  vi.advanceTimersByTime(25_000)
  expect(sent).toEqual([`OPTIONS sip:${edge.domain} SIP/2.0`])
  await answered()
  vi.advanceTimersByTime(6_000)
  keepalive.check()
  expect(sent).toHaveLength(2)
  await answered()
  vi.advanceTimersByTime(6_000)
  expect(dropped).toEqual([])
})

test('a server that has just spoken is not asked', async () => {
  vi.advanceTimersByTime(20_000)
  keepalive.check()
  await answered()
  vi.advanceTimersByTime(20_000)
  expect(sent).toHaveLength(1)
})

test('a server that says nothing is given up', async () => {
  edge.deaf = true
  vi.advanceTimersByTime(25_000 + 5_999)
  expect(dropped).toEqual([])
  vi.advanceTimersByTime(1)
  expect(dropped).toEqual(['no answer to OPTIONS'])
})
