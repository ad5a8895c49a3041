import { getTableColumns, getTableName } from 'drizzle-orm'
import type { MySqlColumn, MySqlTable } from 'drizzle-orm/mysql-core'
import type { Db } from './context.ts'
import { isDuplicate } from './db-errors.ts'
import { run } from './statements.ts'

/**
 * Inserts any number of rows in one statement; those whose key exists are left as they are. Answers how many were new. Every row must hold values
 * for the same columns. For tables that are written by the thousand: a built query costs several times as much.
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
  const insert = (some: unknown[][]) => insertSome(db, `INSERT INTO \`${getTableName(table)}\` (${names}) VALUES ?`, some)
  const added = await insert(values)
  if (added || values.length === 1) return added
  // Not INSERT IGNORE, which would swallow every other mistake, too.
  let count = 0
  for (const one of values) count += await insert([one])
  return count
}

/** 0 when one of them is there already; then none was inserted. */
async function insertSome(db: Db, statement: string, values: unknown[][]): Promise<number> {
  try {
    return (await run(db, statement, [values])).affectedRows
  } catch (error) {
    if (isDuplicate(error)) return 0
    throw error
  }
}

const driverValue = (column: MySqlColumn, value: unknown): unknown =>
  (value === null || value === undefined) && !column.notNull ? null : column.mapToDriverValue(value)
