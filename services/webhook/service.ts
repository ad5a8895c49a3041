import { webhookContract } from '@voipbin/generated/rpc/webhook'
import { defineService } from '@voipbin/kernel'
import { consumers } from './events.ts'
import { config, handlers } from './handlers.ts'
import type { Ctx } from './queue.ts'
import * as schema from './schema.ts'
import { deliver } from './send.ts'

export default defineService(webhookContract, {
  handlers,
  consumers,
  timers: { deliver: (ctx: Ctx, { delivery_id }: { delivery_id: string }) => deliver(ctx, delivery_id) },
  schema,
  config,
})
