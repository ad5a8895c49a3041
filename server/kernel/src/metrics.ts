import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

const registry = new Registry()

const counter = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
  new Counter({ name, help, labelNames, registers: [registry] })
const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
  new Gauge({ name, help, labelNames, registers: [registry] })
const seconds = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 120]
const histogram = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
  new Histogram({ name, help, labelNames, buckets: seconds, registers: [registry] })

/** Everything this process counts. `operation` is the operationId, `outcome` is `ok` or the error's reason; no label holds an id. */
export const metrics = {
  registry,
  httpRequests: counter('voipbin_http_requests_total', 'HTTP requests answered by the gateway', ['operation', 'method', 'status']),
  undeclaredErrors: counter(
    'voipbin_undeclared_errors_total',
    'Refusals by a service with a reason its contract does not declare, answered INTERNAL; each one is an alert',
    ['operation'],
  ),
  httpDuration: histogram('voipbin_http_request_duration_seconds', 'Time to answer an HTTP request', ['operation', 'method']),
  /** `side`: client (asked) or server (answered). */
  rpcRequests: counter('voipbin_rpc_requests_total', 'RPC requests', ['service', 'operation', 'side', 'outcome']),
  rpcDuration: histogram('voipbin_rpc_request_duration_seconds', 'Time of an RPC request', ['service', 'operation', 'side']),
  rpcInFlight: gauge('voipbin_rpc_in_flight', 'RPC requests being worked on', ['service']),
  breakerOpen: gauge('voipbin_breaker_open', '1 while requests to this queue are refused', ['queue']),
  activeCalls: gauge('voipbin_active_calls_gauge', 'Calls that have not ended', []),
  queueDepth: gauge('voipbin_queue_depth_gauge', 'Messages waiting', ['queue']),
  eventsPublished: counter('voipbin_events_published_total', 'Events confirmed by the broker', ['service', 'event_type']),
  eventsConsumed: counter('voipbin_events_consumed_total', 'Events handled', ['service', 'event_type', 'outcome']),
  eventLag: histogram('voipbin_event_lag_seconds', 'From commit to handled', ['service']),
  outboxBacklog: gauge('voipbin_outbox_backlog', 'Events committed and not yet published', ['service']),
  dlq: counter('voipbin_dlq_total', 'Messages given up; each one is an alert', ['queue']),
  states: counter('voipbin_states_total', 'States of the fast path: sent, dropped, passed on', ['state_type', 'outcome']),
  timers: counter('voipbin_timers_total', 'Durable timers run', ['service', 'name', 'outcome']),
  timerLag: histogram('voipbin_timer_lag_seconds', 'How late a timer ran', ['service']),
  transactions: counter(
    'voipbin_transactions_total',
    'Database transactions that have committed: ok, or replayed from the record of an earlier one',
    ['service', 'outcome'],
  ),
  cacheRequests: counter('voipbin_cache_requests_total', 'Cache look-ups of rows: hit or miss; all miss while the cache is away', [
    'resource',
    'outcome',
  ]),
  rateLimited: counter('voipbin_rate_limited_total', 'Requests refused by a limit', ['class']),
  webhookDeliveries: counter('voipbin_webhook_deliveries_total', 'Webhook delivery attempts', ['outcome']),
  webhookDuration: histogram('voipbin_webhook_delivery_duration_seconds', 'Time of a webhook delivery attempt', []),
  httpOut: counter('voipbin_outgoing_http_requests_total', 'Requests this process sent', ['outcome']),
}
export type Metrics = typeof metrics

new Gauge({
  name: 'voipbin_process_cpu_ms',
  help: 'CPU time this process has used, in milliseconds',
  registers: [registry],
  collect() {
    const { user, system } = process.cpuUsage()
    this.set((user + system) / 1000)
  },
})

let withDefaults = false
/** The text of `/metrics`. The first call adds Node's own metrics (event loop, memory, GC). */
export async function metricsText(): Promise<string> {
  if (!withDefaults) collectDefaultMetrics({ register: registry })
  withDefaults = true
  return registry.metrics()
}
