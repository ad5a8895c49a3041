import { expect, test } from 'vitest'
import { fileOverrides, readRange } from './files.ts'

test.each([
  { header: undefined, want: undefined },
  { header: 'bytes=0-', want: { from: 0, to: 99 } },
  { header: 'bytes=10-19', want: { from: 10, to: 19 } },
  { header: 'bytes=90-500', want: { from: 90, to: 99 } },
  { header: 'bytes=-10', want: { from: 90, to: 99 } },
  { header: 'bytes=-500', want: { from: 0, to: 99 } },
  { header: 'bytes=-0', want: null },
  { header: 'bytes=100-', want: null },
  { header: 'bytes=20-10', want: undefined },
  { header: 'bytes=0-1,5-6', want: undefined },
  { header: 'lines=0-1', want: undefined },
  { header: 'bytes=-', want: undefined },
])('readRange($header) of 100 bytes is $want', ({ header, want }) => expect(readRange(header, 100)).toEqual(want))

const size = 2_500_000
const file = Buffer.from(Array.from({ length: size }, (_, i) => i % 251))
const rpc = {
  ownerOf: async () => null,
  call: async (_caller: object, _operation: string, input: object) => {
    const { offset, length } = input as { offset: number; length: number }
    return {
      filename: 'rec ü.wav',
      content_type: 'audio/wav',
      filesize: size,
      content: file.subarray(offset, offset + length).toString('base64'),
    }
  },
}
const download = async (range?: string): Promise<Response> => {
  const exchange = { header: () => range, headers: {}, request_id: 'r', caller: {}, route: { timeout_ms: 30_000 } }
  const response = await fileOverrides(rpc).getStorageFileContent?.(exchange as never, { id: 'f', expires: 1, signature: 'ab' })
  return response as Response
}

test.each([
  { range: undefined, status: 200, from: 0, to: size },
  { range: 'bytes=1000000-2200000', status: 206, from: 1_000_000, to: 2_200_001 },
  { range: 'bytes=-7', status: 206, from: size - 7, to: size },
])('a download with $range gives exactly those bytes', async ({ range, status, from, to }) => {
  const response = await download(range)
  expect(response.status).toBe(status)
  expect(response.headers.get('content-length')).toBe(String(to - from))
  expect(Buffer.from(await response.arrayBuffer()).equals(file.subarray(from, to))).toBe(true)
})

test('a range outside of the file is refused with its size', async () => {
  await expect(download(`bytes=${size}-`)).rejects.toMatchObject({ http: 416, headers: { 'content-range': `bytes */${size}` } })
})
