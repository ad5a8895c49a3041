import { hash } from 'node:crypto'
import { type Db, decrypt, encrypt, isDuplicate, type KeyRing, stamp, uuid7 } from '@voipbin/kernel'
import { and, eq, isNull, lt, type SQL, sql } from 'drizzle-orm'
import { fail } from './errors.ts'
import { idempotency as table } from './schema.ts'

/** An answer as it goes out. */
export interface Answer {
  status: number
  body: string
}
export interface IdempotentRequest {
  customer_id: string
  operation: string
  /** As the client sent it. */
  key: string
  /** Whatever makes the request what it is: the same key with other content is refused. */
  content: string
}

/** How long an answer is replayed, in milliseconds. */
const keep_ms = 24 * 3_600_000
/** A gateway that has not renewed its claim for this long is taken for dead. */
const lease_ms = 5_000
const renew_ms = 1_500

export const sha256 = (text: string): string => hash('sha256', text)

type Condition = SQL | undefined
const rowOf = (request: IdempotentRequest): Condition =>
  and(eq(table.customer_id, request.customer_id), eq(table.operation, request.operation), eq(table.key_hash, sha256(request.key)))

/** The key as clients may write it: 1–255 printable ASCII characters. */
export function readIdempotencyKey(header: string | undefined): string | undefined {
  if (header === undefined) return undefined
  if (/^[\x21-\x7e]{1,255}$/.test(header)) return header
  throw fail.invalid('The Idempotency-Key is not valid.', {
    field: '/Idempotency-Key',
    rule: 'format',
    expected: '1–255 printable ASCII characters',
  })
}

/**
 * Remembers the answers of requests that carry an `Idempotency-Key` (`DECISIONS.md` 7). A request whose outcome is not known — the
 * gateway died, the service did not answer — keeps its RPC message id, so that sending it again finds the first one's result.
 */
export class IdempotencyStore {
  readonly #db: Db
  readonly #instance: string
  readonly #keys: KeyRing
  #running = 0
  #timer: NodeJS.Timeout | undefined

  /** `keys` seal the stored answers, which may hold secrets that are shown once. */
  constructor(db: Db, { instance, keys }: { instance: string; keys: KeyRing }) {
    this.#db = db
    this.#instance = instance
    this.#keys = keys
  }

  /**
   * Runs `work` once per key and stores what it answers. Throws IDEMPOTENCY_IN_PROGRESS while another gateway or request runs it and
   * IDEMPOTENCY_KEY_REUSED when the content differs. `work` must throw when the outcome is unknown; then the key stays open.
   */
  async run(request: IdempotentRequest, work: (message_id: string) => Promise<Answer>): Promise<Answer & { replayed: boolean }> {
    const where = rowOf(request)
    const claim = await this.#claim(request, where)
    if ('status' in claim) return { ...claim, replayed: true }
    this.#hold()
    try {
      const answer = await work(claim.message_id)
      await this.#db
        .update(table)
        .set({ status: answer.status, answer: encrypt(answer.body, this.#seal(request)) })
        .where(where)
      return { ...answer, replayed: false }
    } catch (error) {
      // Free at once, so that the client's next try need not wait for the lease; the message id stays.
      await this.#db
        .update(table)
        .set({ tm_lease: stamp(new Date(0)) })
        .where(and(where, isNull(table.status), eq(table.instance, this.#instance)))
      throw error
    } finally {
      this.#letGo()
    }
  }

  /** Forgets a key whose request was refused before anything happened. */
  async forget(request: IdempotentRequest): Promise<void> {
    await this.#db.delete(table).where(and(rowOf(request), isNull(table.status)))
  }

  /** Removes what is older than a day, a thousand rows at most. Returns how many went. */
  async clean(now: Date): Promise<number> {
    const [result] = await this.#db.delete(table).where(lt(table.tm_expire, now.toISOString())).limit(1_000)
    return result.affectedRows
  }

  async #claim(request: IdempotentRequest, where: Condition): Promise<Answer | { message_id: string }> {
    const now = Date.now()
    const mine = {
      request_hash: sha256(request.content),
      message_id: uuid7(),
      status: null,
      answer: null,
      instance: this.#instance,
      tm_lease: new Date(now + lease_ms).toISOString(),
      tm_expire: new Date(now + keep_ms).toISOString(),
    }
    const row = await this.#insert(request, mine)
    if (!row) return { message_id: mine.message_id }
    // An expired row is as good as none, whatever it says.
    if (Date.parse(row.tm_expire) <= now) return this.#takeOver(where, row.message_id, mine)
    if (row.request_hash !== mine.request_hash) throw fail.keyReused()
    if (row.status !== null && row.answer) return { status: row.status, body: decrypt(row.answer, this.#seal(request)).toString('utf8') }
    if (Date.parse(row.tm_lease) > now) throw fail.inProgress()
    return this.#takeOver(where, row.message_id, { instance: mine.instance, tm_lease: mine.tm_lease }, row.tm_lease)
  }

  /** The row that is in the way, or undefined when ours went in. */
  async #insert(request: IdempotentRequest, row: Omit<typeof table.$inferInsert, 'customer_id' | 'operation' | 'key_hash'>) {
    try {
      await this.#db
        .insert(table)
        .values({ customer_id: request.customer_id, operation: request.operation, key_hash: sha256(request.key), ...row })
      return undefined
    } catch (error) {
      if (!isDuplicate(error)) throw error
    }
    const [found] = await this.#db.select().from(table).where(rowOf(request))
    // Removed in between: whoever removed it is done with it, so the next try will find it free.
    if (!found) throw fail.inProgress()
    return found
  }

  /** Only one of several that find the same dead row gets it. */
  async #takeOver(
    where: Condition,
    message_id: string,
    set: Partial<typeof table.$inferInsert>,
    lease?: string,
  ): Promise<{ message_id: string }> {
    const seen = and(where, eq(table.message_id, message_id), lease === undefined ? sql`true` : eq(table.tm_lease, lease))
    const [result] = await this.#db.update(table).set(set).where(seen)
    if (result.affectedRows === 0) throw fail.inProgress()
    return { message_id: set.message_id ?? message_id }
  }

  /** While anything runs here, one statement every 1.5 s keeps all its claims. */
  #hold(): void {
    if (this.#running++ > 0) return
    this.#timer = setInterval(() => {
      const lease = new Date(Date.now() + lease_ms).toISOString()
      const renewal = this.#db
        .update(table)
        .set({ tm_lease: lease })
        .where(and(eq(table.instance, this.#instance), isNull(table.status), sql`${table.tm_lease} > '1971-01-01'`))
      // A missed renewal lets another gateway take over, which is safe: the service answers the same message id once.
      renewal.catch(() => undefined)
    }, renew_ms)
    this.#timer.unref()
  }

  #letGo(): void {
    if (--this.#running === 0) clearInterval(this.#timer)
  }

  /** An answer opens only for the request it was given to, also when rows were swapped in the database. */
  #seal(request: IdempotentRequest): { keys: KeyRing; bound: string } {
    return { keys: this.#keys, bound: `${request.customer_id}/${request.operation}/${request.key}` }
  }
}
