import type { Caller, Context, Db, Logger } from './context.ts'
import { isAppError } from './errors.ts'
import { fault } from './fault.ts'
import type { Host } from './host.ts'
import { uuid7 } from './id.ts'
import { makeContext } from './make-context.ts'
import { callerFields, Message, systemCaller } from './message.ts'
import { metrics } from './metrics.ts'
import { dbTime, fromDb, run, select } from './statements.ts'
import { isTransient } from './transient.ts'
import { atMost, Wake } from './wake.ts'

interface TimerRow {
  id: string
  name: string
  customer_id: string
  payload: string
  caller: string
  tm_due: string
  attempts: number
}

/** The durable timers of one service. */
export class TimerStore {
  #set: string
  #cancel: string
  #due: string
  #claim: string
  #lease: string
  #next: string
  #done: string
  #later: string
  #keep: string

  constructor(service: string) {
    const table = `\`${service}_timers\``
    this.#set =
      `INSERT INTO ${table} (id, timer_key, name, customer_id, payload, caller, tm_due, tm_lease, attempts) VALUES (?, ?, ?, ?, ?, ?, ?, NULL, 0) ` +
      'ON DUPLICATE KEY UPDATE id = VALUES(id), name = VALUES(name), customer_id = VALUES(customer_id), payload = VALUES(payload), ' +
      'caller = VALUES(caller), tm_due = VALUES(tm_due), tm_lease = NULL, attempts = 0'
    this.#cancel = `DELETE FROM ${table} WHERE timer_key = ?`
    const free = 'tm_due <= ? AND (tm_lease IS NULL OR tm_lease < ?)'
    this.#due = `SELECT 1 FROM ${table} WHERE ${free} LIMIT 1`
    this.#claim =
      'SELECT id, name, customer_id, CAST(payload AS CHAR) AS payload, CAST(caller AS CHAR) AS caller, CAST(tm_due AS CHAR) AS tm_due, attempts ' +
      `FROM ${table} WHERE ${free} ORDER BY tm_due LIMIT ? FOR UPDATE SKIP LOCKED`
    this.#lease = `UPDATE ${table} SET tm_lease = ?, attempts = attempts + 1 WHERE id IN (?)`
    this.#next = `SELECT CAST(tm_due AS CHAR) AS tm_due FROM ${table} WHERE tm_due > ? ORDER BY tm_due LIMIT 1`
    this.#done = `DELETE FROM ${table} WHERE id = ?`
    this.#later = `UPDATE ${table} SET tm_due = ?, tm_lease = NULL WHERE id = ?`
    this.#keep = `UPDATE ${table} SET tm_lease = ? WHERE id IN (?) AND tm_lease IS NOT NULL`
  }

  /** A key set again gets a new id: a run of the old one that is still going on cannot finish the new one. */
  async set(db: Db, name: string, options: { key: string; at: Date; payload: object }, caller: Caller): Promise<void> {
    const kept = JSON.stringify(callerFields(caller))
    const due = dbTime(options.at.getTime())
    await run(db, this.#set, [uuid7(), options.key, name, caller.customer_id, JSON.stringify(options.payload), kept, due])
  }

  async cancel(db: Db, key: string): Promise<void> {
    await run(db, this.#cancel, [key])
  }

  /** Takes up to `limit` due timers for `lease_ms`; nobody else gets them meanwhile. Call inside a transaction. */
  async claim(db: Db, now: number, lease_ms: number, limit: number): Promise<TimerRow[]> {
    const rows = await select<TimerRow>(db, this.#claim, [dbTime(now), dbTime(now), limit])
    if (rows.length > 0) await run(db, this.#lease, [dbTime(now + lease_ms), rows.map(row => row.id)])
    return rows
  }

  /** Whether there is anything to claim: a read without locks. */
  async hasDue(db: Db, now: number): Promise<boolean> {
    return (await select(db, this.#due, [dbTime(now), dbTime(now)])).length > 0
  }

  /** When the next one is due, epoch milliseconds. */
  async nextDue(db: Db, now: number): Promise<number | undefined> {
    const [row] = await select<{ tm_due: string }>(db, this.#next, [dbTime(now)])
    return row && fromDb(row.tm_due)
  }

  async done(db: Db, id: string): Promise<void> {
    await run(db, this.#done, [id])
  }

  async postpone(db: Db, id: string, until: number): Promise<void> {
    await run(db, this.#later, [dbTime(until), id])
  }

  /** Keeps the leases of running timers until `until`; a time in the past gives them up. */
  async lease(db: Db, ids: readonly string[], until: number): Promise<void> {
    await run(db, this.#keep, [dbTime(until), ids])
  }
}

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
