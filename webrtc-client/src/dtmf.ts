import { PhoneError } from './errors.ts'

export interface DtmfOptions {
  /** `rfc4733` sends the tones in the audio stream, `info` as SIP INFO (application/dtmf-relay). */
  transport?: 'rfc4733' | 'info'
  /** Length of one tone, 70–6000 ms. */
  durationMs?: number
  /** Silence after a tone, 50–6000 ms. */
  gapMs?: number
}

/** Upper case, without blanks. Throws `invalid_dtmf`. */
export function parseTones(tones: string): string {
  const text = tones.replace(/\s/g, '').toUpperCase()
  if (!/^[0-9A-D*#,]+$/.test(text)) throw new PhoneError('invalid_dtmf', { 'pii.tones': tones })
  return text
}

/** Longest wait for media to be able to flow, in milliseconds. */
const patienceMs = 5_000

/** Sends tones by RFC 4733 and resolves when the last one is out. Tones sent meanwhile are appended. Rejects with `dtmf_unavailable`. */
export async function sendTones(
  connection: RTCPeerConnection,
  tones: string,
  { durationMs = 120, gapMs = 70 }: DtmfOptions,
): Promise<void> {
  const sender = await dtmfSender(connection)
  sender.insertDTMF(sender.toneBuffer + tones, durationMs, gapMs)
  await new Promise<void>(resolve => {
    const onTone = ({ tone }: RTCDTMFToneChangeEvent) => {
      if (tone !== '') return
      sender.removeEventListener('tonechange', onTone)
      resolve()
    }
    sender.addEventListener('tonechange', onTone)
  })
}

/** A call is answered some milliseconds before its media can flow; what somebody wants to send by then waits. No event says when it can. */
async function dtmfSender(connection: RTCPeerConnection): Promise<RTCDTMFSender> {
  const end = performance.now() + patienceMs
  for (;;) {
    const sender = connection.getSenders().find(({ track }) => track?.kind === 'audio')?.dtmf
    if (sender?.canInsertDTMF && connection.connectionState === 'connected') return sender
    if (connection.connectionState === 'closed' || performance.now() > end)
      throw new PhoneError('dtmf_unavailable', { connection: connection.connectionState, signaling: connection.signalingState })
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}
