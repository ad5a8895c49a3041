import { UA } from 'jssip'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { SipEdge } from '../test/sip-edge.ts'
import { Keepalive } from './keepalive.ts'
import { silent } from './log.ts'
import { SipSocket } from './sip-socket.ts'

const eventually = (check: () => void) => vi.waitFor(check, { timeout: 30_000 })
let edge: SipEdge
let socket: SipSocket
let ua: UA
let keepalive: Keepalive
let dropped: string[] = []

beforeEach(async () => {
  edge = await SipEdge.start({})
  socket = new SipSocket(edge.url, silent)
  ua = new UA({ sockets: [socket], uri: `sip:1001@${edge.domain}`, password: 'x', register: false })
  dropped = []
  ua.on('disconnected', ({ reason = '' }) => dropped.push(reason))
  ua.start()
  await eventually(() => expect(ua.isConnected()).toBe(true))
  keepalive = new Keepalive(ua, edge.domain, [socket], { quietMs: 50, answerMs: 200 })
})
afterEach(async () => {
  keepalive.close()
  socket.close()
  ua.stop()
  await edge.close()
})

test('a server that answers is asked and kept', async () => {
  await eventually(() =>
    expect(edge.received.filter(({ line }) => line === `OPTIONS sip:${edge.domain} SIP/2.0`).length).toBeGreaterThan(3),
  )
  expect(dropped).toEqual([])
})

test('a server that says nothing is given up', async () => {
  edge.deaf = true
  await eventually(() => expect(dropped).toEqual(['no answer to OPTIONS']))
})
