import { callContract } from '@voipbin/generated/rpc/call'
import { defineService } from '@voipbin/kernel'
import { watchActiveCalls } from './active-calls.ts'
import { config } from './config.ts'
import { consumers } from './events.ts'
import { callHandlers } from './handlers/calls.ts'
import { groupcallHandlers } from './handlers/groupcalls.ts'
import { recordingHandlers } from './handlers/recordings.ts'
import * as schema from './schema.ts'
import { timers } from './timers.ts'

export default defineService(callContract, {
  handlers: { ...callHandlers, ...groupcallHandlers, ...recordingHandlers },
  consumers,
  timers,
  jobs: { active_calls: watchActiveCalls },
  schema,
  config,
})
