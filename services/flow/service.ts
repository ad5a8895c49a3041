import { flowContract } from '@voipbin/generated/rpc/flow'
import { defineService } from '@voipbin/kernel'
import { config } from './config.ts'
import { consumers } from './events.ts'
import { activeflowHandlers } from './handlers/activeflows.ts'
import { flowHandlers } from './handlers/flows.ts'
import { variableHandlers } from './handlers/variables.ts'
import * as schema from './schema.ts'
import { timers } from './timers.ts'

export default defineService(flowContract, {
  handlers: { ...flowHandlers, ...activeflowHandlers, ...variableHandlers },
  consumers,
  timers,
  config,
  schema,
})
