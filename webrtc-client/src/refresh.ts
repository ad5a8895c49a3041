import type { RTCSession } from 'jssip/lib/RTCSession.js'

/** JsSIP has this method and documents it in its source, but leaves it out of its types. */
interface InDialogSender {
  sendRequest(method: 'UPDATE', options: { extraHeaders: string[]; eventHandlers: Handlers }): void
}
interface Handlers {
  onDialogError(): void
  onErrorResponse(): void
  onRequestTimeout(): void
}

const ATTEMPTS = 4

/**
 * Tells the edge and the far end the new connection of a call: an UPDATE without SDP is a target refresh (RFC 3311, RFC 3261 12.2) and leaves the
 * media alone. A refusal is tried again after 1, 2 and 4 s, because the other side of a broken edge may still be on its way back, and then left:
 * the audio does not depend on it. Only the answer "no such call" (481, 408) ends the call, by `onGone`.
 */
export function refreshTarget(session: RTCSession, onGone: () => void, attempt = 1): void {
  if (session.isEnded()) return
  const again = () => {
    if (attempt < ATTEMPTS) setTimeout(() => refreshTarget(session, onGone, attempt + 1), 500 * 2 ** attempt)
  }
  const sender = session as unknown as InDialogSender
  sender.sendRequest('UPDATE', {
    extraHeaders: [`Contact: ${session.contact}`],
    eventHandlers: { onDialogError: onGone, onErrorResponse: again, onRequestTimeout: again },
  })
}
