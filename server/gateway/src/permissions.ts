/** The roles an agent or access key may hold (`DECISIONS.md` 25). Everything else a grant may be is a single permission. */
export const roles = ['customer_admin', 'customer_manager', 'customer_agent', 'project_super_admin'] as const
export type Role = (typeof roles)[number]

/** Whose rows an operation is about. */
export type Owner = 'customer' | 'self' | 'platform'
export interface PermissionUse {
  permission: string
  owner: Owner
}

/** Resources a manager does not touch: money, credentials and the customer itself. Reading is allowed, except for access keys. */
const adminOnly: ReadonlySet<string> = new Set(['accesskey', 'billing', 'billing_account', 'customer', 'audit', 'setting'])
/** What an agent may do besides reading: the daily work with calls. The own presence needs no permission. */
const agentMay: ReadonlySet<string> = new Set(['call_create', 'call_update', 'call_delete'])
/** What an agent does not see. */
const agentBlind: ReadonlySet<string> = new Set([
  'accesskey',
  'audit',
  'billing',
  'billing_account',
  'webhook',
  'provider',
  'route',
  'setting',
])

/** Splits `billing_account_read` into its resource and its verb. */
const split = (permission: string): { resource: string; verb: string } => {
  const at = permission.lastIndexOf('_')
  return { resource: permission.slice(0, at), verb: permission.slice(at + 1) }
}

/**
 * What each role amounts to, worked out from the permissions the contract names. A permission that is used for platform rows only belongs
 * to the project's own administrators; all others to the customer's administrator.
 */
export function expandRoles(uses: readonly PermissionUse[]): ReadonlyMap<Role, ReadonlySet<string>> {
  const all = new Set(uses.map(use => use.permission).filter(permission => permission !== 'public' && permission !== 'authenticated'))
  const customers = new Set(uses.filter(use => use.owner !== 'platform').map(use => use.permission))
  const admin = [...all].filter(permission => customers.has(permission))
  const manager = admin.filter(permission => {
    const { resource, verb } = split(permission)
    return !adminOnly.has(resource) || (verb === 'read' && resource !== 'accesskey')
  })
  const agent = admin.filter(permission => {
    const { resource, verb } = split(permission)
    return agentMay.has(permission) || (verb === 'read' && !agentBlind.has(resource))
  })
  return new Map<Role, ReadonlySet<string>>([
    ['customer_admin', new Set(admin)],
    ['customer_manager', new Set(manager)],
    ['customer_agent', new Set(agent)],
    ['project_super_admin', all],
  ])
}

/** Turns grants (roles and single permissions) into the set of permissions; results are kept, because few combinations exist. */
export function permissionExpander(uses: readonly PermissionUse[]): (grants: readonly string[]) => ReadonlySet<string> {
  const byRole = expandRoles(uses)
  const platformOnly = new Set(byRole.get('project_super_admin'))
  for (const permission of byRole.get('customer_admin') ?? []) platformOnly.delete(permission)
  const known = new Map<string, ReadonlySet<string>>()
  return grants => {
    const name = grants.join(' ')
    const found = known.get(name)
    if (found) return found
    const permissions = new Set<string>()
    for (const grant of grants) {
      const expanded = byRole.get(grant as Role)
      // A single grant never opens the platform's own rows: only the role does.
      if (expanded) for (const permission of expanded) permissions.add(permission)
      else if (!platformOnly.has(grant)) permissions.add(grant)
    }
    if (known.size > 1_000) known.clear()
    known.set(name, permissions)
    return permissions
  }
}

export const isSuperAdmin = (grants: readonly string[]): boolean => grants.includes('project_super_admin')
