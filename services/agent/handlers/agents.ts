import type { AgentContext, AgentHandlers } from '@voipbin/generated/rpc/agent'
import type { Address, AddressInput, Agent } from '@voipbin/generated/schemas'
import { checkPassword, hashPassword, isDuplicate, type Patch } from '@voipbin/kernel'
import { addressOf, isAdmin, sameGrants, shownAgent, usernameKey } from '../rules.ts'
import { type AgentRow, agents, type agentTable } from '../schema.ts'
import { type AgentTx, endSessions } from '../sessions.ts'

type Fail<R extends string> = { error(reason: R, data?: object): Error }

function addressesOf(ctx: Fail<'ADDRESS_TYPE_REFUSED'>, inputs: readonly AddressInput[]): Address[] {
  return inputs.map((input, index) => {
    const address = addressOf(input)
    if (address.type !== 'agent') return address
    throw ctx.error('ADDRESS_TYPE_REFUSED', {
      details: [{ field: `/addresses/${index}/type`, rule: 'enum', expected: 'conference, extension, sip or tel' }],
    })
  })
}

async function save(tx: AgentTx, target: AgentRow | string, patch: Patch<typeof agentTable>): Promise<AgentRow> {
  const row = await agents.update(tx, target, patch)
  await tx.emit('agent.updated', shownAgent(row))
  return row
}

const change = (ctx: AgentContext, id: string, patch: Patch<typeof agentTable>): Promise<Agent> =>
  ctx.tx(async tx => shownAgent(await save(tx, id, patch)))

/** Every agent of the customer that may administer it, locked, so that two of them cannot remove each other. */
async function admins(tx: AgentTx): Promise<AgentRow[]> {
  const rows = await agents.system.find(tx, { customer_id: tx.customer_id }, { limit: 10_000, forUpdate: true })
  return rows.filter(row => isAdmin(row.permissions))
}

async function keepAnAdmin(ctx: Fail<'AGENT_LAST_ADMIN'>, tx: AgentTx, id: string): Promise<void> {
  const left = await admins(tx)
  if (left.length === 1 && left[0]?.id === id) throw ctx.error('AGENT_LAST_ADMIN')
}

/** The agent as it is now and nobody else can change it. */
const locked = async (tx: AgentTx, id: string): Promise<AgentRow | undefined> => {
  const [row] = await agents.system.find(tx, { id, customer_id: tx.customer_id }, { limit: 1, forUpdate: true })
  return row
}

async function setStatus(tx: AgentTx, row: AgentRow, status: Agent['status']): Promise<Agent> {
  if (row.status === status) return shownAgent(row)
  const agent = shownAgent(await agents.update(tx, row, { status }))
  await tx.emit('agent.status_change', agent)
  return agent
}

export const agentHandlers = {
  listAgents: async (ctx, { page_size, page_token, status }) => {
    const page = await agents.list(ctx, { page_size, page_token, where: { status } })
    return { ...page, result: page.result.map(shownAgent) }
  },
  createAgent: async (ctx, { password, addresses = [], ...input }) => {
    const reached = addressesOf(ctx, addresses)
    const password_hash = await hashPassword(password)
    try {
      return await ctx.tx(async tx => {
        const row = await agents.insert(tx, {
          ...input,
          username_key: usernameKey(input.username),
          password_hash,
          status: 'offline',
          addresses: reached,
        })
        const agent = shownAgent(row)
        await tx.emit('agent.created', agent)
        return agent
      })
    } catch (error) {
      if (isDuplicate(error, 'agent_agents_username')) throw ctx.error('AGENT_USERNAME_TAKEN')
      throw error
    }
  },
  getAgent: async (ctx, { id }) => shownAgent(await agents.require(ctx, id)),
  updateAgent: (ctx, { id, ...patch }) => change(ctx, id, patch),
  updateAgentAddresses: async (ctx, { id, addresses }) => change(ctx, id, { addresses: addressesOf(ctx, addresses) }),
  updateAgentStatus: (ctx, { id, status }) =>
    ctx.tx(async tx => {
      const row = await locked(tx, id)
      if (!row) throw ctx.error('AGENT_NOT_FOUND')
      return setStatus(tx, row, status)
    }),
  updateAgentPassword: async (ctx, { id, password }) => {
    const password_hash = await hashPassword(password)
    return ctx.tx(async tx => {
      const row = await save(tx, id, { password_hash })
      await endSessions(tx, row)
      return shownAgent(row)
    })
  },
  updateAgentPermissions: (ctx, { id, permissions }) =>
    ctx.tx(async tx => {
      if (!isAdmin(permissions)) await keepAnAdmin(ctx, tx, id)
      const row = await locked(tx, id)
      if (!row) throw ctx.error('AGENT_NOT_FOUND')
      if (sameGrants(row.permissions, permissions)) return shownAgent(row)
      const changed = await save(tx, row, { permissions })
      await endSessions(tx, changed)
      return shownAgent(changed)
    }),
  deleteAgent: (ctx, { id }) =>
    ctx.tx(async tx => {
      await keepAnAdmin(ctx, tx, id)
      const row = await locked(tx, id)
      if (!row) throw ctx.error('AGENT_NOT_FOUND')
      return removeAgent(tx, row)
    }),
  updateMyStatus: (ctx, { status }) =>
    ctx.tx(async tx => {
      const row = ctx.agent_id === null ? undefined : await locked(tx, ctx.agent_id)
      if (!row) throw ctx.error('AGENT_REQUIRED')
      return setStatus(tx, row, status)
    }),
  updateMyPassword: async (ctx, { current_password, password }) => {
    const password_hash = await hashPassword(password)
    // The check is part of the transaction: when the same request comes again, its answer is the recorded one, not "wrong password".
    return ctx.tx(async tx => {
      const row = ctx.agent_id === null ? undefined : await locked(tx, ctx.agent_id)
      if (!row) throw ctx.error('AGENT_REQUIRED')
      if (!(await checkPassword(row.password_hash, current_password))) throw ctx.error('PASSWORD_WRONG')
      const changed = await save(tx, row, { password_hash })
      await endSessions(tx, changed)
      return shownAgent(changed)
    })
  },
  listAgentAddresses: async (ctx, { id }) => {
    const { ring_method, status, addresses } = await agents.require(ctx, id)
    return { agent_id: id, ring_method, status, addresses }
  },
} satisfies Partial<AgentHandlers>

/** Ends the agent's sessions and removes it. */
export async function removeAgent(tx: AgentTx, row: AgentRow): Promise<Agent> {
  await endSessions(tx, row)
  const agent = shownAgent(await agents.system.remove(tx, row))
  await tx.emit('agent.deleted', agent)
  return agent
}
