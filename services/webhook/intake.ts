import { projectEvent } from '@voipbin/generated/events/index'
import { Batch, insertRows, stamp } from '@voipbin/kernel'
import { sortByAddress } from './addresses.ts'
import { type Ctx, ended, heldUp, insertDeliveries, newDelivery, release, type Target } from './queue.ts'
import { payload, wants } from './rules.ts'
import { type DeliveryRow, deliveryTable, type WebhookRow, webhooks } from './schema.ts'
import { type Consumed, endpointTarget } from './targets.ts'

interface Arrival {
  event: Consumed
  /** Places that are no endpoints: the customer's and the run's. */
  targets: readonly Target[]
}

interface IntakeOptions {
  ctx: Ctx
  /** When a new delivery is due: the lease's end for one that this process sends at once, now for one that waits to be claimed. */
  due(row: DeliveryRow): string
  /** Deliveries in these queues are due and nobody's. */
  claim(queues: readonly string[]): void
  /** Told before deliveries to them are made: the endpoints as they are now. */
  endpoints(rows: readonly WebhookRow[]): void
  /** Deliveries that were added; those due at the lease are to be sent. `isNew` is false when some of them were there before. */
  added(rows: readonly DeliveryRow[], isNew: boolean): void
}

const atOnce = 256
/** More than a customer may have. */
const maxEndpoints = 100

/** Turns events into deliveries, one for each place that wants them, many events in one transaction. An event that comes again changes nothing. */
export class Intake {
  #options: IntakeOptions
  #batch = new Batch<Arrival, undefined>(atOnce, arrivals => this.#take(arrivals))

  constructor(options: IntakeOptions) {
    this.#options = options
  }

  /** Resolves when the deliveries of the event are in the database. */
  async add(event: Consumed, targets: readonly Target[]): Promise<void> {
    await this.#batch.add({ event, targets })
  }

  async #take(arrivals: readonly Arrival[]): Promise<undefined[]> {
    const { ctx } = this.#options
    const customers = [...new Set(arrivals.map(({ event }) => event.customer_id))]
    const endpoints = await webhooks.system.find(
      ctx,
      { customer_id: customers, status: 'enabled' },
      { limit: customers.length * maxEndpoints },
    )
    this.#options.endpoints(endpoints)
    const byCustomer = Map.groupBy(endpoints, ({ customer_id }) => customer_id)
    const rows = arrivals.flatMap(({ event, targets }) => {
      const wanting = (byCustomer.get(event.customer_id) ?? []).filter(({ event_types }) => wants(event_types, event.event_type))
      return deliveriesOf(event, [...wanting.map(endpointTarget), ...targets])
    })
    const { open, closed } = await sortByAddress(ctx, rows)
    if (closed.length > 0) await this.#insertCanceled(closed)
    if (open.length > 0) await this.#insert(open)
    return arrivals.map(() => undefined)
  }

  async #insertCanceled(rows: readonly DeliveryRow[]): Promise<void> {
    const { version: _version, ...over } = ended(stamp(this.#options.ctx.now()))
    const canceled = rows.map(row => ({ ...row, ...over, status: 'canceled' as const }))
    await this.#options.ctx.tx(tx => insertRows(tx.db, deliveryTable, canceled))
  }

  async #insert(rows: readonly DeliveryRow[]): Promise<void> {
    const { ctx, due, added } = this.#options
    const isNew = await ctx.tx(async tx => {
      // A transaction that is tried again begins anew.
      for (const row of rows) row.tm_due = null
      return (await insertDeliveries(tx, rows, due)) === rows.length
    })
    const waiting = rows.filter(({ tm_due }) => tm_due === null).flatMap(({ lane }) => lane ?? [])
    if (waiting.length > 0) await this.#recheck(rows, waiting)
    added(rows, isNew)
  }

  /**
   * The one before in a lane may have ended while ours was being added, neither seeing the other. Both look after their commit, and here with a
   * lock, so that one of them sees it.
   */
  async #recheck(rows: readonly DeliveryRow[], lanes: readonly string[]): Promise<void> {
    const { ctx, claim } = this.#options
    const ids = await ctx.tx(async tx => {
      const first = await heldUp(tx, lanes, { locked: true })
      await release(tx, first, stamp(tx.now()))
      return new Set(first)
    })
    if (ids.size > 0) claim(rows.filter(({ id }) => ids.has(id)).flatMap(({ queue }) => queue ?? []))
  }
}

/** The deliveries of one event. */
function deliveriesOf(event: Consumed, targets: readonly Target[]): DeliveryRow[] {
  if (targets.length === 0) return []
  const { event_id, event_type, resource_type, resource_id, customer_id, request_id } = event
  // Projected when it was emitted; once more here, because what leaves the platform must never depend on the sender's version.
  const data = projectEvent(event_type, event.data as never)
  const content = { event_id, event_type, resource_type, resource_id, request_body: payload({ ...event, data }) }
  return targets.map(target => newDelivery(target, content, { customer_id, request_id }))
}
