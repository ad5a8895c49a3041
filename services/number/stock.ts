import type { NumberContext } from '@voipbin/generated/rpc/number'
import type { AvailableNumber, AvailableNumberList } from '@voipbin/generated/schemas'
import { isLive, pageToken, parsePageToken, type Tx } from '@voipbin/kernel'
import { and, asc, eq, gt, inArray, isNull, like } from 'drizzle-orm'
import { virtualNumber } from './rules.ts'
import { numberTable, type StockRow, stockTable } from './schema.ts'

type Reader = Pick<NumberContext, 'db'>
type NewStock = Omit<StockRow, 'held_for'>

export const available = ({ number, country, region, features }: NewStock): AvailableNumber => ({
  number,
  type: 'normal',
  country,
  region,
  features,
})

/** Which of these numbers somebody has. */
async function taken(ctx: Reader, wanted: readonly string[]): Promise<Set<string>> {
  const live = and(inArray(numberTable.number, [...wanted]), isLive(numberTable))
  const rows = await ctx.db.select({ number: numberTable.number }).from(numberTable).where(live)
  return new Set(rows.map(row => row.number))
}

interface StockQuery {
  page_size: number
  page_token?: string
  country_code?: string
  prefix?: string
}

/** The stock has neither ids nor times: its pages go on behind the last number. */
export async function listStock(ctx: Reader, { page_size, page_token, country_code, prefix }: StockQuery): Promise<AvailableNumberList> {
  const after = page_token ? parsePageToken(page_token).id : undefined
  const rows = await ctx.db
    .select()
    .from(stockTable)
    .where(
      and(
        isNull(stockTable.held_for),
        country_code ? eq(stockTable.country, country_code) : undefined,
        prefix ? like(stockTable.number, `${prefix}%`) : undefined,
        after ? gt(stockTable.number, after) : undefined,
      ),
    )
    .orderBy(asc(stockTable.number))
    .limit(page_size + 1)
  const page = rows.slice(0, page_size)
  const last = page.at(-1)
  const next = rows.length > page_size && last ? pageToken({ tm_create: '1970-01-01T00:00:00.000000Z', id: last.number }) : ''
  return { result: page.map(available), next_page_token: next }
}

/** Up to `count` virtual numbers that nobody has. Not kept for whoever sees them. */
export async function freeVirtual(ctx: Reader, count: number, prefix: string | undefined): Promise<AvailableNumber[]> {
  const drawn = new Set(Array.from({ length: count }, () => virtualNumber(prefix)).filter(number => number !== undefined))
  if (drawn.size === 0) return []
  const gone = await taken(ctx, [...drawn])
  return [...drawn]
    .filter(number => !gone.has(number))
    .map(number => ({ number, type: 'virtual', country: '', region: '', features: ['voice'] }))
}

/** Adds what is neither in the stock nor taken; answers that. */
export async function addStock(tx: Tx, rows: readonly NewStock[]): Promise<NewStock[]> {
  const wanted = rows.map(row => row.number)
  const gone = await taken(tx, wanted)
  const known = await tx.db.select({ number: stockTable.number }).from(stockTable).where(inArray(stockTable.number, wanted)).for('update')
  for (const { number } of known) gone.add(number)
  const fresh = [...new Map(rows.map(row => [row.number, row])).values()].filter(row => !gone.has(row.number))
  if (fresh.length > 0) await putBack(tx, fresh)
  return fresh
}

/** Into the stock; one that is there already stays as it is. */
export async function putBack(tx: Tx, rows: NewStock[]): Promise<void> {
  await tx.db.insert(stockTable).ignore().values(rows)
}

/** Locks a number of the stock until the transaction ends. */
export async function lockStock(tx: Tx, number: string): Promise<StockRow | undefined> {
  const [row] = await tx.db.select().from(stockTable).where(eq(stockTable.number, number)).for('update')
  return row
}

export const hold = (tx: Tx, number: string, held_for: string | null) =>
  tx.db.update(stockTable).set({ held_for }).where(eq(stockTable.number, number))

export const takeOut = (tx: Tx, number: string) => tx.db.delete(stockTable).where(eq(stockTable.number, number))
