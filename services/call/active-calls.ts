import { isLive, metrics, pause } from '@voipbin/kernel'
import { and, count, eq, ne } from 'drizzle-orm'
import type { Ctx } from './lifecycle.ts'
import { asteriskTable, callTable } from './schema.ts'

/** How often calls are counted, in milliseconds. */
const again_ms = 15_000

/** Calls on an Asterisk that have not ended, of all customers. */
export async function activeCalls({ db }: Pick<Ctx, 'db'>): Promise<number> {
  const [row] = await db
    .select({ calls: count() })
    .from(asteriskTable)
    .innerJoin(callTable, eq(callTable.asterisk_id, asteriskTable.id))
    .where(and(ne(callTable.status, 'completed'), isLive(callTable)))
  return row?.calls ?? 0
}

/** Keeps the gauge of active calls. Runs on one instance, so that the sum over all of them counts no call twice. */
export async function watchActiveCalls(ctx: Ctx): Promise<void> {
  metrics.activeCalls.set(await activeCalls(ctx))
  await pause(again_ms, ctx.signal)
  if (ctx.signal.aborted) metrics.activeCalls.set(0)
}
