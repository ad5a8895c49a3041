import { CallerScope } from './caller.ts'
import type { Caller, Db, Logger, Tx } from './context.ts'
import { fault } from './fault.ts'
import type { Host, HostData } from './host.ts'
import { uuid7 } from './id.ts'
import type { Message } from './message.ts'
import { metrics } from './metrics.ts'
import type { PendingEvent, WrittenRow } from './outbox.ts'

type AfterCommit = () => Promise<void>

/** One try of a transaction. A deadlock throws it away, with all it had collected. */
class TxContext extends CallerScope implements Tx {
  readonly db: Db
  readonly events: PendingEvent[] = []
  /** The events as they were written. */
  written: readonly WrittenRow[] = []
  readonly jobs: AfterCommit[] = []
  /** The earliest timer set, epoch milliseconds. */
  timer_due: number | undefined
  #host: Host
  #data: HostData
  #caller: Caller
  #log: () => Logger

  constructor(host: Host, data: HostData, db: Db, caller: Caller, log: () => Logger) {
    super(caller)
    this.#host = host
    this.#data = data
    this.#caller = caller
    this.#log = log
    this.db = db
  }

  get log(): Logger {
    return this.#log()
  }
  now(): Date {
    return this.#host.now()
  }
  newId(): string {
    return uuid7()
  }

  async emit(event: string, data: unknown): Promise<void> {
    this.events.push(this.#data.outbox.prepare(event, data, this.#caller, this.#host.now()))
  }

  async setTimer(name: string, options: { key: string; at: Date; payload: object }): Promise<void> {
    if (!Object.hasOwn(this.#host.service.timers, name)) throw new Error(`${this.#host.name} has no timer ${name}`)
    await this.#data.timers.set(this.db, name, options, this.#caller)
    const due = options.at.getTime()
    if (this.timer_due === undefined || due < this.timer_due) this.timer_due = due
  }

  async cancelTimer(key: string): Promise<void> {
    await this.#data.timers.cancel(this.db, key)
  }

  afterCommit(job: AfterCommit): void {
    this.jobs.push(job)
  }
}

/**
 * `ctx.tx`: one transaction with everything that must commit with it. The n-th of a recorded message answers from the record when
 * that message has come before.
 */
export async function runTx<T>(host: Host, message: Message, caller: Caller, log: () => Logger, work: (tx: Tx) => Promise<T>): Promise<T> {
  const data = host.data
  if (!data) throw new Error(`${host.name} runs without a database`)
  const { database, inbox, outbox } = data
  const step = message.recorded ? message.nextStep() : 0
  let done: TxContext | undefined
  const result = await database.transaction(
    async db => {
      done = undefined
      if (step > 0 && !(await inbox.claim(db, message.id, step))) return (await inbox.read(db, message.id, step)) as T
      const tx = new TxContext(host, data, db, caller, log)
      const value = await work(tx)
      if (tx.events.length > 0) tx.written = await outbox.write(db, tx.events)
      if (step > 0 && value !== undefined) await inbox.record(db, message.id, step, value)
      done = tx
      return value
    },
    { repeatable: step > 0 },
  )
  if (!done) {
    metrics.transactions.inc({ service: host.name, outcome: 'replayed' })
    return result
  }
  metrics.transactions.inc({ service: host.name, outcome: 'ok' })
  fault('tx.after_commit')
  if (done.events.length > 0) fault('outbox.after_commit')
  for (const job of done.jobs) {
    try {
      await job()
    } catch (error) {
      log().error('after-commit job failed', { err: error })
    }
  }
  // After the cache has been cleaned: who hears of the event reads the new state.
  data.committed({ events: done.written, states: done.events.flatMap(event => event.state ?? []), timer_due: done.timer_due })
  return result
}
