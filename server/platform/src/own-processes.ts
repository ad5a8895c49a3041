// Gateway, services and proxies as a table: which script, with which environment. The scripts refuse to start when a variable is missing.
import path from 'node:path'
import { connections } from './connections.ts'
import { COMPILE_CACHE, NODE } from './node.ts'
import { ROOT } from './paths.ts'
import { healthPort, LISTEN_IP } from './ports.ts'
import { httpProbe } from './probes.ts'
import { url } from './processes.ts'
import { planServices } from './services.ts'
import { ARI_USER, asteriskName, EDGE_DATABASE, kamailioName, type Setup } from './setup.ts'
import { buildSoftphone, SOFTPHONE_DIST } from './softphone.ts'
import { speechRunner } from './speech.ts'
import { newState } from './state.ts'
import type { ProcessSpec } from './supervise.ts'

/** One of our own processes: a script under this Node. */
interface OwnProcess {
  name: string
  script: string
  args?: readonly string[]
  env: Readonly<Record<string, string>>
  dependsOn: readonly string[]
  prepare?: () => Promise<void>
}

const DATA = ['mariadb', 'redis', 'rabbitmq']

/** The operator's own customer and its first super admin, who makes everything else. */
export const SUPER_ADMIN = 'admin@voipbin.example'

/** A row per process. */
function ownRows(setup: Setup): OwnProcess[] {
  const { flags, ports } = setup
  return [
    ...planServices(flags).map(({ name, services }, n) => ({
      name,
      script: 'services/main.ts',
      args: services,
      env: { ...serviceEnvironment(setup), ZMQ_BIND: statesUrl(setup, n) },
      dependsOn: DATA,
    })),
    ...ports.asteriskCall.map((own, n) => ({
      name: `asterisk-proxy-${n + 1}`,
      script: 'voip/proxies/asterisk/main.ts',
      env: { ...asteriskProxyEnvironment(setup, own.http, asteriskName(n)), SOUNDS_DIR: setup.paths.sounds(n) },
      dependsOn: ['rabbitmq', asteriskName(n)],
    })),
    {
      name: 'kamailio-proxy',
      script: 'voip/proxies/kamailio/main.ts',
      env: {
        EDGES: ports.kamailio.map((own, n) => `${kamailioName(n)}=${url(own.rpc, '')}`).join(','),
        EDGE_TOKEN: setup.secrets.kamailio_control_token,
      },
      dependsOn: ['rabbitmq', ...ports.kamailio.map((_, n) => kamailioName(n))],
    },
    // the first gateway has the port people know; more of them stand for what a load balancer would reach
    ...Array.from({ length: flags.instances.gateway ?? 1 }, (_, n) => ({
      name: n === 0 ? 'gateway' : `gateway-${n + 1}`,
      script: 'server/gateway/src/main.ts',
      env: { ...gatewayEnvironment(setup), HTTP_PORT: String(n === 0 ? ports.http : ports.gateways + n) },
      dependsOn: DATA,
      // it reads the softphone's files when it starts
      prepare: () => buildSoftphone(),
    })),
  ]
}

function dataEnvironment(setup: Setup): Record<string, string> {
  const { MYSQL_URL, REDIS_URL, AMQP_URL } = connections(setup)
  return { MYSQL_URL, REDIS_URL, AMQP_URL, INSTALLATION_KEY: setup.secrets.installation_key }
}

/** Where the n-th service process publishes states. */
const statesUrl = ({ ports }: Setup, n: number): string => `tcp://${LISTEN_IP}:${ports.states + n}`

function serviceEnvironment(setup: Setup): Record<string, string> {
  const { flags, paths, ports, secrets } = setup
  return {
    ...dataEnvironment(setup),
    SIP_DOMAIN: flags.domain,
    EDGE_DATABASE,
    // Whoever tries webhooks has the receiver on the same machine, as long as nobody else comes in: then it would lead to what listens here for us only.
    HTTP_ALLOW_PRIVATE: String(flags.publicIp === null),
    ...(process.env.HTTP_ALLOW_ADDRESSES && { HTTP_ALLOW_ADDRESSES: process.env.HTTP_ALLOW_ADDRESSES }),
    OPERATOR_NAME: 'Operator',
    OPERATOR_EMAIL: 'operator@voipbin.example',
    SUPER_ADMIN_USERNAME: SUPER_ADMIN,
    SUPER_ADMIN_PASSWORD: secrets.super_admin_password,
    STORAGE_DIR: paths.storage,
    SPEECH_RUNNER: speechRunner(setup),
    PUBLIC_URL: url(ports.http, ''),
  }
}

function asteriskProxyEnvironment({ ports, secrets, paths }: Setup, ari: number, name: string): Record<string, string> {
  return {
    ASTERISK_ID: name,
    ARI_URL: url(ari, ''),
    ARI_USER,
    ARI_PASSWORD: secrets.ari_password,
    EDGES: ports.kamailio.map((_, n) => kamailioName(n)).join(','),
    RECORDINGS_DIR: path.join(paths.server(name), 'spool/recording'),
    // the operator's choice; the proxy says what it may be
    ...(process.env.ARI_TRANSPORT && { ARI_TRANSPORT: process.env.ARI_TRANSPORT }),
  }
}

function gatewayEnvironment(setup: Setup): Record<string, string> {
  const { flags, ports, secrets } = setup
  const { api_url, auth_url, ws_url, sip } = newState(flags, ports, null)
  const softphone = { api_url, auth_url, ws_url, sip: { ws_url: sip.ws_url, wss_url: sip.wss_url, domain: `registrar.${sip.domain}` } }
  return {
    ...dataEnvironment(setup),
    JWT_KEYS: secrets.jwt_keys.map(({ id, key }) => `${id}:${key}`).join(','),
    PUBLIC_URLS: new URL(api_url).origin,
    ZMQ_CONNECT: planServices(flags)
      .map((_, n) => statesUrl(setup, n))
      .join(','),
    SOFTPHONE_DIR: SOFTPHONE_DIST,
    // what only the operator knows: how many proxies stand in front, and whose pages may come
    ...(process.env.TRUST_PROXY && { TRUST_PROXY: process.env.TRUST_PROXY }),
    ...(process.env.CORS_ORIGINS && { CORS_ORIGINS: process.env.CORS_ORIGINS }),
    SOFTPHONE_CONFIG: JSON.stringify(softphone),
  }
}

/** Our own processes, each with its health and metrics ports. */
export function ownProcesses(setup: Setup): ProcessSpec[] {
  const { AMQP_URL } = connections(setup)
  return ownRows(setup).map(({ name, script, args = [], env, ...needs }, n) => {
    const health = healthPort(setup.ports, n)
    return {
      name,
      ...needs,
      argv: [...NODE, path.join(ROOT, script), ...args],
      env: {
        NODE_ENV: 'production',
        NODE_COMPILE_CACHE: COMPILE_CACHE,
        AMQP_URL,
        ...env,
        INSTANCE: name,
        PORT_HEALTH: String(health),
        PORT_METRICS: String(health + 1),
      },
      ready: httpProbe(url(health, '/ready')),
      readyTimeout_ms: 45_000,
      healthUrl: url(health, '/health'),
      metricsUrl: url(health + 1, '/metrics'),
    }
  })
}
