import { Batch, insertRows, isUnavailable, metrics, pause, stamp } from '@voipbin/kernel'
import { and, inArray, type SQL, sql } from 'drizzle-orm'
import { addressType, noteAddress, type Tried } from './addresses.ts'
import { note } from './health.ts'
import { type Ctx, ended, heldUp, release, type WebhookTx } from './queue.ts'
import { nextDelay } from './rules.ts'
import { type AttemptRow, attemptTable, type DeliveryRow, deliveryTable } from './schema.ts'

/** What has become of a delivery that was being sent. `made` is missing when it was not sent, because its place is there no more. */
export interface Outcome {
  row: DeliveryRow
  made: AttemptRow | undefined
}
/** What follows: when it is tried again, epoch milliseconds, if it is. */
interface Following {
  again_at: number | undefined
}

interface RecorderOptions {
  ctx: Ctx
  /** Until when the deliveries that are released belong to this process, RFC 3339. */
  lease(): string
  /** Deliveries that may be sent now that the one before them is over. Theirs is the lease. */
  released(rows: readonly DeliveryRow[]): void
  /** What is known of an endpoint may be wrong now. */
  forget(webhook_id: string): void
  /** An address is disabled: what waits for it is not sent. */
  closed(address: Pick<Tried, 'queue' | 'target_type'>): void
}

const atOnce = 256
/** How long outcomes wait for others under load, in milliseconds. The next request to the endpoint does not wait for this, only the next of the same lane. */
const linger_ms = 15
/** How often an endpoint's own record is written while all is well, in milliseconds. */
const calm_ms = 1_000

/** Writes down what has been sent, many at a time: the attempts, the deliveries, the endpoints, and who is next in their lanes. */
export class Recorder {
  #ctx: Ctx
  #lease: () => string
  #released: (rows: readonly DeliveryRow[]) => void
  #forget: (webhook_id: string) => void
  #closed: RecorderOptions['closed']
  #batch = new Batch<Outcome, Following>(atOnce, outcomes => this.#write(outcomes), { linger_ms })
  /** Endpoints and addresses without a failure -> when that was written down, epoch milliseconds. */
  #calm = new Map<string, number>()

  constructor({ ctx, lease, released, forget, closed }: RecorderOptions) {
    this.#ctx = ctx
    this.#lease = lease
    this.#released = released
    this.#forget = forget
    this.#closed = closed
  }

  /** Resolves when it is written. A database that is away is waited for: what was sent must not be sent again because nobody wrote it down. */
  async add(outcome: Outcome): Promise<Following> {
    for (;;) {
      try {
        return await this.#batch.add(outcome)
      } catch (error) {
        if (!isUnavailable(error) || this.#ctx.signal.aborted) throw error
        this.#ctx.log.warn('outcomes of deliveries not written, will try again', { err: error })
        await pause(500, this.#ctx.signal)
      }
    }
  }

  idle(): Promise<void> {
    return this.#batch.idle()
  }

  async #write(outcomes: readonly Outcome[]): Promise<Following[]> {
    const ctx = this.#ctx
    const followings = outcomes.map(outcome => this.#following(outcome))
    const made = outcomes.flatMap(one => one.made ?? [])
    const released = await ctx.tx(async tx => {
      await insertRows(tx.db, attemptTable, made)
      await this.#end(tx, outcomes, followings)
      await postpone(tx, outcomes, followings)
      await this.#note(tx, made)
      return this.#next(tx, outcomes, followings)
    })
    for (const { outcome, duration_ms } of made) {
      metrics.webhookDeliveries.inc({ outcome })
      metrics.webhookDuration.observe(duration_ms / 1000)
    }
    if (released.length > 0) this.#released(released)
    await this.#noteAddresses(outcomes)
    return followings
  }

  #following({ row, made }: Outcome): Following {
    if (!made || made.outcome === 'succeeded' || made.status_code === 410) return { again_at: undefined }
    const delay_ms = nextDelay(row.retry_schedule, row.attempt_count + 1)
    return { again_at: delay_ms === undefined ? undefined : this.#ctx.now().getTime() + delay_ms }
  }

  async #end(tx: WebhookTx, outcomes: readonly Outcome[], followings: readonly Following[]): Promise<void> {
    const over = outcomes.filter((_, at) => followings[at]?.again_at === undefined)
    const now = stamp(tx.now())
    for (const status of ['succeeded', 'failed', 'canceled'] as const) {
      const ids = over.filter(({ made }) => (made?.outcome ?? 'canceled') === status).map(({ row }) => row.id)
      if (ids.length === 0) continue
      const attempts = status === 'canceled' ? {} : { attempt_count: sql`${deliveryTable.attempt_count} + 1` }
      await tx.db
        .update(deliveryTable)
        .set({ ...ended(now), ...attempts, status })
        .where(pending(ids))
    }
  }

  /** Who is next in the lanes that have moved, now leased by this process. */
  async #next(tx: WebhookTx, outcomes: readonly Outcome[], followings: readonly Following[]): Promise<DeliveryRow[]> {
    const lanes = outcomes.flatMap(({ row }, at) => (followings[at]?.again_at === undefined && row.lane ? [row.lane] : []))
    const ids = await heldUp(tx, lanes, { locked: false })
    if (ids.length === 0) return []
    await release(tx, ids, this.#lease())
    return tx.db.select().from(deliveryTable).where(pending(ids))
  }

  /** After the rest has committed: what is known of an address is worth less than what was sent. */
  async #noteAddresses(outcomes: readonly Outcome[]): Promise<void> {
    const byAddress = new Map<string, Tried & { attempts: AttemptRow[] }>()
    for (const { row, made } of outcomes) {
      if (!made || row.webhook_id !== null || !row.queue) continue
      const target_type = addressType(row)
      const name = `${target_type} ${row.queue}`
      const tried = byAddress.get(name) ?? { queue: row.queue, target_type, attempts: [] }
      tried.attempts.push(made)
      byAddress.set(name, tried)
    }
    for (const [name, tried] of byAddress) {
      if (this.#isCalm(name, tried.attempts)) continue
      try {
        if (await noteAddress(this.#ctx, tried)) this.#closed(tried)
      } catch (error) {
        this.#ctx.log.warn('record of a webhook address not written', { err: error })
      }
    }
  }

  /** Whether all is well and was written down a moment ago. */
  #isCalm(name: string, attempts: readonly AttemptRow[]): boolean {
    const now = this.#ctx.now().getTime()
    if (!attempts.every(({ outcome }) => outcome === 'succeeded')) {
      this.#calm.delete(name)
      return false
    }
    if (now - (this.#calm.get(name) ?? 0) < calm_ms) return true
    if (this.#calm.size > 10_000) this.#calm.clear()
    this.#calm.set(name, now)
    return false
  }

  async #note(tx: WebhookTx, made: readonly AttemptRow[]): Promise<void> {
    const byEndpoint = Map.groupBy(made, attempt => attempt.webhook_id)
    // Always in the same order, or two processes would wait for each other.
    for (const webhook_id of [...byEndpoint.keys()].sort()) {
      const attempts = byEndpoint.get(webhook_id) ?? []
      if (webhook_id === null || this.#isCalm(webhook_id, attempts)) continue
      await note(this.#ctx, tx, webhook_id, attempts)
      if (attempts.some(({ outcome }) => outcome === 'failed')) tx.afterCommit(async () => this.#forget(webhook_id))
    }
  }
}

const pending = (ids: readonly string[]): SQL | undefined =>
  and(inArray(deliveryTable.id, [...ids]), sql`${deliveryTable.status} = 'pending'`)

/** Sets the next attempts, all in one statement. */
async function postpone(tx: WebhookTx, outcomes: readonly Outcome[], followings: readonly Following[]): Promise<void> {
  const cases: SQL[] = []
  const ids: string[] = []
  outcomes.forEach(({ row }, at) => {
    const again_at = followings[at]?.again_at
    if (again_at === undefined) return
    ids.push(row.id)
    cases.push(sql`WHEN ${row.id} THEN ${sql.param(new Date(again_at).toISOString(), deliveryTable.tm_due)}`)
  })
  if (ids.length === 0) return
  const tm_due = sql`CASE ${deliveryTable.id} ${sql.join(cases, sql` `)} END`
  const attempt_count = sql`${deliveryTable.attempt_count} + 1`
  const version = sql`${deliveryTable.version} + 1`
  await tx.db
    .update(deliveryTable)
    .set({ attempt_count, version, tm_due, tm_next_attempt: tm_due, tm_update: stamp(tx.now()) })
    .where(pending(ids))
}
