import { expect, test } from 'vitest'
import { parseTones, sendTones } from './dtmf.ts'

test.each([
  { given: '1 2 3', want: '123' },
  { given: 'a*#d,', want: 'A*#D,' },
])('parseTones($given) is $want', ({ given, want }) => expect(parseTones(given)).toBe(want))

test.each(['', 'x', '+1'])('%j are no tones', given =>
  expect(() => parseTones(given)).toThrow(expect.objectContaining({ reason: 'invalid_dtmf', context: { 'pii.tones': given } }) as Error),
)

/** What a browser has at the answer: media that can flow a moment later, which no event tells. */
function answered() {
  const dtmf = Object.assign(new EventTarget(), {
    canInsertDTMF: false,
    toneBuffer: '',
    sent: [] as string[],
    insertDTMF(tones: string) {
      dtmf.sent.push(tones)
      queueMicrotask(() => dtmf.dispatchEvent(Object.assign(new Event('tonechange'), { tone: '' })))
    },
  })
  const connection = {
    connectionState: 'connecting' as RTCPeerConnectionState,
    signalingState: 'stable',
    getSenders: () => [{ track: { kind: 'audio' }, dtmf }],
  }
  return { dtmf, connection, send: sendTones(connection as unknown as RTCPeerConnection, '1', {}) }
}

test('tones wait until media can flow', async () => {
  const { dtmf, connection, send } = answered()
  connection.connectionState = 'connected'
  await new Promise(resolve => setTimeout(resolve, 60))
  expect(dtmf.sent).toEqual([])
  dtmf.canInsertDTMF = true
  await send
  expect(dtmf.sent).toEqual(['1'])
})

test('tones of a call that ends meanwhile are refused, and it says how it was', async () => {
  const { dtmf, connection, send } = answered()
  connection.connectionState = 'closed'
  await expect(send).rejects.toMatchObject({ reason: 'dtmf_unavailable', context: { connection: 'closed', signaling: 'stable' } })
  expect(dtmf.sent).toEqual([])
})
