// The servers as a table: how each is started and when it is ready. Our own processes are in own-processes.ts.
import { inRoot } from './chroot.ts'
import { createDataFolder } from './database.ts'
import { prepareTables } from './migrate.ts'
import { INSIDE } from './paths.ts'
import { LISTEN_IP } from './ports.ts'
import {
  amqpProbe,
  dispatcherProbe,
  epmdProbe,
  httpProbe,
  kamailioProbe,
  mysqlProbe,
  type Probe,
  redisProbe,
  rtpengineProbe,
} from './probes.ts'
import { NAME_VARIABLE, OWNER_VARIABLE } from './proc.ts'
import { ARI_USER, asteriskName, kamailioName, type Setup } from './setup.ts'
import type { ProcessSpec } from './supervise.ts'

export const url = (port: number, page: string): string => `http://${LISTEN_IP}:${port}${page}`
const all =
  (...probes: Probe[]): Probe =>
  async () => {
    for (const probe of probes) await probe()
  }

/** Data and media servers, all from the root filesystem. */
export function serverProcesses(setup: Setup): ProcessSpec[] {
  const { paths, ports, secrets, user } = setup
  const inside = (name: string, command: readonly string[], env: Record<string, string> = {}) =>
    inRoot(paths, user, command, { ...env, [OWNER_VARIABLE]: paths.home, [NAME_VARIABLE]: name })
  const dir = (name: string) => `${INSIDE}/servers/${name}`
  const ariLogin = `Basic ${Buffer.from(`${ARI_USER}:${secrets.ari_password}`).toString('base64')}`

  return [
    {
      name: 'mariadb',
      argv: inside('mariadb', ['/usr/sbin/mariadbd', ...mariadbOptions(setup, dir('mariadb'))]),
      prepare: () => createDataFolder(setup),
      ready: mysqlProbe(ports.mariadb),
      afterReady: () => prepareTables(setup),
    },
    {
      name: 'redis',
      argv: inside('redis', ['redis-server', `${dir('redis')}/etc/redis.conf`]),
      ready: redisProbe(ports.redis, secrets.redis_password),
    },
    {
      // RabbitMQ would start one of its own that outlives it
      name: 'epmd',
      argv: inside('epmd', ['epmd', '-address', LISTEN_IP, '-port', String(ports.epmd)]),
      ready: epmdProbe(ports.epmd),
    },
    {
      name: 'rabbitmq',
      dependsOn: ['epmd'],
      argv: inside('rabbitmq', ['/usr/lib/rabbitmq/bin/rabbitmq-server'], rabbitmqEnvironment(setup, dir('rabbitmq'))),
      ready: all(amqpProbe(ports.rabbitmq), httpProbe(url(ports.rabbitmqMetrics, '/metrics'))),
      readyTimeout_ms: 60_000,
      metricsUrl: url(ports.rabbitmqMetrics, '/metrics'),
    },
    {
      name: 'rtpengine',
      argv: inside('rtpengine', ['rtpengine', `--config-file=${dir('rtpengine')}/etc/rtpengine.conf`]),
      ready: all(rtpengineProbe(ports.rtpengineNg), httpProbe(url(ports.rtpengineHttp, '/ping'))),
      healthUrl: url(ports.rtpengineHttp, '/ping'),
      metricsUrl: url(ports.rtpengineHttp, '/metrics'),
    },
    ...ports.asteriskCall.map((own, n): ProcessSpec => {
      const name = asteriskName(n)
      return {
        name,
        argv: inside(name, ['asterisk', '-C', `${dir(name)}/etc/asterisk.conf`, '-f', '-n']),
        ready: httpProbe(url(own.http, '/ari/asterisk/info'), ariLogin),
      }
    }),
    ...ports.kamailio.map((own, n): ProcessSpec => {
      const name = kamailioName(n)
      const run = `${dir(name)}/run`
      const control = { port: own.rpc, token: secrets.kamailio_control_token }
      return {
        name,
        dependsOn: ['mariadb', 'rtpengine'],
        argv: inside(name, ['kamailio', '-f', `${dir(name)}/etc/kamailio.cfg`, '-DD', '-E', '-m', '64', '-M', '8', '-Y', run, '-w', run]),
        ready: all(kamailioProbe(control), dispatcherProbe(control, 1)),
        healthUrl: url(own.rpc, '/health'),
        metricsUrl: url(own.rpc, '/metrics'),
      }
    }),
  ]
}

function mariadbOptions({ ports, user }: Setup, dir: string): string[] {
  return [
    '--no-defaults',
    ...(user.startsWith('0:') ? ['--user=root'] : []),
    `--datadir=${dir}/data`,
    `--socket=${dir}/run/mariadb.sock`,
    `--pid-file=${dir}/run/mariadb.pid`,
    `--init-file=${dir}/etc/init.sql`,
    `--bind-address=${LISTEN_IP}`,
    `--port=${ports.mariadb}`,
    '--skip-log-bin',
    // without a line for every probe that connects and leaves
    '--log-warnings=1',
    '--skip-name-resolve',
    '--character-set-server=utf8mb4',
    '--collation-server=utf8mb4_unicode_ci',
    '--transaction-isolation=READ-COMMITTED',
    '--innodb-lock-wait-timeout=30',
    '--lock-wait-timeout=30',
    '--max-connections=500',
    '--innodb-buffer-pool-size=256M',
  ]
}

function rabbitmqEnvironment({ ports }: Setup, dir: string): Record<string, string> {
  return {
    HOME: `${dir}/data`,
    RABBITMQ_NODENAME: 'voipbin@localhost',
    RABBITMQ_NODE_IP_ADDRESS: LISTEN_IP,
    RABBITMQ_NODE_PORT: String(ports.rabbitmq),
    RABBITMQ_DIST_PORT: String(ports.rabbitmqDist),
    ERL_EPMD_ADDRESS: LISTEN_IP,
    ERL_EPMD_PORT: String(ports.epmd),
    RABBITMQ_MNESIA_BASE: `${dir}/data/mnesia`,
    RABBITMQ_LOG_BASE: `${dir}/log`,
    RABBITMQ_CONFIG_FILE: `${dir}/etc/rabbitmq.conf`,
    RABBITMQ_ENABLED_PLUGINS_FILE: `${dir}/etc/enabled_plugins`,
    RABBITMQ_PID_FILE: `${dir}/data/rabbitmq.pid`,
    // it watches epmd every minute, and one that it starts itself would keep the port from ours
    ERL_FLAGS: '-start_epmd false',
    // the distribution port too stays on this machine
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
  }
}
