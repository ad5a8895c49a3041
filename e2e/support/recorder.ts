import { verify as octokitVerify } from '@octokit/webhooks-methods'
import type { components, VoIPBIN } from '@voipbin/sdk'
import { type EventFrame, Realtime } from '@voipbin/sdk/realtime'
import { unwrap } from '@voipbin/sdk/webhooks'
import { Webhook as StandardWebhook } from 'standardwebhooks'
import { expect } from 'vitest'
import { until } from '../../voip/testing/wait.ts'
import { type Account, all, clientOf, type State } from './platform.ts'
import { type Delivery, Receiver } from './receiver.ts'

type Schemas = components['schemas']
export type Call = Schemas['Call']
type Billing = Schemas['Billing']

/** What is watched, on the WebSocket and by webhook alike. */
const resources = ['call', 'groupcall', 'recording', 'activeflow', 'billing'] as const
const settleMs = 60_000

interface Received {
  /** That of the event. */
  id: string
  type: string
  data: { id: string; status?: string }
}

/** Listens to one customer from the outside, by WebSocket and by webhook, and settles what its calls left behind. */
export class Recorder {
  readonly account: Account
  readonly api: VoIPBIN
  readonly events: EventFrame[] = []
  readonly receiver: Receiver
  readonly #realtime: Realtime
  #webhook: Schemas['WebhookWithSecret'] | undefined
  #balance = 0
  #reserved = 0
  #since = ''

  private constructor(state: State, account: Account, receiver: Receiver) {
    this.account = account
    this.receiver = receiver
    this.api = clientOf(state, account)
    this.#realtime = new Realtime({ baseUrl: state.ws_url, accessKey: account.accesskey })
  }

  static async start(state: State, account: Account = state.demo): Promise<Recorder> {
    const recorder = new Recorder(state, account, await Receiver.start())
    await recorder.#begin()
    return recorder
  }

  async #begin(): Promise<void> {
    const { account, api } = this
    this.#realtime.on('*', event => this.events.push(event))
    await this.#realtime.subscribe(...resources.map(resource => `customer_id:${account.customer_id}:${resource}` as const))
    this.#webhook = await api.webhooks.create({
      uri: `${this.receiver.url}/journey`,
      event_types: resources.map(resource => `${resource}.*`),
      retry_schedule: [0, 1, 1, 2, 2, 5],
    })
    const money = await until('no reservation of an earlier call', async () => {
      const found = await api.billingAccounts.getOwn()
      return found.balance_reserved === 0 && found
    })
    this.#balance = money.balance
    this.#reserved = money.balance_reserved
    this.#since = this.#webhook.tm_create
  }

  async stop(): Promise<void> {
    this.#realtime.close()
    if (this.#webhook) await this.api.webhooks.delete(this.#webhook.id)
    await this.receiver.close()
  }

  /** The next event that fits, also among those that came already. */
  event<T extends EventFrame['event_type']>(
    type: T,
    fits: (event: Extract<EventFrame, { event_type: T }>) => boolean = () => true,
    timeout_ms = settleMs,
  ): Promise<Extract<EventFrame, { event_type: T }>> {
    const matches = (event: EventFrame): event is Extract<EventFrame, { event_type: T }> =>
      event.event_type === type && fits(event as Extract<EventFrame, { event_type: T }>)
    return until(`the event ${type}`, () => this.events.find(matches), timeout_ms)
  }

  /** The leg that was dialled for a call. */
  async legOf(master_id: string, fits: (call: Call) => boolean = () => true): Promise<Call> {
    return (await this.event('call.created', ({ data }) => data.master_call_id === master_id && fits(data))).data
  }

  /**
   * A call that is over showed exactly these steps (`event:status`), once and in order, on the WebSocket and as webhooks, all of them genuine.
   * Gives the call as the API tells it now.
   */
  async expectSteps(call_id: string, steps: readonly string[]): Promise<Call> {
    await this.event('call.hungup', ({ resource_id }) => resource_id === call_id)
    const events = this.events.filter(({ resource_id }) => resource_id === call_id)
    expect(events.map(({ event_type, data }) => `${event_type}:${(data as Call).status}`)).toEqual(steps)
    expect(events.map(({ resource_seq }) => resource_seq)).toEqual(steps.map((_, index) => index + 1))
    // 0 is an event that came while Redis was away
    const numbers = events.map(({ seq }) => seq).filter(seq => seq > 0)
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b))
    await this.expectWebhooks(call_id, steps, '/journey', this.#webhook?.secret ?? '')
    const call = await this.api.calls.get(call_id)
    expect(call).toMatchObject({ status: 'completed' })
    expect(events.at(-1)?.data).toEqual(call)
    return call
  }

  /** The events of a thing came to a path of the receiver as webhooks: the same, in the same order, once, each verified in three ways. */
  async expectWebhooks(id: string, steps: readonly string[], path: string, secret: string): Promise<void> {
    const events = this.events.filter(({ resource_id }) => resource_id === id)
    const about = (delivery: Delivery) => delivery.path === path && (JSON.parse(delivery.body) as Received).data.id === id
    const received = () => this.receiver.deliveries.filter(about)
    await until(`${steps.length} webhooks about ${id} (${received().length} came)`, () => received().length >= steps.length, settleMs)
    const hooks = await Promise.all(received().map(delivery => verified(delivery, secret)))
    expect(hooks.map(({ type, data }) => `${type}:${data.status}`)).toEqual(steps.map(step => step.replace('.', '_')))
    expect(hooks.map(hook => hook.id)).toEqual(events.map(({ event_id }) => event_id))
  }

  /**
   * The ledger since the start: one finished row for each of these calls at its started minutes, and rows that add up with the balance.
   * Calls that are not named cost nothing.
   */
  async expectLedger(charged: readonly Call[]): Promise<Billing[]> {
    const account = await until(
      'no reservation left',
      async () => {
        const now = await this.api.billingAccounts.getOwn()
        return now.balance_reserved === this.#reserved && now
      },
      settleMs,
    )
    const rows = await all(this.api.billings.list({ tm_create_from: this.#since }))
    expect(rows.map(({ reference_id }) => reference_id).sort()).toEqual(charged.map(({ id }) => id).sort())
    for (const row of rows) {
      const call = charged.find(({ id }) => id === row.reference_id)
      const answered = (call?.duration ?? 0) > 0
      expect(row).toMatchObject({ status: answered ? 'finished' : 'released', amount_reserved: 0 })
      expect(row.usage_duration).toBe(answered ? call?.duration : (row.usage_duration ?? 0))
      expect(row.billable_units).toBe(answered ? Math.ceil((call?.duration ?? 0) / 60) : row.billable_units)
      expect(row.amount).toBe(answered ? 0 - row.billable_units * row.rate_per_unit : 0)
    }
    const spent = rows.reduce((sum, { amount }) => sum + amount, 0)
    expect(account.balance).toBe(this.#balance + spent)
    return rows
  }

  /** The audit log holds who made the call. */
  async expectAudit(call_id: string, by: Partial<Schemas['Audit']>): Promise<void> {
    const rows = await until(
      `the audit rows of ${call_id}`,
      async () => {
        const found = await all(this.api.audits.list({ resource_id: call_id }))
        return found.length > 0 && found
      },
      settleMs,
    )
    expect(rows.find(({ action }) => action === by.action)).toMatchObject({ resource_type: 'call', resource_id: call_id, ...by })
  }
}

/** Checks a delivery by the SDK, by `standardwebhooks`, and by `@octokit/webhooks-methods` over `timestamp.body`; a changed one must fail. */
async function verified({ body, headers }: Delivery, secret: string): Promise<Received> {
  const payload = await unwrap(body, headers, secret)
  new StandardWebhook(secret).verify(body, headers)
  const signed = `${headers['x-voipbin-timestamp']}.${body}`
  expect(await octokitVerify(secret, signed, headers['x-voipbin-signature'] ?? '')).toBe(true)
  expect(await octokitVerify(secret, `${signed} `, headers['x-voipbin-signature'] ?? '')).toBe(false)
  await expect(unwrap(`${body} `, headers, secret)).rejects.toThrow('does not fit')
  expect(headers['x-voipbin-event']).toBe(payload.type)
  return { id: payload.id, type: payload.type, data: payload.data as Received['data'] }
}

/** Steps of a call that was answered and ended by the far end, with what happened while it was active in between. */
export const talked = (...meanwhile: string[]): string[] => [
  'call.created:initiating',
  'call.ringing:ringing',
  'call.answered:active',
  ...meanwhile,
  'call.hungup:completed',
]
