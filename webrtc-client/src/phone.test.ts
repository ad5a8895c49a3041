import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { SipEdge } from '../test/sip-edge.ts'
import { Phone } from './phone.ts'

let edge: SipEdge
beforeAll(async () => {
  edge = await SipEdge.start({ 1001: 'right', 1002: 'right' })
})
afterAll(() => edge.close())
beforeEach(() => {
  edge.refuse_register = undefined
  edge.received.length = 0
})

const phone = (options: Partial<ConstructorParameters<typeof Phone>[0]> = {}) =>
  new Phone({ wsUrl: edge.url, domain: edge.domain, username: '1001', password: 'right', ...options })

test('registers, and un-registers without being asked for credentials again', async () => {
  await using ours = phone()
  await ours.start()
  expect(ours).toMatchObject({ registered: true, connection: 'connected' })
  expect(edge.registered).toEqual(['1001'])
  edge.received.length = 0
  await ours.stop()
  expect(edge.registered).toEqual([])
  expect(edge.received).toEqual([{ line: `REGISTER sip:${edge.domain} SIP/2.0`, authorized: true }])
  expect(ours).toMatchObject({ registered: false, connection: 'stopped' })
})

test('stops twice and starts again', async () => {
  await using ours = phone()
  await ours.start()
  await Promise.all([ours.stop(), ours.stop()])
  await ours.start()
  expect(edge.registered).toEqual(['1001'])
})

test('a start right after a stop is not undone by the end of the stop', async () => {
  await using ours = phone()
  await ours.start()
  const stopped = ours.stop()
  await ours.start()
  await stopped
  expect(ours).toMatchObject({ registered: true, connection: 'connected' })
})

test('refuses wrong credentials and does not try again', async () => {
  await using ours = phone({ password: 'wrong' })
  await expect(ours.start()).rejects.toMatchObject({ name: 'RegistrationError', reason: 'registration_refused', sipCode: 401 })
  expect(edge.received).toHaveLength(2)
})

test('tells a server that is away from one that refuses', async () => {
  await using ours = phone({ wsUrl: 'ws://127.0.0.1:9/' })
  await expect(ours.start()).rejects.toMatchObject({ name: 'PhoneError', reason: 'connection_failed' })
})

test('a start that is stopped before it has an outcome is over', async () => {
  const ours = phone()
  const started = expect(ours.start()).rejects.toMatchObject({ name: 'PhoneError', reason: 'not_started' })
  await ours.stop()
  await started
})

test('an address that the page may not open is a failed connection', async () => {
  vi.stubGlobal(
    'WebSocket',
    class {
      constructor() {
        throw new DOMException('An insecure WebSocket connection may not be initiated from a page loaded over HTTPS.', 'SecurityError')
      }
    },
  )
  try {
    await using ours = phone()
    await expect(ours.start()).rejects.toMatchObject({
      reason: 'connection_failed',
      context: { reason: expect.stringMatching(/^SecurityError: An insecure/) },
    })
  } finally {
    vi.unstubAllGlobals()
  }
})

test('goes to the next address when the first is dead', async () => {
  await using ours = phone({ wsUrl: ['ws://127.0.0.1:9/', edge.url] })
  const registered = ours.once('registered')
  await expect(ours.start()).rejects.toMatchObject({ reason: 'connection_failed' })
  await registered
  expect(edge.registered).toEqual(['1001'])
})

test('tries again after an error that may pass', async () => {
  await using ours = phone()
  edge.refuse_register = 503
  const failed = ours.once('registrationFailed')
  const registered = ours.once('registered')
  await expect(ours.start()).rejects.toMatchObject({ reason: 'registration_failed', sipCode: 503 })
  await failed
  edge.refuse_register = undefined
  await registered
  expect(ours.registered).toBe(true)
})

test('connects and registers again after the connection is lost', async () => {
  await using ours = phone()
  const states: string[] = []
  ours.on('connection', ({ state }) => states.push(state))
  await ours.start()
  const lost = ours.once('unregistered')
  const back = lost.then(() => ours.once('registered'))
  edge.dropAll()
  await lost
  expect(() => ours.call('1002')).toThrow(expect.objectContaining({ reason: 'not_connected' }) as Error)
  await back
  expect(states).toEqual(['connecting', 'connected', 'reconnecting', 'reconnecting', 'connected'])
})

test('says what cannot be called before anything is sent', async () => {
  await using ours = phone()
  expect(() => ours.call('1002')).toThrow(expect.objectContaining({ reason: 'not_started' }) as Error)
  await ours.start()
  expect(() => ours.call('1002', { headers: ['X-A: 1\r\nX-B: 2'] })).toThrow(expect.objectContaining({ reason: 'invalid_header' }) as Error)
  expect(() => ours.call('two words')).toThrow(expect.objectContaining({ reason: 'invalid_target' }) as Error)
  expect(ours.calls).toEqual([])
})

test('a stopped phone opens no further connection', async () => {
  const ours = phone({ password: 'wrong' })
  await expect(ours.start()).rejects.toThrow()
  await ours.stop()
  edge.received.length = 0
  await using other = phone()
  const lost = other.start().then(() => other.once('unregistered'))
  await other.once('registered')
  edge.dropAll()
  await lost
  // The stack's shortest pause is a second; by the time the other phone is back, the stopped one would be, too.
  await other.once('registered')
  expect(edge.connections).toBe(1)
})
