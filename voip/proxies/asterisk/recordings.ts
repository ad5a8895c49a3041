import { open } from 'node:fs/promises'
import { join } from 'node:path'

export interface RecordingPart {
  data: string
  /** Bytes of the whole file. */
  size: number
  eof: boolean
}

/** Reads a part of a file in Asterisk's recording folder, `undefined` when there is no such recording. The contract has checked the name: no path in it. */
export async function readPart(folder: string, name: string, offset: number, length: number): Promise<RecordingPart | undefined> {
  for (const ending of ['wav', 'ulaw']) {
    try {
      await using file = await open(join(folder, `${name}.${ending}`))
      const { size } = await file.stat()
      const buffer = Buffer.alloc(Math.max(0, Math.min(length, size - offset)))
      const { bytesRead } = await file.read(buffer, 0, buffer.length, offset)
      return { data: buffer.subarray(0, bytesRead).toString('base64'), size, eof: offset + bytesRead >= size }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
  return undefined
}
