import type { CallHandlers } from '@voipbin/generated/rpc/call'
import { isAppError } from '@voipbin/kernel'
import type { Ctx } from '../lifecycle.ts'
import { stopRecording } from '../recordings.ts'
import { calls, recordings } from '../schema.ts'

export const recordingHandlers = {
  listRecordings: (ctx, { page_size, page_token, tm_create_from, tm_create_to, ...where }) =>
    recordings.list(ctx, { page_size, page_token, tm_create_from, tm_create_to, where }),
  getRecording: (ctx, { id }) => recordings.require(ctx, id),
  deleteRecording: async (ctx, { id }) => {
    const recording = await recordings.require(ctx, id)
    const call = recording.call_id && recording.status === 'recording' ? await calls.get(ctx, recording.call_id) : null
    if (call) await stopRecording(ctx, call)
    const deleted = await ctx.tx(async tx => {
      const row = await recordings.remove(tx, id)
      await tx.emit('recording.deleted', row)
      return row
    })
    if (deleted.file_id) await deleteFile(ctx, deleted.file_id)
    return deleted
  },
  getRecordingFile: async (ctx, { id, expire }) => {
    const { file_id } = await recordings.require(ctx, id)
    if (!file_id) throw ctx.error('RECORDING_FILE_UNAVAILABLE')
    return ctx.call('createDownloadUrl', { id: file_id, expire })
  },
} satisfies Partial<CallHandlers>

async function deleteFile(ctx: Ctx, id: string): Promise<void> {
  try {
    await ctx.call('deleteStorageFile', { id })
  } catch (error) {
    if (!isAppError(error) || error.status !== 'NOT_FOUND') throw error
  }
}
