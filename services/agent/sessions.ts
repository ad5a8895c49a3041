import type { AgentContext, AgentEvents } from '@voipbin/generated/rpc/agent'
import { invalidate, recordAudit, type Tx } from '@voipbin/kernel'
import { sql } from 'drizzle-orm'
import { shownAgent } from './rules.ts'
import { type AgentRow, agents, type SessionRow, sessions, sessionTable } from './schema.ts'

export type AgentTx = Tx<AgentEvents>

export const timerKey = (session_id: string): string => `session:${session_id}`

/** The agent's row, locked: whatever happens to one agent's sessions happens one after another. */
export async function lockAgent(tx: AgentTx, id: string): Promise<AgentRow | undefined> {
  const [row] = await agents.system.find(tx, { id }, { limit: 1, forUpdate: true })
  return row
}

/** Ends one session: its token is refused from the commit on, at every gateway. */
export async function endSession(tx: AgentTx, row: SessionRow): Promise<SessionRow> {
  const ended = await sessions.system.remove(tx, row)
  await tx.cancelTimer(timerKey(row.id))
  tx.afterCommit(() => invalidate(`session:${row.token_hash}`))
  await tx.emit('session.ended', ended)
  return ended
}

export const liveSessions = (tx: AgentTx, agent_id: string): Promise<SessionRow[]> =>
  sessions.system.find(tx, { agent_id }, { limit: 1_000, forUpdate: true })

/** Ends all sessions of an agent that is locked. `agent.logout` tells of it when there were any. */
export async function endSessions(tx: AgentTx, agent: AgentRow): Promise<void> {
  let ended = 0
  for (;;) {
    const rows = await liveSessions(tx, agent.id)
    for (const row of rows) await endSession(tx, row)
    ended += rows.length
    if (rows.length < 1_000) break
  }
  if (ended > 0) await loggedOut(tx, agent)
}

async function loggedOut(tx: AgentTx, agent: AgentRow): Promise<void> {
  await recordAudit(tx, { action: 'logout', resource_type: 'agent', resource_id: agent.id, customer_id: agent.customer_id })
  await tx.emit('agent.logout', shownAgent(agent))
}

/** Ends one session of an agent and, when it was the last one, says that the agent has gone. `undefined`: it had ended before. */
export async function endOne(tx: AgentTx, { agent_id, id }: Pick<SessionRow, 'agent_id' | 'id'>): Promise<SessionRow | undefined> {
  const agent = await lockAgent(tx, agent_id)
  const rows = await liveSessions(tx, agent_id)
  const row = rows.find(one => one.id === id)
  if (!row) return undefined
  const ended = await endSession(tx, row)
  if (agent && rows.length === 1) await loggedOut(tx, agent)
  return ended
}

/** The live session of a token whose agent is there. */
export async function findSession(ctx: Pick<AgentContext, 'db' | 'cache' | 'now'>, token_hash: string): Promise<SessionRow | undefined> {
  const [row] = await sessions.system.find(ctx, { token_hash }, { limit: 1 })
  if (!row || Date.parse(row.tm_expire) <= ctx.now().getTime()) return undefined
  return (await agents.system.get(ctx, row.agent_id)) ? row : undefined
}

/** How exact `tm_activity` is, in milliseconds. */
const activity_ms = 60_000

/** Notes that a session is in use, at most once a minute. A note only: no version, no event. */
export async function noteActivity(ctx: AgentContext, row: SessionRow): Promise<SessionRow> {
  const now = ctx.now()
  if (Date.parse(row.tm_activity) > now.getTime() - activity_ms) return row
  const tm_activity = now.toISOString()
  await ctx.tx(async tx => {
    await tx.db.update(sessionTable).set({ tm_activity }).where(sql`${sessionTable.id} = ${row.id}`)
  })
  return { ...row, tm_activity: tm_activity.replace('Z', '000Z') }
}
