import type { StorageHandlers } from '@voipbin/generated/rpc/storage'
import type { FilePart } from '@voipbin/generated/schemas'
import { config } from './config.ts'
import { type Ctx, lockFile, remove, storeOf, view } from './files.ts'
import { readSealed } from './objects.ts'
import { createFileFromRecording } from './recordings.ts'
import { type FileRow, files } from './schema.ts'
import { isSigned, signatureOf } from './signatures.ts'
import { putFile } from './uploads.ts'

export const handlers: StorageHandlers = {
  listStorageFiles: async (ctx, { page_size, page_token, ...where }) => {
    const { result, next_page_token } = await files.list(ctx, { page_size, page_token, where })
    return { result: result.map(view), next_page_token }
  },
  getStorageFile: async (ctx, { id }) => view(await files.require(ctx, id)),
  deleteStorageFile: (ctx, { id }) =>
    ctx.tx(async tx => {
      const row = await lockFile(tx, id)
      if (!row) throw ctx.error('STORAGE_FILE_NOT_FOUND')
      return remove(tx, row)
    }),
  createDownloadUrl: async (ctx, { id, expire = 3_600 }) => {
    const { status, filename, content_type, filesize } = await files.require(ctx, id)
    if (status !== 'available') throw ctx.error('STORAGE_FILE_UNAVAILABLE')
    const expires = Math.floor(ctx.now().getTime() / 1_000) + expire
    const base = config.of(ctx).PUBLIC_URL.replace(/\/$/, '')
    const uri = `${base}/v1.0/storage_files/${id}/content?expires=${expires}&signature=${signatureOf(id, expires)}`
    return { uri, filename, content_type, filesize, tm_expire: new Date(expires * 1_000).toISOString().replace('Z', '000Z') }
  },
  readFile: async (ctx, { id, offset, length }) => partOf(ctx, await files.require(ctx, id), { offset, length }),
  readSignedFile: async (ctx, { id, expires, signature, offset, length }) => {
    if (!isSigned({ id, expires, signature })) throw ctx.error('SIGNATURE_INVALID')
    if (expires * 1_000 <= ctx.now().getTime()) throw ctx.error('SIGNATURE_EXPIRED')
    const row = await files.system.get(ctx, id)
    if (!row) throw ctx.error('STORAGE_FILE_NOT_FOUND')
    return partOf(ctx, row, { offset, length })
  },
  createFileFromRecording,
  putFile,
}

async function partOf(ctx: Ctx, row: FileRow, range: { offset: number; length: number }): Promise<FilePart> {
  if (row.status !== 'available') throw ctx.error('STORAGE_FILE_UNAVAILABLE')
  const bytes = await readSealed(storeOf(ctx), row, range)
  const { filename, content_type, filesize } = row
  return { filename, content_type, filesize, offset: range.offset, content: bytes.toString('base64') }
}
