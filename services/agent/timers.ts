import { once } from 'node:events'
import type { AgentContext } from '@voipbin/generated/rpc/agent'
import { inArray, lt } from 'drizzle-orm'
import { sessionTable } from './schema.ts'
import { endOne } from './sessions.ts'

const hour_ms = 3_600_000
/** Rows that one transaction touches: nobody waits long for their locks. */
const step = 500

const inAnHour = (ctx: AgentContext): Promise<void> =>
  ctx.tx(tx => tx.setTimer('sweepSessions', { key: 'sweepSessions', at: new Date(tx.now().getTime() + hour_ms), payload: {} }))

/** Job: the first sweep is at the start, and from then on every hour. */
export async function scheduleSweep(ctx: AgentContext): Promise<void> {
  await ctx.tx(tx => tx.setTimer('sweepSessions', { key: 'sweepSessions', at: tx.now(), payload: {} }))
  if (!ctx.signal.aborted) await once(ctx.signal, 'abort')
}

export const timers = {
  /** The token of a session has run out: who watches learns that the agent is signed in no more. */
  sessionExpired: async (ctx: AgentContext, session: { id: string; agent_id: string }) => {
    await ctx.tx(async tx => {
      await endOne(tx, session)
    })
  },

  /** Deletes sessions that ended more than an hour ago. The next run is set first: a sweep that is cut short goes on then. */
  sweepSessions: async (ctx: AgentContext) => {
    await inAnHour(ctx)
    const ended = lt(sessionTable.tm_delete, new Date(ctx.now().getTime() - hour_ms).toISOString())
    for (;;) {
      const rows = await ctx.db.select({ id: sessionTable.id }).from(sessionTable).where(ended).limit(step)
      const ids = rows.map(({ id }) => id)
      if (ids.length > 0) await ctx.tx(async tx => void (await tx.db.delete(sessionTable).where(inArray(sessionTable.id, ids))))
      if (ids.length < step) return
    }
  },
}
