import { createHash } from 'node:crypto'
import type { Calls } from '@voipbin/generated/rpc/calls'
import type { StorageEvents } from '@voipbin/generated/rpc/storage'
import type { StorageFile } from '@voipbin/generated/schemas'
import { type Context, newObjectKey, type Tx } from '@voipbin/kernel'
import { config } from './config.ts'
import { diskStore } from './disk-store.ts'
import { type ObjectStore, type Sealed, writeSealed } from './objects.ts'
import { type FileRow, files, parts } from './schema.ts'

export type Ctx = Context<Calls, StorageEvents>
export type StorageTx = Tx<StorageEvents>

export const storeOf = (ctx: Ctx): ObjectStore => diskStore(config.of(ctx).STORAGE_DIR)

/** Nobody writes one object for so long without a chunk, in milliseconds. */
export const abandoned_ms = 3_600_000

/** Before something is written: whatever becomes of the writer, somebody looks after what it may have left. One timer for all of an hour. */
export function sweepLater(tx: StorageTx): Promise<void> {
  const hour = Math.floor(tx.now().getTime() / 3_600_000)
  return tx.setTimer('sweep', { key: `sweep:${hour}`, at: new Date((hour + 1) * 3_600_000 + abandoned_ms), payload: {} })
}

/** A file as other services see it: its key stays here. */
export function view({ secret_key: _secret, recording_id: _recording, ...file }: FileRow): StorageFile {
  return file
}

/** A new place for an object, with a key of its own. */
export const newObject = (tx: StorageTx): Sealed => ({ object_key: tx.newId(), secret_key: newObjectKey().wrapped })

export async function lockFile(tx: StorageTx, id: string): Promise<FileRow | undefined> {
  const [row] = await files.system.find(tx, { id, customer_id: tx.customer_id }, { limit: 1, forUpdate: true })
  return row
}

/** Bytes and SHA-256 of what flows through. */
export class Measured {
  size = 0
  #hash = createHash('sha256')

  async *of(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const bytes of source) {
      this.size += bytes.length
      this.#hash.update(bytes)
      yield bytes
    }
  }
  get sha256(): string {
    return this.#hash.copy().digest('hex')
  }
}

/** Writes the whole content of a file. The same content again gives the same object, so a repeated try does no harm. */
export async function writeContent(
  ctx: Ctx,
  file: Sealed,
  plain: AsyncIterable<Uint8Array>,
): Promise<Pick<FileRow, 'filesize' | 'sha256'>> {
  const measured = new Measured()
  await writeSealed(storeOf(ctx), file, measured.of(plain))
  return { filesize: measured.size, sha256: measured.sha256 }
}

/** The content is complete: row and event, once. The parts it came in are not needed any more. */
export const complete = (ctx: Ctx, id: string, content: Pick<FileRow, 'filesize' | 'sha256'>): Promise<StorageFile | null> =>
  ctx.tx(async tx => {
    const row = await lockFile(tx, id)
    if (!row || row.status === 'available') return row ? view(row) : null
    const done = await files.update(tx, row, { ...content, status: 'available' })
    await tx.emit('storage_file.created', done)
    for (let some = await partsOf(tx, id); some.length > 0; some = await partsOf(tx, id)) {
      for (const part of some) await parts.system.remove(tx, part)
      await erase(tx, some)
    }
    return view(done)
  })

const partsOf = (tx: StorageTx, file_id: string) => parts.system.find(tx, { file_id }, { limit: 500 })

/** Erases objects once the transaction has committed, whatever happens to this process. */
export async function erase(tx: StorageTx, objects: readonly Pick<Sealed, 'object_key'>[]): Promise<void> {
  for (const { object_key } of objects) await tx.setTimer('erase', { key: `erase:${object_key}`, at: tx.now(), payload: { object_key } })
}

/** Takes a file away: the row is kept as deleted, the content is erased. */
export async function remove(tx: StorageTx, row: FileRow): Promise<StorageFile> {
  const marked = await files.update(tx, row, { status: 'deleted' })
  const removed = await files.remove(tx, marked)
  await tx.emit('storage_file.deleted', removed)
  await erase(tx, [row])
  return view(removed)
}
