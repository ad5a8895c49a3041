import type { IncomingMessage } from 'node:http'
import { fail } from './errors.ts'

export interface BodyLimits {
  /** Bytes. A longer body is answered 413 as soon as that is known, announced or counted. */
  max_bytes: number
  /** Levels of arrays and objects. */
  max_depth: number
  /** Milliseconds from the first look at the body to its last byte. */
  timeout_ms: number
}
export const bodyLimits: BodyLimits = { max_bytes: 1_048_576, max_depth: 64, timeout_ms: 10_000 }

const utf8 = new TextDecoder('utf-8', { fatal: true })
const jsonType = /^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i
const otherCharset = /;\s*charset\s*=\s*"?(?!utf-?8"?\s*(?:;|$))/i

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
  const encoding = incoming.headers['content-encoding'] ?? 'identity'
  if (!jsonType.test(type) || otherCharset.test(type) || encoding !== 'identity') throw fail.mediaType()
  const bytes = await readBytes(incoming, limits)
  if (bytes.length === 0) return undefined
  if (depthOf(bytes, limits.max_depth) > limits.max_depth) throw fail.tooLarge('maxDepth', limits.max_depth)
  return parse(bytes)
}

function parse(bytes: Buffer): unknown {
  let text: string
  try {
    text = utf8.decode(bytes)
  } catch {
    throw fail.malformedJson('The body is not valid UTF-8.')
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    // The parser's own words name the place and quote at most a few characters of what the caller sent.
    throw fail.malformedJson(`The body is not valid JSON: ${error instanceof Error ? error.message : 'unreadable'}`)
  }
  // Half a surrogate pair can only come as an escape. No database stores it.
  const broken = /\\u[dD][89a-fA-F]/.test(text) ? illFormed(value, '') : undefined
  if (broken !== undefined)
    throw fail.invalid('The body holds half a character.', { field: broken, rule: 'unicode', expected: 'whole surrogate pairs' })
  return value
}

/** JSON pointer of the first text, or name, that is not well-formed Unicode. */
function illFormed(value: unknown, pointer: string): string | undefined {
  if (typeof value === 'string') return value.isWellFormed() ? undefined : pointer
  if (typeof value !== 'object' || value === null) return undefined
  for (const [name, child] of Object.entries(value)) {
    if (!name.isWellFormed()) return pointer
    const found = illFormed(child, `${pointer}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`)
    if (found !== undefined) return found
  }
  return undefined
}

/** Collects the body, giving up at the limit without waiting for the rest. */
export function readBytes(incoming: IncomingMessage, limits: BodyLimits): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    if (Number(incoming.headers['content-length'] ?? 0) > limits.max_bytes) return reject(fail.tooLarge('maxBytes', limits.max_bytes))
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

/** Deepest nesting of a JSON text, counted without parsing; stops counting just past `enough`. */
export function depthOf(bytes: Uint8Array, enough: number): number {
  let depth = 0
  let deepest = 0
  let quoted = false
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]
    if (quoted) {
      if (byte === 0x5c) i++
      else if (byte === 0x22) quoted = false
    } else if (byte === 0x22) quoted = true
    else if (byte === 0x7b || byte === 0x5b) {
      if (++depth > deepest && ++deepest > enough) return deepest
    } else if (byte === 0x7d || byte === 0x5d) depth--
  }
  return deepest
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
