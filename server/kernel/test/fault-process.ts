// The fixture services in a process that a test kills: see faults.int.test.ts. Loads its modules at once and starts when told to.
import { once } from 'node:events'
import { openBus } from '../src/bus.ts'
import { noCache } from '../src/cache.ts'
import { openDb } from '../src/db.ts'
import { openHttp } from '../src/http.ts'
import { createLogger } from '../src/log.ts'
import { serve } from '../src/serve.ts'
import { alpha, beta, errors } from './fixture.ts'

const [amqp_url = '', mysql_url = '', prefix = ''] = process.argv.slice(2)
await once(process, 'message')
const log = createLogger({ service: 'fixture', level: 'error' })
const bus = await openBus({ url: amqp_url, log, prefix })
const database = openDb({ url: mysql_url })
const app = await serve([alpha, beta], {
  bus,
  database,
  cache: noCache,
  http: openHttp(),
  log,
  errors,
  timer_lease_ms: 600,
  grace_ms: 3_000,
})
process.send?.('ready')
process.on('SIGTERM', async () => {
  await app.close()
  await bus.close()
  await database.close()
  process.exit(0)
})
