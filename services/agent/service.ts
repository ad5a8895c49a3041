import { agentContract } from '@voipbin/generated/rpc/agent'
import { defineService } from '@voipbin/kernel'
import { config } from './config.ts'
import { consumers } from './events.ts'
import { agentHandlers } from './handlers/agents.ts'
import { sessionHandlers } from './handlers/sessions.ts'
import { makeSuperAdmin } from './operator.ts'
import * as schema from './schema.ts'
import { scheduleSweep, timers } from './timers.ts'

export default defineService(agentContract, {
  handlers: { ...agentHandlers, ...sessionHandlers },
  consumers,
  timers,
  jobs: { super_admin: makeSuperAdmin, sweep: scheduleSweep },
  schema,
  config,
})
