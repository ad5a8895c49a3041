import type { Address, AddressInput, Agent } from '@voipbin/generated/schemas'
import { isUuid, tokenHash } from '@voipbin/kernel'
import type { AgentRow } from './schema.ts'

export const usernameKey = (username: string): string => tokenHash(username.normalize('NFC').toLowerCase())

const e164 = /^\+[1-9][0-9]{6,14}$/
const sipUri = /^sips?:[^\s@]+@[^\s@]+$/

/** Fills in what a request may leave out. Without a type the form of the target tells it. */
export function addressOf({ type, target, target_name = '', name = '', detail = '' }: AddressInput): Address {
  return { type: type ?? typeOf(target), target, target_name, name, detail }
}

function typeOf(target: string): Address['type'] {
  if (e164.test(target)) return 'tel'
  if (sipUri.test(target)) return 'sip'
  return isUuid(target.toLowerCase()) ? 'agent' : 'extension'
}

const adminRoles: readonly string[] = ['customer_admin', 'project_super_admin']
/** Whether somebody with these grants may administer the customer. */
export const isAdmin = (permissions: readonly string[]): boolean => permissions.some(permission => adminRoles.includes(permission))

export const sameGrants = (a: readonly string[], b: readonly string[]): boolean => [...a].sort().join(' ') === [...b].sort().join(' ')

/** An agent as the contract knows it. A deleted one is not there any more. */
export function shownAgent(row: AgentRow): Agent {
  const { username_key, password_hash, version, ...agent } = row
  return { ...agent, status: row.tm_delete === null ? row.status : 'offline' }
}
