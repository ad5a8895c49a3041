import { setTimeout } from 'node:timers/promises'
import { type StorageConsumers, type StorageTimers, storageContract } from '@voipbin/generated/rpc/storage'
import { defineService } from '@voipbin/kernel'
import { config } from './config.ts'
import { type Ctx, erase, remove, type StorageTx, storeOf } from './files.ts'
import { handlers } from './handlers.ts'
import * as schema from './schema.ts'
import { files, parts } from './schema.ts'

/** Rows one transaction of a clean-up takes. */
const batch = 100

const timers = {
  erase: (ctx: Ctx, { object_key }: { object_key: string }) => storeOf(ctx).delete(object_key),
} satisfies StorageTimers

/** Nobody writes one object for so long without a chunk, in milliseconds. */
const abandoned_ms = 3_600_000
const sweepEvery_ms = 600_000

/** Removes what processes that died have left half written, for as long as this process leads. */
async function sweep(ctx: Ctx): Promise<void> {
  while (!ctx.signal.aborted) {
    try {
      const removed = await storeOf(ctx).sweep(new Date(ctx.now().getTime() - abandoned_ms))
      if (removed > 0) ctx.log.warn('unfinished objects removed', { removed })
    } catch (error) {
      ctx.log.error('storage not swept', { err: error })
    }
    await setTimeout(sweepEvery_ms, undefined, { signal: ctx.signal }).catch(() => 'another one leads from here on')
  }
}

const consumers: StorageConsumers = {
  'customer.deleted': async (ctx, { data }) => {
    const mine = ctx.as(data.id)
    for (const some of [removeFiles, removeParts]) while ((await mine.tx(some)) === batch);
  },
}

async function removeFiles(tx: StorageTx): Promise<number> {
  const rows = await files.system.find(tx, { customer_id: tx.customer_id }, { limit: batch, forUpdate: true })
  for (const row of rows) await remove(tx, row)
  return rows.length
}

async function removeParts(tx: StorageTx): Promise<number> {
  const rows = await parts.system.find(tx, { customer_id: tx.customer_id }, { limit: batch, forUpdate: true })
  for (const row of rows) await parts.system.remove(tx, row)
  await erase(tx, rows)
  return rows.length
}

export default defineService(storageContract, { handlers, consumers, timers, jobs: { sweep }, config, schema })
