import { type NumberContext, numberContract } from '@voipbin/generated/rpc/number'
import { defineService } from '@voipbin/kernel'
import { consumers } from './events.ts'
import { handlers } from './handlers.ts'
import { type Order, settle } from './purchase.ts'
import * as schema from './schema.ts'

export default defineService(numberContract, {
  handlers,
  consumers,
  timers: { pay: async (ctx: NumberContext, order: Order) => void (await settle(ctx, order)) },
  schema,
})
