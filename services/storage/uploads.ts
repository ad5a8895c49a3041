import type { StorageHandlers } from '@voipbin/generated/rpc/storage'
import type { StorageFile } from '@voipbin/generated/schemas'
import { isDuplicate } from '@voipbin/kernel'
import { type Ctx, complete, erase, lockFile, newObject, type StorageTx, storeOf, sweepLater, view, writeContent } from './files.ts'
import { type Sealed, streamSealed, writeSealed } from './objects.ts'
import { type FileRow, files, type PartRow, parts } from './schema.ts'

type Input = Parameters<StorageHandlers['putFile']>[1]

/** A file in parts, in order. One part that is the whole file becomes its object at once; others wait as objects of their own. */
export const putFile: StorageHandlers['putFile'] = async (ctx, input) => {
  const { id, offset, last } = input
  const bytes = Buffer.from(input.content, 'base64')
  const { row, part } = await plan(ctx, input)
  if (row.status !== 'pending' || row.filesize > offset + bytes.length || (row.filesize > offset && !last)) return view(row)
  // A request that comes again after the file was completed finds its parts gone.
  const now = await files.get({ db: ctx.db, customer_id: ctx.customer_id }, id)
  if (now && now.status !== 'pending') return view(now)
  if (offset === 0 && last) return (await complete(ctx, id, await writeContent(ctx, row, only(bytes)))) ?? view(row)
  const appended = part ? await append(ctx, { id, offset, bytes, part }) : view(row)
  return last ? await assemble(ctx, row) : appended
}

async function* only(bytes: Buffer): AsyncGenerator<Buffer> {
  if (bytes.length > 0) yield bytes
}

interface Planned {
  row: FileRow
  /** Where this part goes; nothing when it is known already. */
  part: Sealed | null
}

async function plan(ctx: Ctx, input: Input): Promise<Planned> {
  try {
    return await ctx.tx(tx => planIn(ctx, tx, input))
  } catch (error) {
    if (!isDuplicate(error)) throw error
    throw ctx.error('CONFLICT', { message: 'This id is taken, or somebody else writes the same file.' })
  }
}

async function planIn(ctx: Ctx, tx: StorageTx, input: Input): Promise<Planned> {
  const { id, reference_type, reference_id, name, filename, content_type, offset } = input
  await sweepLater(tx)
  const known = await lockFile(tx, id)
  const at = known?.filesize ?? 0
  if (offset > at) throw ctx.error('STORAGE_OFFSET_WRONG', { details: [{ field: '/offset', rule: 'maximum', expected: `at most ${at}` }] })
  const owner = { owner_type: 'customer' as const, owner_id: tx.customer_id }
  const row =
    known ??
    (await files.insert(tx, {
      ...newObject(tx),
      ...owner,
      id,
      reference_type,
      reference_id,
      name,
      filename,
      content_type,
      status: 'pending',
    }))
  return { row, part: offset === at && row.status === 'pending' ? newObject(tx) : null }
}

interface Append {
  id: string
  offset: number
  bytes: Buffer
  part: Sealed
}

async function append(ctx: Ctx, { id, offset, bytes, part }: Append): Promise<StorageFile> {
  await writeSealed(storeOf(ctx), part, only(bytes))
  return ctx.tx(async tx => {
    const row = await lockFile(tx, id)
    if (!row) throw ctx.error('STORAGE_OFFSET_WRONG', { message: 'The file was deleted meanwhile.' })
    if (row.status !== 'pending' || row.filesize !== offset) {
      await erase(tx, [part])
      return view(row)
    }
    await parts.insert(tx, { file_id: id, position: offset, size: bytes.length, ...part })
    return view(await files.update(tx, row, { filesize: offset + bytes.length }))
  })
}

/** All parts are there: they become one object. */
async function assemble(ctx: Ctx, row: FileRow): Promise<StorageFile> {
  return (await complete(ctx, row.id, await writeContent(ctx, row, inOrder(ctx, row.id)))) ?? view(row)
}

async function* inOrder(ctx: Ctx, file_id: string): AsyncGenerator<Buffer> {
  for (let position = 0; ; ) {
    const [part]: PartRow[] = await parts.system.find({ db: ctx.db }, { file_id, position }, { limit: 1 })
    if (!part) return
    yield* streamSealed(storeOf(ctx), part)
    if (part.size === 0) return
    position += part.size
  }
}
