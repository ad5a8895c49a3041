import { customerContract } from '@voipbin/generated/rpc/customer'
import { defineService } from '@voipbin/kernel'
import { auditOwners } from './audits.ts'
import { config } from './config.ts'
import { accesskeyHandlers } from './handlers/accesskeys.ts'
import { auditHandlers } from './handlers/audits.ts'
import { customerHandlers } from './handlers/customers.ts'
import { makeOperator } from './operator.ts'
import * as schema from './schema.ts'

export default defineService(customerContract, {
  handlers: { ...customerHandlers, ...accesskeyHandlers, ...auditHandlers },
  consumers: {},
  jobs: { operator: makeOperator },
  schema,
  resources: { audit: auditOwners },
  config,
})
