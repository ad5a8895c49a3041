import { whyFailed } from '../errors.ts'
import type { EventFrame } from '../realtime.ts'
import { signHeaders } from '../sign.ts'

export interface Forwarded {
  type: 'delivery'
  event_id: string
  event_type: string
  /** Null when no answer came. */
  status_code: number | null
  duration_ms: number
  /** Why no answer came. */
  error: string | null
}

const timeoutMs = 30_000

/** Sends an event as the platform sends a webhook: the same body, both signatures, redirects not followed, only 2xx is success. */
export async function forward(event: EventFrame, url: string, secret: string): Promise<Forwarded> {
  const { event_id, event_type } = event
  const type = event_type.replace('.', '_')
  const body = JSON.stringify({ id: event_id, type, created: event.timestamp, data: event.data })
  const headers = { 'content-type': 'application/json', ...(await signHeaders(body, { id: event_id, type, secrets: [secret] })) }
  const began = performance.now()
  const ended = (status_code: number | null, error: string | null): Forwarded => ({
    type: 'delivery',
    event_id,
    event_type,
    status_code,
    duration_ms: Math.round(performance.now() - began),
    error,
  })
  try {
    const response = await fetch(url, { method: 'POST', body, headers, redirect: 'manual', signal: AbortSignal.timeout(timeoutMs) })
    await response.arrayBuffer()
    return ended(response.status, null)
  } catch (error) {
    const isLate = (error as Error).name === 'TimeoutError'
    return ended(null, isLate ? `no answer within ${timeoutMs / 1000} s` : whyFailed(error))
  }
}

/** Runs tasks of one key one after another, others beside them. */
export class Lanes {
  readonly #last = new Map<string, Promise<void>>()

  add(key: string, task: () => Promise<void>): void {
    const before = this.#last.get(key) ?? Promise.resolve()
    const mine = before.then(task).finally(() => {
      if (this.#last.get(key) === mine) this.#last.delete(key)
    })
    this.#last.set(key, mine)
  }

  /** When everything added so far is over. */
  async idle(): Promise<void> {
    await Promise.all(this.#last.values())
  }
}
