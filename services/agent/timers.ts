import type { AgentContext } from '@voipbin/generated/rpc/agent'
import { endOne } from './sessions.ts'

export const timers = {
  /** The token of a session has run out: who watches learns that the agent is signed in no more. */
  sessionExpired: async (ctx: AgentContext, session: { id: string; agent_id: string }) => {
    await ctx.tx(async tx => {
      await endOne(tx, session)
    })
  },
}
