import { errors } from '@voipbin/generated/errors'
import { asteriskContract } from '@voipbin/generated/rpc/asterisk'
import {
  createLogger,
  defineService,
  loadConfig,
  noCache,
  openBus,
  openHttp,
  openShardedPublisher,
  serve,
  serveHealth,
  shardOf,
} from '@voipbin/kernel'
import { z } from 'zod'
import { proxyConfig } from '../../proxy-config.ts'
import { EdgePicker } from './edges.ts'
import { asteriskHandlers } from './handlers.ts'
import { keepSounds } from './media-cache.ts'
import type { AsteriskPort, PortOptions } from './port.ts'
import { AsteriskProxy } from './proxy.ts'

/** As the contract says; `shardOf` counts to it. */
const shards = 16
const config = loadConfig(
  proxyConfig.extend({
    ASTERISK_ID: z
      .string()
      .regex(/^[a-z0-9][a-z0-9-]{0,63}$/)
      .describe('must be the name of the instance: small letters, digits and -'),
    ARI_URL: z.url({ protocol: /^https?$/ }).describe('must be the URL of Asterisk, http://host:port'),
    ARI_USER: z.string().min(1).describe('must be the ARI user'),
    ARI_PASSWORD: z.string().min(1).describe('must be the password of the ARI user'),
    ARI_APP: z.string().min(1).default('voipbin'),
    ARI_TRANSPORT: z
      .enum(['websocket', 'ari-client'])
      .default('websocket')
      .describe(
        'must be websocket (requests go over the WebSocket that brings the events) or ari-client (the npm package; requests go over HTTP)',
      ),
    EDGES: z
      .string()
      .regex(/^[\w-]+(,[\w-]+)*$/)
      .describe('must name the edges (PJSIP endpoints), separated by commas'),
    RECORDINGS_DIR: z
      .string()
      .min(1)
      .describe("must be the folder of Asterisk's recordings as this process sees it, <DIR>/spool/recording"),
    SOUNDS_DIR: z.string().min(1).optional().describe("must be the folder of Asterisk's fetched sounds as this process sees it"),
  }),
)

const log = createLogger({ service: 'asterisk-proxy', instance: config.INSTANCE ?? config.ASTERISK_ID, level: config.LOG_LEVEL })
const bus = await openBus({ url: config.AMQP_URL, log, name: `asterisk-proxy-${config.ASTERISK_ID}`, prefix: config.REDIS_PREFIX })
const publisher = openShardedPublisher(bus)
const asterisk_id = config.ASTERISK_ID
const ari = await openPort({ url: config.ARI_URL, user: config.ARI_USER, password: config.ARI_PASSWORD, app: config.ARI_APP })
const proxy = new AsteriskProxy({ asterisk_id, app: config.ARI_APP, port: ari, publisher, shards, shardOf, log })
const handlers = asteriskHandlers({
  asterisk_id,
  app: config.ARI_APP,
  port: ari,
  registry: proxy.registry,
  edges: new EdgePicker(ari, config.EDGES.split(',')),
  recordings: config.RECORDINGS_DIR,
})

/** Only what was chosen is loaded: ari-client brings fifty packages. */
async function openPort(options: PortOptions): Promise<AsteriskPort> {
  if (config.ARI_TRANSPORT === 'ari-client') return (await import('./ari-client-port.ts')).openAriClientPort(options)
  return (await import('./ws-port.ts')).openWebSocketPort(options)
}
const check = (what: string, ok: () => boolean) => async () => {
  if (!ok()) throw new Error(`${what} is away`)
}
const health = await serveHealth({
  port: config.PORT_HEALTH,
  host: config.HOST_HEALTH,
  ...(config.PORT_METRICS !== undefined && { metrics_port: config.PORT_METRICS }),
  checks: { asterisk: check('Asterisk', () => proxy.isReady), rabbitmq: check('RabbitMQ', () => bus.isUp) },
})

proxy.start()
const sounds =
  config.SOUNDS_DIR === undefined ? undefined : keepSounds(config.SOUNDS_DIR, error => log.warn('fetched sounds not swept', { err: error }))
const running = await serve([defineService(asteriskContract, { handlers, consumers: {} })], {
  bus,
  cache: noCache,
  http: openHttp({}),
  log,
  errors,
  instance: { asterisk_id },
})

let stopping = false
async function stop(): Promise<void> {
  if (stopping) return
  stopping = true
  health.drain()
  sounds?.stop()
  await running.close()
  await proxy.stop()
  await publisher.close()
  await bus.close()
  await health.close()
}
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void stop())
