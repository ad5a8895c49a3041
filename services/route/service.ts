import { routeContract } from '@voipbin/generated/rpc/route'
import { defineService } from '@voipbin/kernel'
import { consumers } from './events.ts'
import { handlers } from './handlers.ts'
import * as schema from './schema.ts'

export default defineService(routeContract, { handlers, consumers, schema })
