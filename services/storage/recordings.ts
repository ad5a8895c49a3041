import type { StorageHandlers } from '@voipbin/generated/rpc/storage'
import { isAppError, isDuplicate } from '@voipbin/kernel'
import { type Ctx, complete, newObject, sweepLater, view, writeContent } from './files.ts'
import { type FileRow, files } from './schema.ts'

/** The most the proxy hands out at once, in bytes. */
const partBytes = 262_144

type Input = Parameters<StorageHandlers['createFileFromRecording']>[1]

/** Fetches a recording part by part and stores it encrypted as it comes; then the original is deleted. */
export const createFileFromRecording: StorageHandlers['createFileFromRecording'] = async (ctx, input) => {
  const { asterisk_id, name } = input
  const planned = await plan(ctx, input)
  // What was planned may be long done: by an earlier delivery of this request, or by another one.
  const now = (await files.get({ db: ctx.db, customer_id: ctx.customer_id }, planned.id)) ?? planned
  const content = now.status === 'available' ? now : await fetchContent(ctx, input, planned)
  const file = await complete(ctx, planned.id, { filesize: content.filesize, sha256: content.sha256 })
  await ctx.call('deleteStoredRecording', { asterisk_id, name })
  return file ?? view(now)
}

/** The row of the recording's file, made when there is none. */
async function plan(ctx: Ctx, input: Input): Promise<FileRow> {
  const { recording_id, name, filename, content_type, owner_type, owner_id } = input
  const known = async (db: Ctx['db']) => (await files.system.find({ db }, { recording_id, customer_id: ctx.customer_id }, { limit: 1 }))[0]
  try {
    return await ctx.tx(async tx => {
      await sweepLater(tx)
      const row = await known(tx.db)
      if (row) return row.status === 'failed' ? files.update(tx, row, { status: 'pending' }) : row
      const reference = { reference_type: 'recording' as const, reference_id: recording_id, recording_id }
      return files.insert(tx, { ...newObject(tx), ...reference, name, filename, content_type, owner_type, owner_id, status: 'pending' })
    })
  } catch (error) {
    const row = isDuplicate(error) ? await known(ctx.db) : undefined
    if (row) return row
    throw isDuplicate(error) ? ctx.error('CONFLICT', { message: 'The file of this recording was deleted.' }) : error
  }
}

async function fetchContent(ctx: Ctx, input: Input, row: FileRow): Promise<Pick<FileRow, 'filesize' | 'sha256'>> {
  try {
    return await writeContent(ctx, row, partsOf(ctx, input))
  } catch (error) {
    if (!isAppError(error) || error.reason !== 'RECORDING_FILE_NOT_FOUND') throw error
    await ctx.tx(async tx => {
      const pending = await files.get({ db: tx.db, customer_id: tx.customer_id }, row.id)
      if (pending?.status === 'pending') await files.update(tx, pending, { status: 'failed' })
    })
    throw ctx.error('RECORDING_FILE_UNAVAILABLE', { message: 'The recording is not on its Asterisk any more.' })
  }
}

async function* partsOf(ctx: Ctx, { asterisk_id, name }: Input): AsyncGenerator<Buffer> {
  for (let offset = 0; ; ) {
    const { data, eof } = await ctx.call('readRecording', { asterisk_id, name, offset, length: partBytes })
    const bytes = Buffer.from(data, 'base64')
    if (bytes.length > 0) yield bytes
    offset += bytes.length
    if (eof || bytes.length === 0) return
  }
}
