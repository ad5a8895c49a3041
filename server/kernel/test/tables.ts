import { createPool } from 'mysql2/promise'
import { audits } from '../src/audit.ts'
import { createTableSql } from '../src/ddl.ts'
import { createDatabase } from '../src/migrate.ts'
import { systemTables } from '../src/system-tables.ts'

/** What the fixture services write. No unique key where an effect must not happen twice: a double would show. */
const fixtureDdl = [
  ...[audits, ...Object.values(systemTables('alpha')), ...Object.values(systemTables('beta'))].map(createTableSql),
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
