import { sharedConfig } from '@voipbin/kernel'

/** What every proxy reads from the environment, besides its own. A proxy has neither database nor cache. */
export const proxyConfig = sharedConfig.pick({
  AMQP_URL: true,
  REDIS_PREFIX: true,
  LOG_LEVEL: true,
  INSTANCE: true,
  PORT_HEALTH: true,
  PORT_METRICS: true,
  HOST_HEALTH: true,
})
