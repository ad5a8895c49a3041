import { AppError } from '@voipbin/kernel'
import { HttpError } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import type { Override } from '../pipeline.ts'
import type { Rpc } from '../rpc.ts'

interface FilePart {
  filename: string
  content_type: string
  filesize: number
  /** Base64. */
  content: string
}
interface SignedUrl {
  id: string
  expires: number
  signature: string
}

/** Bytes per RPC: the most the storage service hands out at once. */
const partBytes = 1_048_576

/** Bytes `from`…`to` (inclusive) of a file. */
interface Range {
  from: number
  to: number
}

/**
 * Reads `Range: bytes=…` (RFC 9110, 14.2) against a size. Undefined when there is none, or one this server may ignore: another unit or
 * several ranges. Null when it lies outside of the file.
 */
export function readRange(header: string | undefined, size: number): Range | null | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? '')
  if (!match) return undefined
  const [, first = '', last = ''] = match
  if (first === '' && last === '') return undefined
  if (first === '') return Number(last) === 0 || size === 0 ? null : { from: Math.max(0, size - Number(last)), to: size - 1 }
  const from = Number(first)
  const to = last === '' ? size - 1 : Math.min(Number(last), size - 1)
  if (last !== '' && Number(last) < from) return undefined
  return from >= size ? null : { from, to }
}

/** Downloads by signed URL: the storage service checks the signature with every part, the gateway passes the parts on as they come. */
export function fileOverrides(rpc: Rpc): Record<string, Override> {
  const getStorageFileContent: Override = async (exchange, input) => {
    const { id, expires, signature } = input as unknown as SignedUrl
    const read = (offset: number, length: number): Promise<FilePart> => readPart(rpc, exchange, { id, expires, signature, offset, length })
    const header = exchange.header('range')
    const guess = /^bytes=(\d+)-/.exec(header ?? '')
    const start = guess ? Number(guess[1]) : 0
    const first = await read(start, partBytes)
    const range = readRange(header, first.filesize)
    if (range === null) throw outside(first.filesize)
    const { from, to } = range ?? { from: 0, to: first.filesize - 1 }
    const headers: Record<string, string> = {
      ...exchange.headers,
      'x-request-id': exchange.request_id,
      'x-content-type-options': 'nosniff',
      'content-security-policy': "sandbox; default-src 'none'",
      'access-control-allow-origin': '*',
      'content-type': first.content_type,
      'content-disposition': `attachment; filename*=UTF-8''${encodeURIComponent(first.filename)}`,
      'content-length': String(to - from + 1),
      'accept-ranges': 'bytes',
      'cache-control': 'private, max-age=3600',
      ...(range ? { 'content-range': `bytes ${from}-${to}/${first.filesize}` } : {}),
    }
    return new Response(partsOf(read, { from, to }, from === start ? first : undefined), { status: range ? 206 : 200, headers })
  }
  return { getStorageFileContent }
}

async function readPart(rpc: Rpc, exchange: Exchange, input: SignedUrl & { offset: number; length: number }): Promise<FilePart> {
  // Every part has its own time: a long download must not fail because the first part was long ago.
  return (await rpc.call({ ...exchange.caller, deadline: Date.now() + exchange.route.timeout_ms }, 'readSignedFile', input)) as FilePart
}

function partsOf(
  read: (offset: number, length: number) => Promise<FilePart>,
  { from, to }: Range,
  first: FilePart | undefined,
): ReadableStream<Uint8Array> {
  let at = from
  let known = first
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (at > to) return controller.close()
        const part = known ?? (await read(at, Math.min(partBytes, to - at + 1)))
        known = undefined
        const bytes = Buffer.from(part.content, 'base64').subarray(0, to - at + 1)
        // Shorter than it was: the client sees a broken transfer instead of a complete wrong file.
        if (bytes.length === 0) return controller.error(new Error('the file ended early'))
        at += bytes.length
        controller.enqueue(new Uint8Array(bytes))
        if (at > to) controller.close()
      },
    },
    { highWaterMark: 0 },
  )
}

const outside = (size: number): HttpError =>
  new HttpError(
    new AppError('INVALID_ARGUMENT', 'INVALID_ARGUMENT', {
      message: 'The range lies outside of the file.',
      details: [{ field: '/Range', rule: 'maximum', expected: `below ${size}` }],
    }),
    416,
    { 'content-range': `bytes */${size}` },
  )
