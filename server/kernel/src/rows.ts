import { getTableColumns, getTableName } from 'drizzle-orm'
import type { MySqlColumn, MySqlTable } from 'drizzle-orm/mysql-core'
import type { Db } from './context.ts'
import { run } from './statements.ts'

/**
 * Inserts any number of rows in one statement; those whose key exists are left out. Every row must hold a value for the same columns. For tables
 * that are written by the thousand: a built query costs several times as much.
 */
export async function insertRows<T extends MySqlTable>(db: Db, table: T, rows: readonly T['$inferInsert'][]): Promise<number> {
  const [first] = rows
  if (!first) return 0
  const all = getTableColumns(table) as Record<string, MySqlColumn>
  const columns = Object.keys(first).map(name => {
    const column = all[name]
    if (!column) throw new Error(`${getTableName(table)} has no column ${name}`)
    return { name, column }
  })
  const values = (rows as readonly Record<string, unknown>[]).map(row => columns.map(({ name, column }) => driverValue(column, row[name])))
  const names = columns.map(({ column }) => `\`${column.name}\``).join(', ')
  const { affectedRows } = await run(db, `INSERT IGNORE INTO \`${getTableName(table)}\` (${names}) VALUES ?`, [values])
  return affectedRows
}

const driverValue = (column: MySqlColumn, value: unknown): unknown =>
  value === null || value === undefined ? null : column.mapToDriverValue(value)
