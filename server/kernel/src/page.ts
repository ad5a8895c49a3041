import { and, desc, eq, gte, inArray, is, isNull, lt, or, SQL } from 'drizzle-orm'
import type { MySqlColumn, MySqlTable } from 'drizzle-orm/mysql-core'
import type { Db } from './context.ts'
import { type AppError, generalError } from './errors.ts'

export interface PageInput {
  /** 1–100, default 50. */
  page_size?: number | undefined
  /** What the previous page gave as `next_page_token`; empty or missing: the first page. */
  page_token?: string | undefined
  /** Only rows made at this time or later, RFC 3339. */
  tm_create_from?: string | undefined
  /** Only rows made before this time, RFC 3339. */
  tm_create_to?: string | undefined
}
export interface Page<T> {
  result: T[]
  /** Empty when this was the last page. */
  next_page_token: string
}

/** Columns by value: equal, one of several (array), missing (`null`). Fields that are `undefined` are left out. */
export type Filter<T> = { readonly [K in keyof T]?: T[K] | readonly T[K][] | undefined }
export type Where<T> = SQL | Filter<T>

const defaultSize = 50
const maxSize = 100
const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/

interface Position {
  tm_create: string
  id: string
}

export const pageToken = ({ tm_create, id }: Position): string => Buffer.from(`${tm_create} ${id}`).toString('base64url')

/** Throws INVALID_ARGUMENT naming `page_token` for anything `pageToken` did not make. */
export function parsePageToken(token: string): Position {
  const text = Buffer.from(token, 'base64url').toString('utf8')
  const at = text.indexOf(' ')
  const position = { tm_create: text.slice(0, at), id: text.slice(at + 1) }
  const valid =
    time.test(position.tm_create) && !Number.isNaN(Date.parse(position.tm_create)) && position.id !== '' && position.id.length <= 64
  if (valid && pageToken(position) === token) return position
  throw invalidPageToken()
}

/** What a list answers for a `page_token` that is not its own. */
export const invalidPageToken = (): AppError =>
  generalError('INVALID_ARGUMENT', {
    message: 'page_token is not one this list has given',
    details: [
      { field: '/page_token', rule: 'page_token', expected: 'the next_page_token of the page before, unchanged, with the same filters' },
    ],
  })

// Not instanceof: a service may have its own copy of drizzle.
const isSql = (where: SQL | object): where is SQL => is(where, SQL)

export type Columns = Readonly<Record<string, MySqlColumn>>

/** The conditions of a filter. Throws on a name that is no column: a typing mistake must not widen a list. */
export function conditions(columns: Columns, where: SQL | object | undefined): SQL | undefined {
  if (where === undefined || isSql(where)) return where
  const parts: (SQL | undefined)[] = []
  for (const [name, value] of Object.entries(where)) {
    if (value === undefined) continue
    const column = columns[name]
    if (!column) throw new Error(`no column ${name} to filter by`)
    parts.push(value === null ? isNull(column) : Array.isArray(value) ? inArray(column, value) : eq(column, value))
  }
  return and(...parts)
}

/** One page of a table, newest first by `tm_create`, then `id`, so that equal times lose nothing. */
export async function selectPage<T extends Position>(
  db: Db,
  table: MySqlTable,
  columns: Columns,
  page: PageInput & { where: SQL | undefined },
): Promise<Page<T>> {
  const { tm_create, id } = columns
  if (!tm_create || !id) throw new Error('a list needs the columns tm_create and id')
  const size = Math.min(Math.max(Math.trunc(page.page_size ?? defaultSize), 1), maxSize)
  const after = page.page_token ? parsePageToken(page.page_token) : undefined
  const beyond = after && or(lt(tm_create, after.tm_create), and(eq(tm_create, after.tm_create), lt(id, after.id)))
  const rows = await db
    .select()
    .from(table)
    .where(
      and(
        page.where,
        beyond,
        page.tm_create_from ? gte(tm_create, page.tm_create_from) : undefined,
        page.tm_create_to ? lt(tm_create, page.tm_create_to) : undefined,
      ),
    )
    .orderBy(desc(tm_create), desc(id))
    .limit(size + 1)
  const result = rows.slice(0, size) as T[]
  const last = result.at(-1)
  return { result, next_page_token: rows.length > size && last ? pageToken(last) : '' }
}
