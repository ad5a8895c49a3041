import type { PoolConnection } from 'mysql2'
import type { Logger } from './context.ts'
import type { Database } from './db.ts'
import { pause, repeat } from './wake.ts'

/** How often a lock that another instance holds is asked for, in milliseconds: the longest gap after that one died. */
const ask_ms = 250
const answer_ms = 5_000

type Work = (signal: AbortSignal) => Promise<void>
interface Candidate {
  name: string
  log: Logger
  work: Work
  held: AbortController | undefined
  running: Promise<void> | undefined
}

/**
 * Makes sure that some work runs on one instance at a time, by named locks of the database (`GET_LOCK`) on one connection of its own.
 * The server frees them the moment that connection ends, so a killed instance is replaced at once and no clock is compared.
 */
export class Leaders {
  #database: Database
  #log: Logger
  #candidates = new Set<Candidate>()
  #connection: PoolConnection | undefined
  #stop = new AbortController()
  #loop: Promise<void> | undefined

  constructor(database: Database, log: Logger) {
    this.#database = database
    this.#log = log
  }

  /**
   * Runs `work` here whenever this instance holds the lock; its signal aborts when the lock is lost or the process stops. `work` that ends
   * by itself, or throws, runs again after a second; what it throws is logged with `log`.
   */
  lead(name: string, log: Logger, work: Work): void {
    this.#candidates.add({ name, log, work, held: undefined, running: undefined })
    this.#loop ??= this.#run()
  }

  /** Ends all work, waits for it, frees the locks. Safe to call twice. */
  async close(): Promise<void> {
    this.#stop.abort()
    const running = [...this.#candidates].map(candidate => {
      candidate.held?.abort()
      return candidate.running
    })
    await Promise.all([this.#loop, ...running])
    this.#drop()
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      try {
        await this.#ask()
      } catch (error) {
        if (!signal.aborted) this.#log.warn('locks lost', { err: error })
        this.#drop()
      }
      await pause(ask_ms, signal)
    }
  }

  /** Asks for every lock not held, in one statement, which also shows that the connection lives. */
  async #ask(): Promise<void> {
    const wanted = [...this.#candidates].filter(candidate => !candidate.held && !candidate.running)
    const columns = wanted.map((_, i) => `GET_LOCK(SHA1(CONCAT(DATABASE(), '/', ?)), 0) AS l${i}`)
    const row = await this.#query(
      `SELECT ${['1 AS alive', ...columns].join(', ')}`,
      wanted.map(candidate => candidate.name),
    )
    if (this.#stop.signal.aborted) return
    wanted.forEach((candidate, i) => {
      if (row[`l${i}`] === 1) this.#start(candidate)
    })
  }

  #start(candidate: Candidate): void {
    const held = new AbortController()
    const { name, log, work } = candidate
    const failed = (error: unknown) => log.error('background work failed, will run again', { work: name, err: error })
    candidate.held = held
    candidate.running = repeat(() => work(held.signal), held.signal, failed).then(() => {
      candidate.running = undefined
    })
  }

  async #query(sql: string, params: unknown[]): Promise<Record<string, number>> {
    this.#connection ??= await this.#connect()
    const connection = this.#connection
    return new Promise((resolve, reject) => {
      connection.query({ sql, timeout: answer_ms }, params, (error, rows) => {
        if (error) reject(error)
        else resolve((rows as Record<string, number>[])[0] ?? {})
      })
    })
  }

  #connect(): Promise<PoolConnection> {
    return new Promise((resolve, reject) => {
      this.#database.pool.getConnection((error, connection) => {
        if (error) return reject(error)
        connection.once('error', error => {
          this.#log.warn('lock connection broke', { err: error })
          this.#drop()
        })
        resolve(connection)
      })
    })
  }

  /** Tells what ran under the locks to stop and lets the locks go with their connection. It starts again only after it has ended here. */
  #drop(): void {
    for (const candidate of this.#candidates) {
      candidate.held?.abort()
      candidate.held = undefined
    }
    this.#connection?.destroy()
    this.#connection = undefined
  }
}
