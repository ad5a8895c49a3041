import { AppError, uuid7 } from '@voipbin/kernel'
import type { CredentialStore, CustomerState } from '../credentials-store.ts'
import { gatewayCaller } from '../credentials-store.ts'
import { fail, of } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import type { Gate } from '../gate.ts'
import type { Identity } from '../identity.ts'
import type { Override } from '../pipeline.ts'
import type { Rpc } from '../rpc.ts'
import { credentialHash, type Tokens } from '../tokens.ts'

export interface AuthParts {
  rpc: Rpc
  tokens: Tokens
  gate: Gate
  store: CredentialStore
  /** Closes sockets and forgets what is known of the credential with this hash. */
  revoke(hash: string): Promise<void>
}
interface Agent {
  id: string
  customer_id: string
  username: string
  permissions: string[]
}
interface Session {
  tm_delete: string | null
  permissions: string[]
}

/** Logins per minute of somebody nobody knows yet. */
const unknownLoginLimit = 10
const microseconds = (ms: number): string => new Date(ms).toISOString().replace('Z', '000Z')

/** What the row of a session records about where it came from. */
const origin = (exchange: Exchange) => ({
  source_ip: exchange.address.slice(0, 45),
  user_agent: (exchange.header('user-agent') ?? '').slice(0, 512),
})

function tokenOf(exchange: Exchange): Identity & { agent_id: string } {
  const identity = exchange.identity
  if (identity?.kind !== 'token' || identity.agent_id === null) throw of('AGENT_REQUIRED')
  return { ...identity, agent_id: identity.agent_id }
}

/** Agent or session went away since the request came in: the credentials stand for nobody any more. */
async function alive<T>(exchange: Exchange, asked: Promise<T>): Promise<T> {
  try {
    return await asked
  } catch (error) {
    if (!(error instanceof AppError) || !['AGENT_NOT_FOUND', 'SESSION_NOT_FOUND'].includes(error.reason)) throw error
    throw exchange.identity?.kind === 'token' ? fail.tokenExpired() : of('AGENT_REQUIRED')
  }
}

/** Whose profile `/me` is. Clients that only have an access key ask it to see whether the key works: it shows the agent that made the key. */
function ownAgentOf(exchange: Exchange): string {
  const { identity } = exchange
  if (identity?.kind === 'accesskey' && identity.maker_id && identity.permissions.has('agent_read')) return identity.maker_id
  return tokenOf(exchange).agent_id
}

/** `/auth/*` and `/me`: the gateway makes the tokens, the agent service knows passwords and sessions. */
export function authOverrides({ rpc, tokens, gate, store, revoke }: AuthParts): Record<string, Override> {
  // Raised limits are a customer's, and whose name this is is known only after a login that went well.
  const limits = new Map<string, number>()

  /** A token for an agent, and the answer that brings it. Its session is still to be stored. */
  const issue = async ({ id: agent_id, customer_id, username, permissions }: Agent) => {
    const jti = uuid7()
    const { token, claims } = await tokens.sign({ customer_id, agent_id, permissions, jti }, Date.now())
    const tm_expire = microseconds(claims.exp * 1_000)
    return { jti, answer: { username, token, customer_id, agent_id, permissions, tm_expire } }
  }

  const login: Override = async (exchange, input) => {
    const { username, password } = input as { username: string; password: string }
    await gate.admitLogin(exchange, username, limits.get(username) ?? unknownLoginLimit)
    const before = gatewayCaller(exchange.request_id, exchange.started + exchange.route.timeout_ms)
    const agent = await gate.watchLogin(
      exchange,
      () => rpc.call({ ...before, ...origin(exchange) }, 'verifyAgentPassword', { username, password }) as Promise<Agent>,
    )
    const state = await store.customer(agent.customer_id, before)
    if (state.status !== 'active') throw fail.frozen()
    rememberLimit(limits, username, state)
    const { jti, answer } = await issue(agent)
    const { token, tm_expire } = answer
    const caller = {
      ...before,
      customer_id: agent.customer_id,
      agent_id: agent.id,
      actor: { type: 'agent' as const, id: agent.id },
      permissions: agent.permissions,
      address: exchange.address,
      user_agent: exchange.header('user-agent'),
    }
    await rpc.call(caller, 'createSession', { agent_id: agent.id, token_hash: credentialHash(token), jti, tm_expire, ...origin(exchange) })
    return answer
  }

  const logout: Override = async exchange => {
    const { hash, agent_id } = tokenOf(exchange)
    const session = (await alive(exchange, rpc.call(exchange.caller, 'deleteSession', { token_hash: hash }))) as Session
    await revoke(hash)
    return { agent_id, tm_logout: session.tm_delete ?? microseconds(Date.now()) }
  }

  const refresh: Override = async exchange => {
    const identity = tokenOf(exchange)
    const { caller } = exchange
    const agent = (await alive(exchange, rpc.call(caller, 'getAgent', { id: identity.agent_id }))) as Agent
    const { jti, answer } = await issue(agent)
    const { token, tm_expire } = answer
    const input = { token_hash: identity.hash, new_token_hash: credentialHash(token), new_jti: jti, tm_expire, ...origin(exchange) }
    await alive(exchange, rpc.call(caller, 'refreshSession', input))
    await revoke(identity.hash)
    return answer
  }

  const me: Override = async exchange =>
    (await alive(exchange, rpc.call(exchange.caller, 'getAgent', { id: ownAgentOf(exchange) }))) as object

  return { login, logout, refresh, getMe: me, getMeUnversioned: me }
}

function rememberLimit(limits: Map<string, number>, username: string, state: CustomerState): void {
  if (state.rate_limits.login === unknownLoginLimit) limits.delete(username)
  else {
    if (limits.size > 10_000) limits.clear()
    limits.set(username, state.rate_limits.login)
  }
}
