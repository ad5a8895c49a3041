import { LISTEN_IP } from './ports.ts'
import { DATABASE, type Setup } from './setup.ts'

/** Addresses of the servers with their credentials, as our own processes and tests take them. */
export function connections({ ports, secrets }: Setup): Record<'MYSQL_URL' | 'MYSQL_MIGRATE_URL' | 'REDIS_URL' | 'AMQP_URL', string> {
  const mysql = (user: string, password: string) => `mysql://${user}:${password}@${LISTEN_IP}:${ports.mariadb}/${DATABASE}`
  return {
    MYSQL_URL: mysql('voipbin', secrets.mysql_app_password),
    MYSQL_MIGRATE_URL: mysql('voipbin_migrate', secrets.mysql_migrate_password),
    REDIS_URL: `redis://:${secrets.redis_password}@${LISTEN_IP}:${ports.redis}`,
    AMQP_URL: `amqp://voipbin:${secrets.rabbitmq_password}@${LISTEN_IP}:${ports.rabbitmq}`,
  }
}
