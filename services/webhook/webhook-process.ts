// The webhook service in a process of its own, which a test may kill and a benchmark measures: see webhook-kill.int.test.ts.
import { once } from 'node:events'
import { errors } from '@voipbin/generated/errors'
import { createLogger, noCache, openBus, openCache, openDb, openHttp, serve, setInstallationKey } from '@voipbin/kernel'
import { testKey } from '../test-app.ts'
import webhook from './service.ts'

const [amqp_url = '', mysql_url = '', prefix = '', redis_url = ''] = process.argv.slice(2)
await once(process, 'message')
setInstallationKey(testKey)
const log = createLogger({ service: 'webhook', level: process.env.TEST_LOG === 'debug' ? 'debug' : 'silent' })
const bus = await openBus({ url: amqp_url, log, prefix })
const database = openDb({ url: mysql_url })
const cache = redis_url === '' ? noCache : openCache({ url: redis_url, prefix })
const env = { HTTP_ALLOW_ADDRESSES: '127.0.0.1' }
const http = openHttp({ allow: env.HTTP_ALLOW_ADDRESSES })
await serve([webhook], { bus, database, cache, http, log, errors, env, timer_lease_ms: 600 })
// Whoever started it is gone.
process.on('disconnect', () => process.exit())
process.send?.('ready')
