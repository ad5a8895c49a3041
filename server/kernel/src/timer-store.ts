import { callerFields } from './caller.ts'
import type { Caller, Db } from './context.ts'
import { uuid7 } from './id.ts'
import { dbTime, fromDb, run, select } from './statements.ts'

export interface TimerRow {
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
