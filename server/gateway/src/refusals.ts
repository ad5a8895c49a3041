/** Something that was refused and belongs into the audit log (`DECISIONS.md` 44), or that a super admin did in a customer's name. */
export interface Refusal {
  action: 'permission_denied' | 'rate_limited' | 'unauthenticated' | 'login_failed' | 'act_for'
  customer_id: string
  actor_type: string
  actor_id: string
  operation: string
  reason: string
  address: string
  user_agent: string
  request_id: string
}
export interface CountedRefusal extends Refusal {
  /** How many such refusals this record stands for. */
  count: number
}

interface RefusalsOptions {
  /** Writes records; may reject, then they are lost but logged by the caller. */
  write(records: CountedRefusal[]): Promise<void>
  onFault(error: unknown): void
  /** Length of a window in milliseconds. */
  window_ms?: number
  /** Different refusals kept apart within a window; the rest is counted together. */
  max?: number
}

/**
 * Turns a flood of refusals into few audit records: the first of a kind is written at once, its repetitions within a minute become one more
 * record with a count. Beyond `max` kinds per window everything falls into one record per action.
 */
export class Refusals {
  readonly #options: Required<RefusalsOptions>
  #window = new Map<string, CountedRefusal>()
  readonly #timer: NodeJS.Timeout

  constructor(options: RefusalsOptions) {
    this.#options = { window_ms: 60_000, max: 1_000, ...options }
    this.#timer = setInterval(() => void this.flush(), this.#options.window_ms)
    this.#timer.unref()
  }

  add(refusal: Refusal): void {
    const { action, customer_id, actor_id, operation, reason, address } = refusal
    const kind = [action, customer_id, actor_id || address, operation, reason].join('|')
    const known = this.#window.get(kind)
    if (known) known.count++
    else if (this.#window.size < this.#options.max) {
      this.#window.set(kind, { ...refusal, count: 0 })
      void this.#write([{ ...refusal, count: 1 }])
    } else this.#overflow(refusal)
  }

  /** Writes what repeated since the last time. */
  async flush(): Promise<void> {
    const repeated = [...this.#window.values()].filter(refusal => refusal.count > 0)
    this.#window = new Map()
    if (repeated.length > 0) await this.#write(repeated)
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.flush()
  }

  #overflow(refusal: Refusal): void {
    const known = this.#window.get(refusal.action)
    if (known) known.count++
    else
      this.#window.set(refusal.action, {
        ...refusal,
        customer_id: '',
        actor_id: '',
        operation: '',
        address: '',
        user_agent: '',
        reason: 'MANY',
        count: 1,
      })
  }

  async #write(records: CountedRefusal[]): Promise<void> {
    try {
      await this.#options.write(records)
    } catch (error) {
      this.#options.onFault(error)
    }
  }
}
