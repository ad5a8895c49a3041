import { errors } from '@voipbin/generated/errors'
import { calls } from '@voipbin/generated/rpc/calls'
import { type Contract, createLogger, defineService, loadConfig, noCache, openBus, openHttp, serve, serveHealth } from '@voipbin/kernel'
import { z } from 'zod'
import { proxyConfig } from '../../proxy-config.ts'
import { Reloader } from './reloader.ts'
import { openKamailioRpc } from './rpc.ts'

const edges = /^[\w-]+=https?:\/\/[^,]+(,[\w-]+=https?:\/\/[^,]+)*$/
const config = loadConfig(
  proxyConfig.extend({
    EDGES: z.string().regex(edges).describe('must name each edge and its control listener: kamailio-1=http://127.0.0.1:18015,kamailio-2=…'),
    EDGE_TOKEN: z.string().min(16).describe('must be the CONTROL_TOKEN of the edges, 16 characters or more'),
  }),
)

const log = createLogger({
  service: 'kamailio-proxy',
  ...(config.INSTANCE !== undefined && { instance: config.INSTANCE }),
  level: config.LOG_LEVEL,
})
const bus = await openBus({ url: config.AMQP_URL, log, name: 'kamailio-proxy', prefix: config.REDIS_PREFIX })
const targets = config.EDGES.split(',').map(pair => {
  const at = pair.indexOf('=')
  return { name: pair.slice(0, at), rpc: openKamailioRpc(pair.slice(at + 1), config.EDGE_TOKEN) }
})
const reloader = new Reloader(targets, log)

/** One process for all edges: the queue below is shared, so that a second process only stands by. */
const types = ['provider.created', 'provider.updated', 'provider.deleted'] as const
const contract = {
  name: 'kamailio',
  methods: {},
  emits: {},
  consumes: Object.fromEntries(types.map(type => [type, 'route'])),
  calls,
} as Contract
const consumers = Object.fromEntries(types.map(type => [type, async () => reloader.addressesChanged()]))
const health = await serveHealth({
  port: config.PORT_HEALTH,
  host: config.HOST_HEALTH,
  ...(config.PORT_METRICS !== undefined && { metrics_port: config.PORT_METRICS }),
  checks: {
    rabbitmq: async () => {
      if (!bus.isUp) throw new Error('RabbitMQ is away')
    },
  },
})
const running = await serve([defineService(contract, { handlers: {}, consumers: consumers as never })], {
  bus,
  cache: noCache,
  http: openHttp({}),
  log,
  errors,
})
// Only now: what changed before the subscription stood is read here, what changes later comes as an event.
reloader.start()

let stopping = false
async function stop(): Promise<void> {
  if (stopping) return
  stopping = true
  health.drain()
  reloader.stop()
  await running.close()
  await bus.close()
  await health.close()
}
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void stop())
