import type { AgentHandlers } from '@voipbin/generated/rpc/agent'
import { checkPassword, hashPassword, invalidate, isOutdated, recordAudit, stamp } from '@voipbin/kernel'
import { eq } from 'drizzle-orm'
import { sameGrants, shownAgent, usernameKey } from '../rules.ts'
import { type AgentRow, agents, agentTable, type SessionRow, sessions } from '../schema.ts'
import { type AgentTx, endOne, endSession, findSession, lockAgent, noteActivity, timerKey } from '../sessions.ts'

interface Login {
  token_hash: string
  jti: string
  tm_expire: string
  source_ip: string
  user_agent: string
}

async function open(tx: AgentTx, agent: AgentRow, login: Login): Promise<SessionRow> {
  const { id, customer_id, permissions } = agent
  const row = await sessions.system.insert(tx, { ...login, customer_id, agent_id: id, permissions, tm_activity: stamp(tx.now()) })
  await tx.setTimer('sessionExpired', { key: timerKey(row.id), at: new Date(login.tm_expire), payload: { id: row.id, agent_id: id } })
  return row
}

/** Puts another hash in place of one that was made with an older cost. */
async function rehash(tx: AgentTx, id: string, password_hash: string): Promise<void> {
  await tx.db.update(agentTable).set({ password_hash }).where(eq(agentTable.id, id))
  tx.afterCommit(() => invalidate(`agent:${id}`))
}

export const sessionHandlers = {
  verifyAgentPassword: async (ctx, { username, password }) => {
    const [row] = await agents.system.find(ctx, { username_key: usernameKey(username) }, { limit: 1 })
    const right = await checkPassword(row?.password_hash ?? null, password)
    if (!row || !right) throw ctx.error('LOGIN_FAILED')
    if (isOutdated(row.password_hash)) {
      const password_hash = await hashPassword(password)
      await ctx.tx(tx => rehash(tx, row.id, password_hash))
    }
    return shownAgent(row)
  },
  createSession: (ctx, { agent_id, ...login }) =>
    ctx.tx(async tx => {
      const agent = await lockAgent(tx, agent_id)
      if (!agent || agent.customer_id !== ctx.customer_id) throw ctx.error('AGENT_NOT_FOUND')
      // The token was made a moment ago from what the agent might do then.
      if (!sameGrants(ctx.permissions, agent.permissions)) throw ctx.error('CONFLICT')
      const session = await open(tx, agent, login)
      const tm_login = session.tm_create
      await tx.db.update(agentTable).set({ tm_login }).where(eq(agentTable.id, agent_id))
      tx.afterCommit(() => invalidate(`agent:${agent_id}`))
      await recordAudit(tx, { action: 'login', resource_type: 'agent', resource_id: agent_id })
      await tx.emit('agent.login', shownAgent({ ...agent, tm_login }))
      return session
    }),
  getSession: async (ctx, { token_hash }) => {
    const row = await findSession(ctx, token_hash)
    if (!row) throw ctx.error('SESSION_NOT_FOUND')
    return noteActivity(ctx, row)
  },
  refreshSession: (ctx, { token_hash, new_token_hash, new_jti, ...login }) =>
    ctx.tx(async tx => {
      const known = await findSession({ db: tx.db, cache: ctx.cache, now: () => tx.now() }, token_hash)
      const agent = known && (await lockAgent(tx, known.agent_id))
      // Again, now that nobody else can end it.
      const [old] = agent ? await sessions.system.find(tx, { token_hash }, { limit: 1, forUpdate: true }) : []
      if (!agent || !old) throw ctx.error('SESSION_NOT_FOUND')
      const session = await open(tx, agent, { ...login, token_hash: new_token_hash, jti: new_jti })
      await endSession(tx, old)
      const { customer_id } = agent
      await recordAudit(tx, { action: 'refresh', resource_type: 'agent', resource_id: agent.id, customer_id })
      return session
    }),
  deleteSession: (ctx, { token_hash }) =>
    ctx.tx(async tx => {
      const [row] = await sessions.system.find(tx, { token_hash }, { limit: 1 })
      const ended = row && (await endOne(tx, row))
      if (!ended) throw ctx.error('SESSION_NOT_FOUND')
      return ended
    }),
} satisfies Partial<AgentHandlers>
