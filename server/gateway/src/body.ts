import type { IncomingMessage } from 'node:http'
import { fail } from './errors.ts'
import { parseJson } from './json.ts'

export interface BodyLimits {
  /** Bytes. A longer body is answered 413 as soon as that is known, announced or counted. */
  max_bytes: number
  /** Levels of arrays and objects. */
  max_depth: number
  /** Milliseconds from the first look at the body to its last byte. */
  timeout_ms: number
}
export const bodyLimits: BodyLimits = { max_bytes: 1_048_576, max_depth: 64, timeout_ms: 10_000 }

const jsonType = /^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i
const charset = /;\s*charset\s*=\s*"?([^\s";]*)/i
const isUtf8 = (type: string): boolean => /^utf-?8$/i.test(charset.exec(type)?.[1] ?? 'utf-8')
/** Node takes other codings before the last one, and leaves them as they are. */
const isPlain = ({ headers }: IncomingMessage): boolean =>
  (headers['content-encoding'] ?? 'identity') === 'identity' && /^(?:chunked)?$/i.test(headers['transfer-encoding'] ?? '')

/** True when the request announces a body at all. */
export const hasBody = (incoming: IncomingMessage): boolean =>
  incoming.headers['transfer-encoding'] !== undefined || (incoming.headers['content-length'] ?? '0') !== '0'

/**
 * Reads and parses a JSON body. `undefined` when there is none.
 * Throws PAYLOAD_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, REQUEST_TIMEOUT or MALFORMED_JSON; after the first three the
 * rest of the body is unread and the caller must end the connection (`endConnection`).
 */
export async function readJson(incoming: IncomingMessage, limits: BodyLimits = bodyLimits): Promise<unknown> {
  if (!hasBody(incoming)) return undefined
  const type = incoming.headers['content-type'] ?? ''
  if (!jsonType.test(type) || !isUtf8(type) || !isPlain(incoming)) throw fail.mediaType()
  const bytes = await readBytes(incoming, limits)
  return bytes.length === 0 ? undefined : parseJson(bytes, limits.max_depth)
}

const invitations = new WeakMap<IncomingMessage, () => void>()
/** For a client that waits for `100 Continue`: `send` is called when its body is wanted, and not when the request is refused before. */
export const onceWanted = (incoming: IncomingMessage, send: () => void): void => void invitations.set(incoming, send)

/** Collects the body, giving up at the limit without waiting for the rest. */
export function readBytes(incoming: IncomingMessage, limits: BodyLimits): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    if (Number(incoming.headers['content-length'] ?? 0) > limits.max_bytes) return reject(fail.tooLarge('maxBytes', limits.max_bytes))
    invitations.get(incoming)?.()
    const chunks: Buffer[] = []
    let length = 0
    const timer = setTimeout(() => settle(() => reject(fail.slow())), limits.timeout_ms)
    const onData = (chunk: Buffer): void => {
      length += chunk.length
      if (length > limits.max_bytes) settle(() => reject(fail.tooLarge('maxBytes', limits.max_bytes)))
      else chunks.push(chunk)
    }
    const onEnd = (): void => settle(() => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)))
    // The connection is gone, so nobody reads the answer; rejecting only ends the request.
    const onGone = (): void => settle(() => reject(fail.slow()))
    const settle = (finish: () => void): void => {
      clearTimeout(timer)
      incoming.off('data', onData).off('end', onEnd).off('error', onGone).off('close', onGone)
      incoming.pause()
      finish()
    }
    incoming.on('data', onData).on('end', onEnd).on('error', onGone).on('close', onGone)
  })
}

/**
 * Lets the answer reach a client that is still sending: the write side is closed after the answer, what comes in is thrown away for
 * at most a second, then the socket goes. Closing at once would reset the connection and the client might never see the answer.
 */
export function endConnection(incoming: IncomingMessage): void {
  const socket = incoming.socket
  if (lingering.has(socket)) return
  lingering.add(socket)
  socket.destroySoon = () => {
    socket.end()
    incoming.resume()
    const timer = setTimeout(() => socket.destroy(), 1_000)
    socket.once('close', () => clearTimeout(timer))
  }
}
const lingering = new WeakSet<object>()
