import { registrarContract } from '@voipbin/generated/rpc/registrar'
import { defineService } from '@voipbin/kernel'
import { config } from './config.ts'
import { consumers } from './events.ts'
import { handlers } from './handlers.ts'
import * as schema from './schema.ts'
import { watchContacts } from './watch.ts'

export default defineService(registrarContract, {
  handlers,
  consumers,
  jobs: { contacts: watchContacts },
  schema,
  config,
})
