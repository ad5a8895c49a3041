import type { NumberContext, NumberEvents } from '@voipbin/generated/rpc/number'
import type { NumberCreate } from '@voipbin/generated/schemas'
import { isAppError, stamp, type Tx } from '@voipbin/kernel'
import { type NumberRow, numbers } from './schema.ts'
import { hold, lockStock, putBack, takeOut } from './stock.ts'

export type NumberTx = Tx<NumberEvents>

/** A number of the stock that waits for its payment. */
export interface Order {
  /** Id of the number to be. */
  id: string
  input: NumberCreate
}

/** After so many seconds an order whose outcome is not known is looked after. */
const again_s = 60

/** Keeps a number of the stock for the customer. The timer pays when this process cannot finish. */
export async function keep(tx: NumberTx, input: NumberCreate): Promise<Order> {
  const order = { id: tx.newId(), input }
  await hold(tx, input.number, order.id)
  await tx.setTimer('pay', { key: `pay:${order.id}`, at: new Date(tx.now().getTime() + again_s * 1000), payload: order })
  return order
}

/** Pays and hands the number over, or gives it back. `null` when it was not paid. Repeating it changes nothing. */
export async function settle(ctx: NumberContext, order: Order): Promise<NumberRow | null> {
  const { id, input } = order
  const isPaid = await pay(ctx, order)
  return ctx.tx(async tx => {
    const stock = await lockStock(tx, input.number)
    if (stock?.held_for !== id) return numbers.get({ db: tx.db, customer_id: tx.customer_id }, id)
    await tx.cancelTimer(`pay:${id}`)
    if (!isPaid) {
      await hold(tx, input.number, null)
      return null
    }
    await takeOut(tx, input.number)
    const { country, region, features } = stock
    return insertNumber(tx, { ...input, id, type: 'normal', stock: { country, region, features } })
  })
}

export async function insertNumber(tx: NumberTx, values: NumberCreate & Pick<NumberRow, 'type'> & Partial<NumberRow>): Promise<NumberRow> {
  const { call_flow_id = null, message_flow_id = null, name = '', detail = '', ...rest } = values
  const settings = { call_flow_id, message_flow_id, name, detail }
  const row = await numbers.insert(tx, { ...rest, ...settings, status: 'active', tm_purchase: stamp(tx.now()) })
  await tx.emit('number.created', row)
  return row
}

async function pay(ctx: NumberContext, { id, input }: Order): Promise<boolean> {
  const price = { cost_type: 'number', destination: input.number, units: 1, duration: null } as const
  try {
    await ctx.call('chargeBilling', { reference_type: 'number', reference_id: id, ...price })
    return true
  } catch (error) {
    if (isAppError(error) && (error.status === 'PAYMENT_REQUIRED' || error.status === 'NOT_FOUND')) return false
    throw error
  }
}

/** Ends the ownership; a normal number returns to the stock. */
export async function giveBack(tx: NumberTx, target: NumberRow | string): Promise<NumberRow> {
  const row: NumberRow = { ...(await numbers.remove(tx, target)), status: 'deleted' }
  if (row.stock) await putBack(tx, [{ number: row.number, ...row.stock }])
  await tx.emit('number.deleted', row)
  return row
}
