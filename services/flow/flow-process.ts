// The flow service in a process that a test kills: see flow-kill.int.test.ts.
import { once } from 'node:events'
import { errors } from '@voipbin/generated/errors'
import { createLogger, noCache, openBus, openDb, openHttp, serve, setInstallationKey } from '@voipbin/kernel'
import { testKey } from '../test-app.ts'
import flow from './service.ts'

const [amqp_url = '', mysql_url = '', prefix = ''] = process.argv.slice(2)
await once(process, 'message')
setInstallationKey(testKey)
const log = createLogger({ service: 'flow', level: 'silent' })
const bus = await openBus({ url: amqp_url, log, prefix })
const database = openDb({ url: mysql_url })
await serve([flow], { bus, database, cache: noCache, http: openHttp(), log, errors, env: {}, timer_lease_ms: 600 })
process.send?.('ready')
