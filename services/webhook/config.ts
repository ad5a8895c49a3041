import { addressSettings, count, serviceConfig } from '@voipbin/kernel'

export const config = serviceConfig({
  ...addressSettings,
  /** For how long an endpoint may fail without a single success before it is disabled. */
  WEBHOOK_DISABLE_DAYS: count('days', 2, 30).default(5),
  /** For how long deliveries and attempts are kept. */
  WEBHOOK_RETENTION_DAYS: count('days', 1, 365).default(30),
})
