import { type StorageConsumers, type StorageTimers, storageContract } from '@voipbin/generated/rpc/storage'
import { defineService } from '@voipbin/kernel'
import { config } from './config.ts'
import { abandoned_ms, type Ctx, erase, remove, type StorageTx, storeOf } from './files.ts'
import { handlers } from './handlers.ts'
import * as schema from './schema.ts'
import { files, parts } from './schema.ts'

/** Rows one transaction of a clean-up takes. */
const batch = 100

const timers = {
  erase: (ctx: Ctx, { object_key }: { object_key: string }) => storeOf(ctx).delete(object_key),
  /** What processes that died have left half written. */
  sweep: async (ctx: Ctx) => {
    const removed = await storeOf(ctx).sweep(new Date(ctx.now().getTime() - abandoned_ms))
    if (removed > 0) ctx.log.warn('unfinished objects removed', { removed })
  },
} satisfies StorageTimers

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

export default defineService(storageContract, { handlers, consumers, timers, config, schema })
