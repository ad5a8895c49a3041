import { openBus, openCache, openDb, silentLogger } from '@voipbin/kernel'
import { startGateway } from '../src/gateway.ts'
import { fixtureConfig } from './fixture.ts'
import { fixtureContract } from './fixture-contract.ts'
import { fixtureServices } from './fixture-services.ts'

// A gateway of the fixture in a process of its own, for tests that kill it. Arguments: prefix and database.
const [prefix = '', database_url = ''] = process.argv.slice(2)
const config = fixtureConfig({ MYSQL_URL: database_url })
const cache = openCache({ url: config.REDIS_URL, prefix, command_ms: 30_000 })
await cache.ready()
const bus = await openBus({ url: config.AMQP_URL, log: silentLogger, prefix })
const { calls } = fixtureServices({
  agents: new Map(),
  sessions: new Map(),
  accesskeys: new Map(),
  customers: new Map(),
  runs: new Map(),
  hold: undefined,
})
const gateway = await startGateway({
  config,
  bus,
  database: openDb({ url: database_url }),
  cache,
  log: silentLogger,
  contract: fixtureContract(calls),
})
process.send?.({ port: gateway.port, queue: bus.named(`gateway.${gateway.instance}.events`) })
