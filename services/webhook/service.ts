import { webhookContract } from '@voipbin/generated/rpc/webhook'
import { defineService } from '@voipbin/kernel'
import { config } from './config.ts'
import { runEngine } from './engine.ts'
import { consumers } from './events.ts'
import { deliveryHandlers } from './handlers/deliveries.ts'
import { endpointHandlers } from './handlers/endpoints.ts'
import { replayHandlers } from './handlers/replays.ts'
import { replayStep } from './replay.ts'
import { cancelAddress, cancelAll, scheduleSweep, sweep } from './retention.ts'
import * as schema from './schema.ts'

export default defineService(webhookContract, {
  handlers: { ...endpointHandlers, ...deliveryHandlers, ...replayHandlers },
  consumers,
  timers: { cancel: cancelAll, cancel_address: cancelAddress, replay: replayStep, sweep },
  workers: {
    engine: async ctx => {
      await scheduleSweep(ctx)
      await runEngine(ctx)
    },
  },
  schema,
  config,
})
