import type { ResultSetHeader, RowDataPacket } from 'mysql2'
import type { Db } from './context.ts'

interface Driver {
  query(sql: string, params: unknown[]): Promise<[unknown, unknown]>
}
// The kernel's own tables are written in every transaction; plain text through the same connection costs a third of a built query.
const driverOf = (db: Db): Driver => (db as unknown as { session: { client: Driver } }).session.client

export async function run(db: Db, sql: string, params: unknown[]): Promise<ResultSetHeader> {
  const [result] = await driverOf(db).query(sql, params)
  return result as ResultSetHeader
}

export async function select<T>(db: Db, sql: string, params: unknown[]): Promise<T[]> {
  const [rows] = await driverOf(db).query(sql, params)
  return rows as (T & RowDataPacket)[]
}

/** Epoch milliseconds -> DATETIME(6) text in UTC. */
export const dbTime = (ms: number): string => new Date(ms).toISOString().replace('T', ' ').replace('Z', '000')

/** DATETIME text in UTC -> epoch milliseconds. */
export const fromDb = (text: string): number => Date.parse(`${text.slice(0, 10)}T${text.slice(11, 23)}Z`)
