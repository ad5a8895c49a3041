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

/** Sends tones by RFC 4733 and resolves when the last one is out. Tones sent meanwhile are appended. */
export async function sendTones(
  connection: RTCPeerConnection,
  tones: string,
  { durationMs = 120, gapMs = 70 }: DtmfOptions,
): Promise<void> {
  await connected(connection)
  const sender = connection.getSenders().find(({ track }) => track?.kind === 'audio')?.dtmf
  if (!sender?.canInsertDTMF) throw new PhoneError('dtmf_unavailable')
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

/** A call is answered some milliseconds before its media can flow; what somebody wants to send by then waits. */
async function connected(connection: RTCPeerConnection): Promise<void> {
  while (['new', 'connecting'].includes(connection.connectionState))
    await new Promise(resolve => connection.addEventListener('connectionstatechange', resolve, { once: true }))
}
