import { verify as verifyOctokit } from '@octokit/webhooks-methods'
import type { Calls } from '@voipbin/generated/rpc/calls'
import { customerContract } from '@voipbin/generated/rpc/customer'
import { flowContract } from '@voipbin/generated/rpc/flow'
import type { CustomerWebhook, WebhookDelivery, WebhookWithSecret } from '@voipbin/generated/schemas'
import { type Context, type In, uuid7 } from '@voipbin/kernel'
import { until } from '@voipbin/kernel/testing'
import { Webhook as StandardWebhook } from 'standardwebhooks'
import { afterAll, beforeAll, beforeEach } from 'vitest'
import { standIn, type TestApp, testApp } from '../test-app.ts'
import webhook from './service.ts'
import { type Received, Receiver } from './webhook-receiver.ts'

export const receiver = new Receiver()
export const theirs = { customer_id: uuid7() }
export const missing = uuid7()
export const customers = new Map<string, CustomerWebhook>()
export const runs = new Map<string, string>()
export let mine: { customer_id: string }
export let app: TestApp

export const customer = standIn<'getCustomerWebhook'>(customerContract, {
  getCustomerWebhook: async (ctx: Context, { id }: In<Calls, 'getCustomerWebhook'>) => {
    const found = customers.get(id)
    if (!found) throw ctx.error('CUSTOMER_NOT_FOUND')
    return found
  },
})
export const flow = standIn<'getActiveflow'>(flowContract, {
  getActiveflow: async (ctx: Context, { id }: In<Calls, 'getActiveflow'>) => {
    const webhook_uri = runs.get(id)
    if (!webhook_uri) throw ctx.error('ACTIVEFLOW_NOT_FOUND')
    return { id, webhook_uri, webhook_method: 'PUT' } as never
  },
})

beforeAll(async () => {
  await receiver.open()
  app = await testApp({ services: [webhook], standIns: [customer, flow], env: { HTTP_ALLOW_PRIVATE: 'true' } })
})
afterAll(async () => {
  await app.close()
  await receiver.close()
})
beforeEach(() => {
  mine = { customer_id: uuid7() }
  customers.set(mine.customer_id, {
    id: mine.customer_id,
    webhook_uri: null,
    webhook_method: 'POST',
    secrets: [secretOf('level')],
  } as never)
  receiver.received.length = 0
  receiver.answers.clear()
  app.events.length = 0
})

export const secretOf = (text: string) => `whsec_${Buffer.from(text.padEnd(24, '.')).toString('base64')}`
export const create = (path: string, fields: Partial<In<Calls, 'createWebhook'>> = {}): Promise<WebhookWithSecret> =>
  app.call(
    'createWebhook',
    {
      name: '',
      detail: '',
      uri: receiver.url(path),
      method: 'POST',
      event_types: ['call.*'],
      status: 'enabled',
      ordered: true,
      timeout: 10,
      retry_schedule: [0, 0, 0],
      ...fields,
    },
    mine,
  )
/** An event of a call, as the call service sends it. */
export const happen = async (event_type: string, id: string = uuid7(), more: object = {}): Promise<string> => {
  const event_id = uuid7()
  const data = { id, ...mine, ...more }
  const [domain = ''] = event_type.split('.')
  await app.publish(domain, { event_type, event_id, resource_id: id, customer_id: mine.customer_id, data })
  return event_id
}
/** The same, and waits until the webhook service has dealt with it: what is changed afterwards does not meet it. */
export const happened = async (...event: Parameters<typeof happen>): Promise<string> => {
  const event_id = await happen(...event)
  await dealtWith(event_id)
  return event_id
}
/** Waits until the webhook service has dealt with an event: step 0 of a message says that. */
export const dealtWith = (event_id: string) =>
  until(async () => (await app.query('SELECT 1 FROM webhook_inbox WHERE message_id = ? AND step = 0', [event_id])).length === 1)
export const deliveries = async (where: object = {}): Promise<WebhookDelivery[]> =>
  (await app.call('listWebhookDeliveries', { page_size: 100, ...where }, mine)).result
export const read = (id: string) => app.call('getWebhookDelivery', { id }, mine)
export const over = (id: string) =>
  until(async () => {
    const row = await read(id)
    return row.status === 'pending' ? undefined : row
  })
export const allOver = (count: number, where: object = {}) =>
  until(async () => {
    const rows = await deliveries(where)
    return rows.length === count && rows.every(row => row.status !== 'pending') ? rows : undefined
  })
export const typesOf = (requests: readonly Received[]) => requests.map(one => one.headers['x-voipbin-event'])
export const lanes = () => app.query('SELECT lane FROM webhook_deliveries WHERE lane IS NOT NULL AND customer_id = ?', [mine.customer_id])
/** Of this test's customer: events of a test before may still come. */
export const heard = () => app.events.filter(event => event.customer_id === mine.customer_id)
export const sent = () => heard().map(event => event.event_type)

/** Both sets of headers by those who defined them. Throws when one is wrong. */
export async function verify({ headers, body }: Received, secret: string): Promise<void> {
  new StandardWebhook(secret).verify(body, { ...headers })
  const signed = `${headers['x-voipbin-timestamp']}.${body}`
  const signatures = headers['x-voipbin-signature']?.split(',') ?? []
  const answers = await Promise.all(signatures.map(one => verifyOctokit(secret, signed, one)))
  if (!answers.includes(true)) throw new Error('no x-voipbin-signature fits')
}
