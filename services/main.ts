import { errors } from '@voipbin/generated/errors'
import {
  ConfigError,
  createLogger,
  loadConfig,
  openBus,
  openCache,
  openDb,
  openHttp,
  openStates,
  serve,
  serveHealth,
  setInstallationKey,
  sharedConfig,
} from '@voipbin/kernel'
import { chosenServices, loadService } from './registry.ts'

/** Runs services until SIGTERM or SIGINT: `node services/main.ts <service…|all>`. */
async function main(): Promise<void> {
  const names = chosenServices(process.argv.slice(2))
  const config = loadConfig(sharedConfig)
  const services = await Promise.all(names.map(loadService))
  const name = names.length === 1 ? (names[0] ?? 'services') : 'services'
  const log = createLogger({ service: name, level: config.LOG_LEVEL, ...(config.INSTANCE && { instance: config.INSTANCE }) })
  setInstallationKey(config.INSTALLATION_KEY)
  const database = openDb({ url: config.MYSQL_URL, pool_max: config.MYSQL_POOL_MAX })
  const cache = openCache({ url: config.REDIS_URL, prefix: config.REDIS_PREFIX, log })
  const bus = await openBus({ url: config.AMQP_URL, log, name: config.INSTANCE ?? name, prefix: config.REDIS_PREFIX })
  const http = openHttp({ allow_private: config.HTTP_ALLOW_PRIVATE, allow: config.HTTP_ALLOW_ADDRESSES })
  const states = await openStates(config.ZMQ_BIND, log)
  let ready = () => false
  const health = await serveHealth({
    port: config.PORT_HEALTH,
    host: config.HOST_HEALTH,
    metrics_port: config.PORT_METRICS,
    checks: {
      services: async () => {
        if (!ready()) throw new Error('not taking requests')
      },
      mysql: () => database.ping(),
    },
    optional: { redis: () => cache.ping() },
  })
  const closeAll = () => Promise.all([bus.close(), database.close(), cache.close(), http.close(), health.close(), states?.close()])

  const started = serve(services, { bus, database, cache, http, log, errors, states, env: process.env })
  let stopping: Promise<void> | undefined
  const stop = (signal: string): Promise<void> => {
    stopping ??= (async () => {
      log.info('stopping', { signal })
      health.drain()
      await (await started).close()
      await closeAll()
    })()
    return stopping
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void stop(signal).catch(fail))

  try {
    const running = await started
    ready = () => running.isReady
  } catch (error) {
    await closeAll()
    throw error
  }
}

function fail(error: unknown): void {
  // What is wrong with the command line or the configuration is a sentence for the operator; anything else needs its stack.
  const isMistake =
    error instanceof ConfigError || (error instanceof Error && /^(name the services|unknown service|the service )/.test(error.message))
  console.error(isMistake ? (error as Error).message : error)
  process.exit(1)
}

await main().catch(fail)
