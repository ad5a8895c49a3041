import { createPool } from 'mysql2/promise'
import { createDatabase } from '../src/migrate.ts'

/** The kernel's tables of one service, as a service's migration makes them. */
export const systemDdl = (service: string): string[] => [
  `CREATE TABLE ${service}_outbox (id BIGINT AUTO_INCREMENT PRIMARY KEY, event_id VARCHAR(36) NOT NULL, event_type VARCHAR(64) NOT NULL,
    domain VARCHAR(64) NOT NULL, customer_id VARCHAR(36) NOT NULL, resource_type VARCHAR(64) NOT NULL, resource_id VARCHAR(64) NOT NULL,
    resource_seq INT NOT NULL, request_id VARCHAR(64) NOT NULL, payload JSON NOT NULL, tm_create DATETIME(6) NOT NULL)`,
  `CREATE TABLE ${service}_inbox (message_id VARCHAR(64) NOT NULL, step INT NOT NULL, result JSON, tm_create DATETIME(6) NOT NULL,
    PRIMARY KEY (message_id, step), KEY (tm_create))`,
  `CREATE TABLE ${service}_sequences (resource_id VARCHAR(64) PRIMARY KEY, seq BIGINT NOT NULL)`,
  `CREATE TABLE ${service}_timers (id VARCHAR(36) PRIMARY KEY, timer_key VARCHAR(191) NOT NULL UNIQUE, name VARCHAR(64) NOT NULL,
    customer_id VARCHAR(36) NOT NULL, payload JSON NOT NULL, caller JSON NOT NULL, tm_due DATETIME(6) NOT NULL, tm_lease DATETIME(6),
    attempts INT NOT NULL DEFAULT 0, KEY (tm_due))`,
]

/** What the fixture services write. No unique key where an effect must not happen twice: a double would show. */
export const fixtureDdl = [
  ...systemDdl('alpha'),
  ...systemDdl('beta'),
  'CREATE TABLE alpha_items (id VARCHAR(36) PRIMARY KEY, name VARCHAR(64) NOT NULL, hits INT NOT NULL DEFAULT 0)',
  'CREATE TABLE beta_notes (n BIGINT AUTO_INCREMENT PRIMARY KEY, item_id VARCHAR(36) NOT NULL, text VARCHAR(64) NOT NULL)',
  `CREATE TABLE beta_heard (n BIGINT AUTO_INCREMENT PRIMARY KEY, event_id VARCHAR(36) NOT NULL, event_type VARCHAR(64) NOT NULL,
    resource_id VARCHAR(64) NOT NULL, resource_seq INT NOT NULL)`,
  'CREATE TABLE alpha_rung (n BIGINT AUTO_INCREMENT PRIMARY KEY, timer_key VARCHAR(191) NOT NULL, late_ms INT NOT NULL)',
]

/** Makes a database of its own for one test file; `drop` removes it. */
export async function freshDatabase(server: string): Promise<{ url: string; drop(): Promise<void> }> {
  const name = `kernel_rt_${crypto.randomUUID().slice(0, 8)}`
  const url = `${server}/${name}`
  await createDatabase(url)
  const pool = createPool({ uri: url, connectionLimit: 1 })
  for (const statement of fixtureDdl) await pool.query(statement)
  return {
    url,
    drop: async () => {
      await pool.query(`DROP DATABASE ${name}`)
      await pool.end()
    },
  }
}
