import { atMost, stamp, Wake } from '@voipbin/kernel'
import { and, asc, eq, gt, inArray, isNotNull, lte, sql } from 'drizzle-orm'
import { addressType, type Tried } from './addresses.ts'
import { attempt } from './attempt.ts'
import { Intake } from './intake.ts'
import { Places } from './places.ts'
import type { Ctx, Target } from './queue.ts'
import { Recorder } from './recorder.ts'
import { type Queue, Room } from './room.ts'
import { type AttemptRow, type DeliveryRow, deliveryTable } from './schema.ts'
import type { Consumed } from './targets.ts'

/** After how long somebody else sends what a killed process was about to send, in milliseconds. Renewed three times in that time. */
const lease_ms = 15_000
/** How often the table is looked at for what a killed process has left, in milliseconds. */
const look_ms = 5_000
/** Deliveries of one endpoint that wait in memory; the others wait in the table. */
const readyMost = 256
const readyLow = 64
/** How long stopping waits for requests under way, in milliseconds. */
const stop_ms = 5_000

const engines = new WeakMap<object, Engine>()

/** The engine of the service that this context belongs to; `undefined` when it does not run. */
export const engineOf = (ctx: Pick<Ctx, 'config'>): Engine | undefined => engines.get(ctx.config)

/** Sends deliveries while the service is up. */
export async function runEngine(ctx: Ctx): Promise<void> {
  const engine = new Engine(ctx)
  engines.set(ctx.config, engine)
  try {
    await engine.run()
  } finally {
    engines.delete(ctx.config)
  }
}

/**
 * Sends what is due. A row is sent by the process that holds its lease (`tm_due` lies ahead): new deliveries are leased as they are inserted and go out
 * from memory, others are claimed from the table, one endpoint at a time, so that no endpoint's backlog hides another's.
 */
export class Engine {
  readonly places: Places
  #ctx: Ctx
  #intake: Intake
  #recorder: Recorder
  #room = new Room(queue => this.#start(queue))
  /** Rows under this process's lease. */
  #held = new Map<string, DeliveryRow>()
  #sending = new Set<Promise<void>>()
  #lease = { until: '', made: 0 }
  #wake = new Wake()
  /** When the next delivery is due, as far as known here, epoch milliseconds. */
  #next = 0
  #looked = 0
  #renewed = 0
  #stopping = false
  #abort = new AbortController()

  constructor(ctx: Ctx) {
    this.#ctx = ctx
    this.places = new Places(ctx)
    this.#recorder = new Recorder({
      ctx,
      lease: () => this.#leaseEnd(),
      released: rows => this.#hold(rows),
      forget: id => this.places.forget(id),
      closed: address => this.#drop(address),
    })
    this.#intake = new Intake({
      ctx,
      due: row => this.#dueOf(row),
      claim: queues => this.claim(queues),
      endpoints: rows => this.places.know(rows),
      added: (rows, isNew) => this.#added(rows, isNew),
    })
  }

  /** Takes an event; resolves when its deliveries are in the database. */
  take(event: Consumed, targets: readonly Target[]): Promise<void> {
    return this.#intake.add(event, targets)
  }

  /** Deliveries in these queues have become due. */
  claim(queues: readonly string[]): void {
    for (const key of new Set(queues)) {
      const queue = this.#room.queue(key)
      queue.backlog = true
      void this.#refill(queue)
    }
  }

  /** One attempt at once, for somebody who waits for its answer; nothing else may be about to send the row. */
  async sendNow(row: DeliveryRow): Promise<AttemptRow | undefined> {
    const place = await this.places.of(row)
    const made = place && (await attempt(this.#ctx, row, place, this.#abort.signal))
    await this.#recorder.add({ row, made })
    return made
  }

  async run(): Promise<void> {
    const { signal } = this.#ctx
    while (!signal.aborted) {
      const wait_ms = Math.min(this.#next, this.#looked + look_ms, this.#renewed + lease_ms / 3) - this.#now()
      if (wait_ms > 0) {
        await this.#wake.wait(wait_ms, signal)
        continue
      }
      try {
        await this.#renew()
        await this.#look()
      } catch (error) {
        // Leases end, and what they held is claimed again: a database that is away makes deliveries late and nothing else.
        this.#ctx.log.warn('delivery table not reached', { err: error })
        this.#next = this.#now() + 500
        this.#looked = this.#renewed = this.#now()
      }
    }
    await this.#stop()
  }

  /** Sends no more; waits for requests under way, then gives them up; what was not sent is due at once for others. */
  async #stop(): Promise<void> {
    this.#stopping = true
    await atMost(stop_ms, Promise.all(this.#sending))
    this.#abort.abort()
    await Promise.all(this.#sending)
    await this.#recorder.idle()
    await this.#setLease(stamp(this.#ctx.now()))
  }

  #now(): number {
    return this.#ctx.now().getTime()
  }

  /** The end of a lease that begins now. The same for what begins within a second, so that a renewal names few of them. */
  #leaseEnd(): string {
    const now = this.#now()
    if (now - this.#lease.made > 1_000) this.#lease = { until: stamp(new Date(now + lease_ms)), made: now }
    return this.#lease.until
  }

  /** A new delivery goes out from memory, unless others of its endpoint wait in the table. */
  #dueOf(row: DeliveryRow): string {
    const queue = this.#room.queue(row.queue ?? '')
    return queue.backlog || queue.ready.length >= readyMost || this.#stopping ? stamp(this.#ctx.now()) : this.#leaseEnd()
  }

  #added(rows: readonly DeliveryRow[], isNew: boolean): void {
    const mine = rows.filter(({ tm_due }) => tm_due !== null && Date.parse(tm_due) > this.#now() + lease_ms / 2)
    // Of an event that came before some rows may be sent, or being sent, already. Which they are, the table knows when the lease has ended.
    if (isNew) this.#hold(mine)
    const theirs = new Set(mine)
    this.claim(rows.filter(row => row.tm_due !== null && !theirs.has(row)).flatMap(({ queue }) => queue ?? []))
  }

  #hold(rows: readonly DeliveryRow[]): void {
    for (const row of rows) {
      if (this.#held.has(row.id) || !row.queue) continue
      this.#held.set(row.id, row)
      const queue = this.#room.queue(row.queue)
      queue.ready.push(row)
      this.#room.fill(queue)
    }
  }

  /** Gives up what waits in memory for an address; the table has it canceled. */
  #drop({ queue: key, target_type }: Pick<Tried, 'queue' | 'target_type'>): void {
    const { ready } = this.#room.queue(key)
    for (const row of ready.splice(0)) {
      if (row.webhook_id === null && addressType(row) === target_type) this.#held.delete(row.id)
      else ready.push(row)
    }
  }

  /** Called by the room when a request may begin. */
  #start(queue: Queue): boolean {
    if (this.#stopping) return false
    const row = queue.ready.shift()
    if (!row) return false
    const sending = this.#send(queue, row).finally(() => this.#sending.delete(sending))
    this.#sending.add(sending)
    if (queue.backlog && queue.ready.length < readyLow) void this.#refill(queue)
    return true
  }

  async #send(queue: Queue, row: DeliveryRow): Promise<void> {
    const visit = this.#room.enter(queue)
    try {
      const place = await this.places.of(row)
      const made = place && (await attempt(this.#ctx, row, place, this.#abort.signal))
      // The endpoint's place is free now; the process's own when it is written down.
      visit.answered(made && made.status_code !== null)
      const { again_at } = await this.#recorder.add({ row, made })
      this.#held.delete(row.id)
      if (again_at !== undefined) this.#wakeAt(again_at)
    } catch (error) {
      // What is held when the process stops is given back at once; else it is sent again when its lease has ended.
      if (this.#stopping) return
      this.#held.delete(row.id)
      this.#ctx.log.warn('delivery not sent, will try again', { delivery_id: row.id, err: error })
    } finally {
      visit.over()
    }
  }

  #wakeAt(at: number): void {
    if (at >= this.#next) return
    this.#next = at
    this.#wake.set()
  }

  /** Claims what is due in one queue, up to what may wait in memory. */
  async #refill(queue: Queue): Promise<void> {
    if (queue.claiming || this.#stopping) return
    queue.claiming = true
    try {
      while (queue.backlog && queue.ready.length < readyLow && !this.#stopping) {
        const most = readyMost - queue.ready.length
        queue.backlog = false
        const rows = await this.#claim(queue.key, most)
        if (rows.length === most) queue.backlog = true
        if (rows.length > 0) this.places.forget(queue.key)
        this.#hold(rows)
      }
      if (!queue.backlog) await this.#noteNext(queue)
    } catch (error) {
      queue.backlog = true
      this.#ctx.log.warn('deliveries not claimed', { err: error })
    } finally {
      queue.claiming = false
    }
  }

  #claim(key: string, most: number): Promise<DeliveryRow[]> {
    return this.#ctx.tx(async tx => {
      const rows = await tx.db
        .select()
        .from(deliveryTable)
        .where(and(eq(deliveryTable.queue, key), lte(deliveryTable.tm_due, stamp(tx.now()))))
        // The order of the index, so that no more rows are read, and locked, than are taken.
        .orderBy(asc(deliveryTable.tm_due), asc(deliveryTable.id))
        .limit(most)
        .for('update', { skipLocked: true })
      if (rows.length === 0) return rows
      const tm_due = this.#leaseEnd()
      const ids = rows.map(({ id }) => id)
      await tx.db.update(deliveryTable).set({ tm_due }).where(inArray(deliveryTable.id, ids))
      return rows.map(row => ({ ...row, tm_due }))
    })
  }

  async #noteNext({ key }: Queue): Promise<void> {
    const [next] = await this.#ctx.db
      .select({ tm_due: deliveryTable.tm_due })
      .from(deliveryTable)
      .where(and(eq(deliveryTable.queue, key), gt(deliveryTable.tm_due, stamp(this.#ctx.now()))))
      .orderBy(asc(deliveryTable.tm_due))
      .limit(1)
    if (next?.tm_due) this.#wakeAt(Date.parse(next.tm_due))
  }

  /** Finds the queues in which something is due, and when the next will be. One entry of the index for each queue, however much waits in it. */
  async #look(): Promise<void> {
    const now = this.#now()
    this.#looked = now
    this.#next = Number.POSITIVE_INFINITY
    const found = await this.#ctx.db
      .select({ queue: deliveryTable.queue, tm_due: sql<string | null>`MIN(${deliveryTable.tm_due})`.mapWith(deliveryTable.tm_due) })
      .from(deliveryTable)
      .where(isNotNull(deliveryTable.queue))
      .groupBy(deliveryTable.queue)
    for (const { queue, tm_due } of found) {
      if (queue === null || tm_due === null) continue
      const due = Date.parse(tm_due)
      if (due <= now) this.claim([queue])
      else this.#wakeAt(due)
    }
  }

  async #renew(): Promise<void> {
    const now = this.#now()
    if (now < this.#renewed + lease_ms / 3) return
    this.#renewed = now
    this.#lease.made = 0
    await this.#setLease(this.#leaseEnd())
  }

  /** Moves the end of every lease held here. A row that was written down meanwhile, or that somebody else has claimed, is left alone. */
  async #setLease(tm_due: string): Promise<void> {
    const rows = [...this.#held.values()]
    for (let at = 0; at < rows.length; at += 500) {
      const part = rows.slice(at, at + 500)
      const leases = [...new Set(part.flatMap(row => row.tm_due ?? []))]
      const ids = part.map(({ id }) => id)
      await this.#ctx.tx(async tx => {
        const mine = and(inArray(deliveryTable.id, ids), inArray(deliveryTable.tm_due, leases))
        await tx.db.update(deliveryTable).set({ tm_due }).where(mine)
      })
      for (const row of part) row.tm_due = tm_due
    }
  }
}
