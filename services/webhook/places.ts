import type { Place } from './attempt.ts'
import type { Ctx } from './queue.ts'
import { activeSecrets, pingType } from './rules.ts'
import { type DeliveryRow, type WebhookRow, webhooks } from './schema.ts'
import { customerWebhook } from './targets.ts'

/** How old what is known of an endpoint may be when a request goes there, in milliseconds. */
const fresh_ms = 1_000
const most = 10_000

interface Known {
  at: number
  row: Promise<WebhookRow | null>
}

/** Where deliveries go and what they are signed with, as it is configured now. */
export class Places {
  #ctx: Ctx
  #known = new Map<string, Known>()

  constructor(ctx: Ctx) {
    this.#ctx = ctx
  }

  /** Endpoints that have just been read. */
  know(rows: readonly WebhookRow[]): void {
    for (const row of rows) this.#keep(row.id, Promise.resolve(row))
  }

  /** An endpoint has changed. */
  forget(webhook_id: string): void {
    this.#known.delete(webhook_id)
  }

  /** `undefined` when the place is configured no more, or disabled. Rejects when that cannot be found out now. */
  async of(row: DeliveryRow): Promise<Place | undefined> {
    if (row.webhook_id !== null) return this.#endpoint(row, row.webhook_id)
    const found = await customerWebhook(this.#ctx.as(row.customer_id), row.customer_id)
    if (!found) return undefined
    const { uri, method, timeout } = row
    const { secrets, webhook_uri, webhook_method } = found
    if (row.target_type !== 'customer') return { uri, method, timeout, secrets }
    return webhook_uri === null ? undefined : { uri: webhook_uri, method: webhook_method, timeout, secrets }
  }

  async #endpoint({ event_type }: DeliveryRow, webhook_id: string): Promise<Place | undefined> {
    const endpoint = await this.#read(webhook_id)
    if (!endpoint || (endpoint.status === 'disabled' && event_type !== pingType)) return undefined
    const { uri, method, timeout } = endpoint
    return { uri, method, timeout, secrets: activeSecrets(endpoint, this.#ctx.now()) }
  }

  #read(id: string): Promise<WebhookRow | null> {
    const known = this.#known.get(id)
    if (known && this.#ctx.now().getTime() - known.at < fresh_ms) return known.row
    const row = webhooks.system.get({ db: this.#ctx.db }, id)
    // One that could not be read is read again by the next.
    row.catch(() => this.#known.delete(id))
    this.#keep(id, row)
    return row
  }

  #keep(id: string, row: Promise<WebhookRow | null>): void {
    if (this.#known.size >= most) this.#known.clear()
    this.#known.set(id, { at: this.#ctx.now().getTime(), row })
  }
}
