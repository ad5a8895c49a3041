import type { NumberContext, NumberHandlers } from '@voipbin/generated/rpc/number'
import type { NumberCreate } from '@voipbin/generated/schemas'
import { type AppError, isDuplicate } from '@voipbin/kernel'
import { giveBack, insertNumber, keep, settle } from './purchase.ts'
import { isTakeable, numberType } from './rules.ts'
import { type NumberRow, numbers } from './schema.ts'
import { addStock, available, freeVirtual, listStock, lockStock, takeOut } from './stock.ts'

/** Proposals of virtual numbers in one page. */
const maxVirtual = 10

export const handlers: NumberHandlers = {
  listAvailableNumbers: async (ctx, { type, ...query }) => {
    const { page_size, page_token, country_code, prefix } = query
    const stock = type === 'virtual' ? { result: [], next_page_token: '' } : await listStock(ctx, query)
    if (type === 'normal' || country_code || page_token || stock.result.length >= page_size) return stock
    const free = await freeVirtual(ctx, Math.min(maxVirtual, page_size - stock.result.length), prefix)
    return { ...stock, result: [...stock.result, ...free] }
  },
  addAvailableNumbers: async (ctx, input) => {
    const rows = input.numbers
      .filter(row => numberType(row.number) === 'normal')
      .map(({ number, country, region = '', features = ['voice' as const] }) => ({ number, country, region, features }))
    const added = rows.length > 0 ? await ctx.tx(tx => addStock(tx, rows)) : []
    return { result: added.map(available), next_page_token: '' }
  },
  removeAvailableNumber: async (ctx, { number }) => {
    const removed = await ctx.tx(async tx => {
      const row = await lockStock(tx, number)
      if (!row || row.held_for) return null
      await takeOut(tx, number)
      return available(row)
    })
    if (!removed) throw ctx.error('NUMBER_NOT_AVAILABLE')
    return removed
  },
  listNumbers: (ctx, { page_size, page_token, ...where }) => numbers.list(ctx, { page_size, page_token, where }),
  createNumber: (ctx, input) => (numberType(input.number) === 'virtual' ? createVirtual(ctx, input) : buy(ctx, input)),
  getNumber: (ctx, { id }) => numbers.require(ctx, id),
  updateNumber: (ctx, { id, ...patch }) =>
    ctx.tx(async tx => {
      const row = await numbers.update(tx, id, patch)
      await tx.emit('number.updated', row)
      return row
    }),
  deleteNumber: (ctx, { id }) => ctx.tx(tx => giveBack(tx, id)),
  findNumber: async (ctx, { number }) => {
    const row = await holder(ctx, number)
    if (!row) throw ctx.error('NUMBER_NOT_FOUND')
    return row
  },
}

type Create = NumberContext & { error(reason: 'NUMBER_TAKEN' | 'NUMBER_NOT_AVAILABLE' | 'BALANCE_INSUFFICIENT'): AppError }

async function holder(ctx: Pick<NumberContext, 'db'>, number: string): Promise<NumberRow | undefined> {
  const [row] = await numbers.system.find(ctx, { number }, { limit: 1 })
  return row
}

async function createVirtual(ctx: Create, input: NumberCreate): Promise<NumberRow> {
  if (!isTakeable(input.number)) throw ctx.error('NUMBER_NOT_AVAILABLE')
  try {
    return await ctx.tx(tx => insertNumber(tx, { ...input, type: 'virtual' }))
  } catch (error) {
    if (isDuplicate(error)) throw ctx.error('NUMBER_TAKEN')
    throw error
  }
}

async function buy(ctx: Create, input: NumberCreate): Promise<NumberRow> {
  const order = await ctx.tx(async tx => {
    const stock = await lockStock(tx, input.number)
    if (stock && !stock.held_for) return keep(tx, input)
    throw ctx.error(stock || (await holder(tx, input.number)) ? 'NUMBER_TAKEN' : 'NUMBER_NOT_AVAILABLE')
  })
  const row = await settle(ctx, order)
  if (!row) throw ctx.error('BALANCE_INSUFFICIENT')
  return row
}
