import { systemCaller } from './caller.ts'
import type { Caller, Context, Db, Logger } from './context.ts'
import { isAppError } from './errors.ts'
import { fault } from './fault.ts'
import type { Host } from './host.ts'
import { makeContext } from './make-context.ts'
import { Message } from './message.ts'
import { metrics } from './metrics.ts'
import { fromDb } from './statements.ts'
import type { TimerRow, TimerStore } from './timer-store.ts'
import { isTransient } from './transient.ts'
import { atMost, Wake } from './wake.ts'

/** How often the table is looked at for timers that other instances have set, in milliseconds. */
const look_ms = 1_000
const at_once = 64
/** How long one run may take, in milliseconds. */
const run_ms = 120_000

interface RunnerOptions {
  host: Host
  store: TimerStore
  /** A timer of a killed process runs elsewhere after this long, in milliseconds. Renewed while it runs. */
  lease_ms: number
}

/**
 * Runs due timers. Every instance looks, SKIP LOCKED gives each timer to one. Punctual because the process that sets a timer wakes itself when it
 * is due, and the look once a second finds the due times that others have set.
 */
export class TimerRunner {
  #host: Host
  #store: TimerStore
  #lease_ms: number
  #wake = new Wake()
  #stop = new AbortController()
  #running = new Map<string, Promise<void>>()
  #loop: Promise<void> | undefined
  /** Earliest due time known here, epoch milliseconds. */
  #next = 0
  #looked = 0

  constructor({ host, store, lease_ms }: RunnerOptions) {
    this.#host = host
    this.#store = store
    this.#lease_ms = lease_ms
  }

  start(): void {
    this.#loop ??= this.#run()
  }

  /** A timer due at this time was committed here. */
  committed(due: number): void {
    if (due >= this.#next) return
    this.#next = due
    this.#wake.set()
  }

  /** Starts no more timers; waits up to `timeout_ms` for the running ones and gives the rest back. */
  async close(timeout_ms: number): Promise<void> {
    this.#stop.abort()
    this.#wake.set()
    await this.#loop
    await atMost(timeout_ms, Promise.all(this.#running.values()))
    if (this.#running.size > 0) await this.#db(db => this.#store.lease(db, [...this.#running.keys()], 0))
  }

  get #log(): Logger {
    return this.#host.log
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    const renew = setInterval(() => void this.#renew(), this.#lease_ms / 3)
    while (!signal.aborted) {
      const now = Date.now()
      const wait = Math.min(this.#next, this.#looked + look_ms) - now
      if (wait > 0) {
        await this.#wake.wait(wait, signal)
        continue
      }
      await this.#db(() => this.#look(now))
    }
    clearInterval(renew)
  }

  async #look(now: number): Promise<void> {
    const database = this.#host.data?.database
    if (!database) return
    this.#looked = now
    const room = at_once - this.#running.size
    if (room <= 0) {
      await this.#wake.wait(look_ms, this.#stop.signal)
      return
    }
    // Timers committed while this looks must not be overwritten by what it finds.
    this.#next = Number.POSITIVE_INFINITY
    if (await this.#store.hasDue(database.db, now)) {
      const rows = await database.transaction(db => this.#store.claim(db, now, this.#lease_ms, room))
      for (const row of rows) this.#start(row)
      if (rows.length === room) this.#next = now
    }
    const next = await this.#store.nextDue(database.db, now)
    if (next !== undefined && next < this.#next) this.#next = next
  }

  #start(row: TimerRow): void {
    const running = this.#handle(row).finally(() => {
      this.#running.delete(row.id)
      if (this.#running.size === at_once - 1) this.#wake.set()
    })
    this.#running.set(row.id, running)
  }

  async #handle(row: TimerRow): Promise<void> {
    const host = this.#host
    const labels = { service: host.name, name: row.name }
    metrics.timerLag.observe({ service: host.name }, Math.max(0, Date.now() - fromDb(row.tm_due)) / 1000)
    const caller = systemCaller(host.name, {
      request_id: row.id,
      ...(JSON.parse(row.caller) as Partial<Caller>),
      deadline: Date.now() + run_ms,
    })
    const ctx: Context = makeContext(host, new Message(row.id, true), caller, { operation: row.name })
    try {
      const handler = host.service.timers[row.name]
      if (!handler) throw new Error(`${host.name} has no timer ${row.name}`)
      await handler(ctx, JSON.parse(row.payload))
      metrics.timers.inc({ ...labels, outcome: 'ok' })
    } catch (error) {
      if (isTransient(error)) {
        // 1, 2, 4 … 64 s: a timer is never given up, somebody's call or bill depends on it.
        const delay_ms = 1_000 * 2 ** Math.min(row.attempts, 6)
        ctx.log.error('timer failed, will run again', { timer_id: row.id, attempt: row.attempts + 1, delay_ms, err: error })
        metrics.timers.inc({ ...labels, outcome: 'retried' })
        await this.#db(db => this.#store.postpone(db, row.id, Date.now() + delay_ms))
        return
      }
      ctx.log.error('timer refused', { timer_id: row.id, err: error })
      metrics.timers.inc({ ...labels, outcome: isAppError(error) ? error.reason : 'error' })
    }
    fault('timer.before_done')
    await this.#db(db => this.#store.done(db, row.id))
  }

  async #renew(): Promise<void> {
    if (this.#running.size === 0) return
    await this.#db(db => this.#store.lease(db, [...this.#running.keys()], Date.now() + this.#lease_ms))
  }

  /** A database that is away makes timers late and nothing else: their leases end, and they run again. */
  async #db(work: (db: Db) => Promise<void>): Promise<void> {
    const database = this.#host.data?.database
    if (!database) return
    try {
      await work(database.db)
    } catch (error) {
      this.#log.warn('timer table not reached', { err: error })
      await new Wake().wait(200, this.#stop.signal)
    }
  }
}
