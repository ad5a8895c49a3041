import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { hostname } from 'node:os'
import { domains, eventResources } from '@voipbin/generated/events/index'
import { permissions, resources, routes as rows } from '@voipbin/generated/gateway/index'
import { states } from '@voipbin/generated/realtime/index'
import { calls } from '@voipbin/generated/rpc/calls'
import {
  type Bus,
  type Caller,
  createClient,
  type Database,
  Limits,
  type Logger,
  parseKeyRing,
  type RedisCache,
  recordAudit,
} from '@voipbin/kernel'
import { createApp, listenerOf } from './app.ts'
import { eventViews, toRoute } from './catalogue.ts'
import { type GatewayConfig, listOf } from './config.ts'
import { CredentialStore, gatewayCaller } from './credentials-store.ts'
import { Gate } from './gate.ts'
import { createHttpServer } from './http-server.ts'
import { IdempotencyStore } from './idempotency.ts'
import { authOverrides } from './overrides/auth.ts'
import { fileOverrides } from './overrides/files.ts'
import { Owners } from './owners.ts'
import { pages } from './pages.ts'
import { permissionExpander, roles } from './permissions.ts'
import type { Override, Stages } from './pipeline.ts'
import { openRealtime } from './realtime.ts'
import { type CountedRefusal, Refusals } from './refusals.ts'
import { Responder } from './respond.ts'
import { assertSafe, type Route } from './route.ts'
import { parseKeys, Tokens } from './tokens.ts'
import type { EventView } from './websocket/events.ts'
import type { HubLimits } from './websocket/hub.ts'
import type { StateView } from './websocket/states.ts'

export interface GatewayParts {
  config: GatewayConfig
  bus: Bus
  database: Database
  cache: RedisCache
  log: Logger
  /** What the contract says; tests put a small one of their own here. */
  contract?: Contract
  /** Bounds that tests make small. */
  limits?: Partial<HubLimits>
  timeouts?: { headers_ms?: number; request_ms?: number }
}
export interface Contract {
  routes: readonly Route[]
  calls: Parameters<typeof createClient>[0]['calls']
  resources: Readonly<Record<string, { readonly service: string }>>
  permissions: readonly string[]
  domains: readonly string[]
  eventResources: readonly string[]
  views: Readonly<Record<string, EventView>>
  states: Readonly<Record<string, StateView>>
}

export interface RunningGateway extends AsyncDisposable {
  readonly port: number
  readonly https_port: number | undefined
  readonly instance: string
  /** Sockets connected here. */
  readonly sockets: number
  /** Stops taking connections, answers what is in flight, closes sockets. Leaves bus, database and cache open. Safe to call twice. */
  close(): Promise<void>
}

/** Everything the contract says. */
export const generatedContract = (): Contract => ({
  routes: rows.map(toRoute),
  calls,
  resources,
  permissions,
  domains,
  eventResources,
  views: eventViews,
  states,
})

/** Starts a gateway in this process. Resolves when it takes requests and hears events. */
export async function startGateway(parts: GatewayParts): Promise<RunningGateway> {
  const { config, bus, database, cache, log, contract = generatedContract(), timeouts = {} } = parts
  const instance = `${(config.INSTANCE ?? hostname()).slice(0, 40)}-${process.pid}-${Math.random().toString(36).slice(2, 8)}`
  assertSafe(contract.routes)
  const rpc = createClient({ bus, calls: contract.calls, log })
  const uses = contract.routes.map(({ permission, owner }) => ({ permission, owner }))
  const expand = permissionExpander(uses)
  const store = new CredentialStore({ rpc, expand })
  const owners = new Owners(cache, (caller, resource, id) => {
    const service = contract.resources[resource]?.service
    return service === undefined ? Promise.reject(new Error(`no service owns ${resource}`)) : rpc.ownerOf(caller, service, resource, id)
  })
  const refusals = new Refusals({
    write: records => writeRefusals(database, records),
    onFault: error => log.warn('refusals not written', { err: error }),
  })
  const tokens = new Tokens(parseKeys(config.JWT_KEYS))
  const gate = new Gate({
    tokens,
    store,
    limits: new Limits(cache),
    cache,
    refuse: refusal => refusals.add(refusal),
    customerExists: async (exchange, customer_id) => (await rpc.ownerOf(exchange.caller, 'customer', 'customer', customer_id)) !== null,
    actsFor: (exchange, customer_id) =>
      refusals.add({
        action: 'act_for',
        customer_id,
        actor_type: 'super_admin',
        actor_id: exchange.identity?.actor.id ?? '',
        operation: exchange.route.operation,
        reason: 'ACT_FOR',
        address: exchange.address,
        user_agent: exchange.header('user-agent') ?? '',
        request_id: exchange.request_id,
      }),
    expand,
    known: new Set([...roles, ...contract.permissions]),
  })
  const topicPermissions = new Map(contract.eventResources.map(resource => [resource, `${resource}_read`]))
  const origins = listOf(config.CORS_ORIGINS)
  const realtime = openRealtime({
    bus,
    cache,
    gate,
    store,
    owners,
    log,
    // A name given from outside comes back after a restart, and finds its events in its queue.
    instance: config.INSTANCE ?? instance,
    stable: config.INSTANCE !== undefined,
    origins,
    topicPermissions,
    domains: contract.domains,
    views: contract.views,
    states: contract.states,
    state_publishers: listOf(config.ZMQ_CONNECT),
    limits: { sockets_per_customer: config.WS_SOCKETS_PER_CUSTOMER, topics_per_socket: config.WS_TOPICS_PER_SOCKET, ...parts.limits },
  })
  const revoke = async (hash: string): Promise<void> => {
    store.forgetSession(hash)
    await cache.invalidate(`session:${hash}`)
    realtime.hub.revoke(identity => identity.hash === hash, 'session_ended')
  }
  const overrides: Record<string, Override> = { ...authOverrides({ rpc, tokens, gate, store, revoke }), ...fileOverrides(rpc) }
  assertOverridden(contract.routes, overrides)
  const idempotency = new IdempotencyStore(database.db, { instance, keys: parseKeyRing(config.INSTALLATION_KEY) })
  const stages: Stages = { gate, owners, idempotency, rpc, overrides, shared: platformResources(contract.routes), log }
  const app = (tls: boolean) => {
    const responder = new Responder({ origins, tls })
    const files = pages({
      public_urls: listOf(config.PUBLIC_URLS),
      softphone_dir: config.SOFTPHONE_DIR,
      softphone_config: config.SOFTPHONE_CONFIG,
    })
    const hono = createApp({
      routes: contract.routes,
      stages,
      responder,
      proxies: config.TRUST_PROXY,
      files,
      probes: probes({ bus, database, cache }),
      log,
    })
    return listenerOf(hono, responder)
  }
  await Promise.all([rpc.ready(60_000), realtime.ready(60_000)])
  const http = createHttpServer({ listener: app(false), onUpgrade: realtime.upgrade, ...timeouts })
  const https =
    config.HTTPS_PORT === undefined
      ? undefined
      : createHttpServer({ listener: app(true), onUpgrade: realtime.upgrade, tls: certificate(config), ...timeouts })
  const port = await listen(http, config.HTTP_PORT, config.HTTP_HOST)
  const https_port = https && (await listen(https, config.HTTPS_PORT ?? 0, config.HTTP_HOST))
  const cleaning = setInterval(
    () => void idempotency.clean(new Date()).catch(error => log.warn('idempotency keys not cleaned', { err: error })),
    600_000,
  )
  cleaning.unref()
  log.info('gateway started', { instance, port, https_port, operations: contract.routes.length })

  let closing: Promise<void> | undefined
  const close = (): Promise<void> => {
    closing ??= (async () => {
      clearInterval(cleaning)
      await Promise.all([realtime.close(), stop(http), https && stop(https)])
      await refusals.close()
      await rpc.close()
      log.info('gateway stopped', { instance })
    })()
    return closing
  }
  return {
    port,
    https_port,
    instance,
    close,
    get sockets() {
      return realtime.hub.clients.size
    },
    [Symbol.asyncDispose]: close,
  }
}

/** Resources all of whose rows are the platform's: anybody may name one. */
function platformResources(routes: readonly Route[]): ReadonlySet<string> {
  const owners = new Map<string, Set<string>>()
  for (const { resource, owner } of routes) owners.set(resource, (owners.get(resource) ?? new Set()).add(owner))
  return new Set([...owners].filter(([, kinds]) => kinds.size === 1 && kinds.has('platform')).map(([resource]) => resource))
}

function assertOverridden(routes: readonly Route[], overrides: Record<string, Override>): void {
  const missing = routes.filter(route => route.override && !overrides[route.operation]).map(route => route.operation)
  if (missing.length > 0) throw new Error(`the contract says x-override, but nobody wrote: ${missing.join(', ')}`)
}

const certificate = ({ TLS_CERT = '', TLS_KEY = '' }: GatewayConfig) => ({
  cert: readFileSync(TLS_CERT, 'utf8'),
  key: readFileSync(TLS_KEY, 'utf8'),
})

async function listen(server: Server, port: number, host: string): Promise<number> {
  server.listen(port, host)
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

/** Answers in flight get five seconds. */
async function stop(server: Server): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  server.closeIdleConnections()
  const cut = setTimeout(() => server.closeAllConnections(), 5_000)
  await closed
  clearTimeout(cut)
}

function probes({ bus, database, cache }: Pick<GatewayParts, 'bus' | 'database' | 'cache'>) {
  const started = Date.now()
  const check = async (work: () => Promise<unknown>): Promise<string> =>
    work().then(
      () => 'ok',
      () => 'away',
    )
  return {
    // Monitors of existing installations ask here.
    '/ping': async () => ({ ok: true, body: { message: 'pong' } }),
    '/health': async () => ({ ok: true, body: { status: 'alive', uptime_s: Math.round((Date.now() - started) / 1_000) } }),
    '/ready': async () => {
      const checks = {
        rabbitmq: bus.isUp ? 'ok' : 'away',
        mysql: await check(() => database.ping()),
        redis: await check(() => cache.ping()),
      }
      // Redis that is away makes the gateway slower, not useless.
      const ok = checks.rabbitmq === 'ok' && checks.mysql === 'ok'
      return { ok, body: { status: ok ? 'ready' : 'unready', checks } }
    },
  }
}

const eventOf: Record<CountedRefusal['action'], string> = {
  permission_denied: 'permission_denied',
  rate_limited: 'rate_limited',
  unauthenticated: 'token_invalid',
  login_failed: 'login_failed',
  act_for: 'act_for',
}

async function writeRefusals(database: Database, records: readonly CountedRefusal[]): Promise<void> {
  for (const { action, customer_id, actor_type, actor_id, operation, reason, address, user_agent, request_id, count } of records) {
    const actor = { type: actor_type as Caller['actor']['type'], id: actor_id }
    const source = { ...gatewayCaller(request_id, 0), db: database.db, customer_id, actor, address, user_agent }
    await recordAudit(source, {
      action: action === 'act_for' ? 'act_for' : 'refuse',
      resource_type: 'request',
      resource_id: operation,
      new: { event: eventOf[action], reason, count },
    })
  }
}
