import type { Db } from './context.ts'
import { dbTime, run, select } from './statements.ts'

/** The step that says "this message is dealt with"; transactions count from 1. */
const seenStep = 0
/** How long a message is remembered, in milliseconds. */
const remembered_ms = 24 * 3_600_000

/** What the transactions of a message answered, so that a message that comes again is answered and not repeated. */
export class Inbox {
  #claim: string
  #record: string
  #read: string
  #seen: string
  #mark: string
  #purge: string

  constructor(service: string) {
    const table = `\`${service}_inbox\``
    this.#claim = `INSERT IGNORE INTO ${table} (message_id, step, result, tm_create) VALUES (?, ?, NULL, ?)`
    this.#record = `UPDATE ${table} SET result = ? WHERE message_id = ? AND step = ?`
    this.#read = `SELECT CAST(result AS CHAR) AS result FROM ${table} WHERE message_id = ? AND step = ?`
    this.#seen = `SELECT message_id FROM ${table} WHERE message_id IN (?) AND step = ?`
    this.#mark = `INSERT IGNORE INTO ${table} (message_id, step, tm_create) VALUES ?`
    this.#purge = `DELETE FROM ${table} WHERE tm_create < ? LIMIT 1000`
  }

  /**
   * Takes the step inside the transaction that does its work. False: it was taken before, and that transaction has committed.
   * Waits while another transaction holds it (the same message delivered twice at once).
   */
  async claim(db: Db, message_id: string, step: number): Promise<boolean> {
    const { affectedRows } = await run(db, this.#claim, [message_id, step, dbTime(Date.now())])
    return affectedRows === 1
  }

  async record(db: Db, message_id: string, step: number, result: unknown): Promise<void> {
    await run(db, this.#record, [JSON.stringify(result), message_id, step])
  }

  /** The recorded result of a claimed step; `undefined` when it had none. */
  async read(db: Db, message_id: string, step: number): Promise<unknown> {
    const [row] = await select<{ result: string | null }>(db, this.#read, [message_id, step])
    return row?.result == null ? undefined : JSON.parse(row.result)
  }

  /** For each message, in their order, whether it is dealt with. */
  async areSeen(db: Db, message_ids: readonly string[]): Promise<boolean[]> {
    const rows = await select<{ message_id: string }>(db, this.#seen, [message_ids, seenStep])
    const seen = new Set(rows.map(row => row.message_id))
    return message_ids.map(id => seen.has(id))
  }

  async markSeen(db: Db, message_ids: readonly string[]): Promise<void> {
    const now = dbTime(Date.now())
    await run(db, this.#mark, [message_ids.map(id => [id, seenStep, now])])
  }

  /** Forgets what is older than 24 hours. Short statements: nobody waits long for their locks. */
  async purge(db: Db, signal: AbortSignal): Promise<void> {
    const before = dbTime(Date.now() - remembered_ms)
    while (!signal.aborted) {
      const { affectedRows } = await run(db, this.#purge, [before])
      if (affectedRows < 1000) return
    }
  }
}
