import { ConfigError, createLogger, openBus, openCache, openDb, serveHealth, setInstallationKey } from '@voipbin/kernel'
import { readConfig } from './config.ts'
import { startGateway } from './gateway.ts'

/** The gateway as a program: reads the environment, starts, and stops on SIGTERM or SIGINT. */
async function main(): Promise<void> {
  const config = readConfig()
  const log = createLogger({ service: 'gateway', level: config.LOG_LEVEL, ...(config.INSTANCE && { instance: config.INSTANCE }) })
  setInstallationKey(config.INSTALLATION_KEY)
  const database = openDb({ url: config.MYSQL_URL, pool_max: config.MYSQL_POOL_MAX })
  const cache = openCache({ url: config.REDIS_URL, prefix: config.REDIS_PREFIX, log })
  const bus = await openBus({ url: config.AMQP_URL, log, name: 'gateway', prefix: config.REDIS_PREFIX })
  await cache.ready()
  const gateway = await startGateway({ config, bus, database, cache, log })
  const health = await serveHealth({
    port: config.PORT_HEALTH,
    host: config.HOST_HEALTH,
    metrics_port: config.PORT_METRICS,
    checks: { mysql: () => database.ping(), rabbitmq: async () => (bus.isUp ? undefined : Promise.reject(new Error('away'))) },
    optional: { redis: () => cache.ping() },
  })
  const stop = async (signal: string): Promise<void> => {
    log.info('stopping', { signal })
    health.drain()
    await gateway.close()
    await Promise.all([bus.close(), database.close(), cache.close(), health.close()])
    process.exit(0)
  }
  process.once('SIGTERM', signal => void stop(signal))
  process.once('SIGINT', signal => void stop(signal))
}

main().catch(error => {
  console.error(error instanceof ConfigError ? error.message : error)
  process.exit(1)
})
