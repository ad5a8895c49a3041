import { is, SQL } from 'drizzle-orm'
import { getTableConfig, type MySqlColumn, MySqlDialect, type MySqlTable } from 'drizzle-orm/mysql-core'

const dialect = new MySqlDialect()
const quoted = (name: string) => `\`${name}\``
const list = (columns: readonly { name: string }[]) => columns.map(({ name }) => quoted(name)).join(', ')

/** `CREATE TABLE` for tables that have no migrations yet. For tests; what runs anywhere else comes from drizzle-kit. */
export function createTableSql(table: MySqlTable): string {
  const { name, columns, indexes, primaryKeys, uniqueConstraints } = getTableConfig(table)
  const lines = columns.map(columnSql)
  for (const key of primaryKeys) lines.push(`PRIMARY KEY (${list(key.columns)})`)
  for (const key of uniqueConstraints) lines.push(`UNIQUE KEY ${quoted(key.getName() ?? '')} (${list(key.columns)})`)
  for (const { config } of indexes) {
    const parts = config.columns.map(part => (is(part, SQL) ? inline(part) : quoted((part as { name: string }).name)))
    lines.push(`${config.unique ? 'UNIQUE KEY' : 'KEY'} ${quoted(config.name)} (${parts.join(', ')})`)
  }
  return `CREATE TABLE ${quoted(name)} (\n  ${lines.join(',\n  ')}\n)`
}

function columnSql(column: MySqlColumn): string {
  const parts = [quoted(column.name), column.getSQLType()]
  if (column.notNull) parts.push('NOT NULL')
  if ('autoIncrement' in column && column.autoIncrement) parts.push('AUTO_INCREMENT')
  if (column.default !== undefined) parts.push(`DEFAULT ${is(column.default, SQL) ? inline(column.default) : literal(column.default)}`)
  if (column.primary) parts.push('PRIMARY KEY')
  else if (column.isUnique) parts.push('UNIQUE')
  return parts.join(' ')
}

const inline = (sql: SQL) => dialect.sqlToQuery(sql.inlineParams()).sql

function literal(value: unknown): string {
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`
}
