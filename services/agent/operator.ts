import { once } from 'node:events'
import type { AgentContext } from '@voipbin/generated/rpc/agent'
import { hashPassword, isDuplicate, operatorCustomerId } from '@voipbin/kernel'
import { config } from './config.ts'
import { shownAgent, usernameKey } from './rules.ts'
import { agents } from './schema.ts'

/** Job: makes the first super admin of a new installation. One that is there keeps the password it has. */
export async function makeSuperAdmin(ctx: AgentContext): Promise<void> {
  const { SUPER_ADMIN_USERNAME: username, SUPER_ADMIN_PASSWORD: password } = config.of(ctx)
  if (username !== undefined && password !== undefined) {
    const [known] = await agents.system.find(ctx, { username_key: usernameKey(username) }, { limit: 1 })
    if (!known) await insertAdmin(ctx.as(operatorCustomerId) as AgentContext, username, password)
  }
  if (!ctx.signal.aborted) await once(ctx.signal, 'abort')
}

async function insertAdmin(ctx: AgentContext, username: string, password: string): Promise<void> {
  const password_hash = await hashPassword(password)
  try {
    await ctx.tx(async tx => {
      const row = await agents.insert(tx, {
        username,
        username_key: usernameKey(username),
        password_hash,
        name: 'Super admin',
        detail: '',
        ring_method: 'ring_all',
        status: 'offline',
        permissions: ['project_super_admin'],
        addresses: [],
      })
      await tx.emit('agent.created', shownAgent(row))
    })
    ctx.log.info('super admin made')
  } catch (error) {
    if (!isDuplicate(error, 'agent_agents_username')) throw error
  }
}
