import type { Calls } from '@voipbin/generated/rpc/calls'
import { customerContract } from '@voipbin/generated/rpc/customer'
import { type Context, type In, uuid7 } from '@voipbin/kernel'
import { until } from '@voipbin/kernel/testing'
import { expect, test } from 'vitest'
import { standIn, type TestApp, testApp } from '../test-app.ts'
import webhook from './service.ts'
import { Receiver } from './webhook-receiver.ts'

const mine = { customer_id: uuid7() }
const customer = () =>
  standIn<'getCustomerWebhook'>(customerContract, {
    getCustomerWebhook: async (_ctx: Context) => ({ ...mine, webhook_uri: null, webhook_method: 'POST', secrets: ['whsec_AAAA'] }),
  })
const open = () => testApp({ services: [webhook], standIns: [customer()], env: { HTTP_ALLOW_PRIVATE: 'true' } })
const create = (app: TestApp, uri: string, fields: Partial<In<Calls, 'createWebhook'>> = {}) =>
  app.call('createWebhook', { uri, event_types: ['call.created'], timeout: 30, ...fields } as In<Calls, 'createWebhook'>, mine)
const happen = (app: TestApp, id = uuid7()) =>
  app.publish('call', { event_type: 'call.created', event_id: uuid7(), resource_id: id, ...mine, data: { id, ...mine } })
const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0

test('dead endpoints with thousands queued delay no other', async () => {
  await using alone = await open()
  await using beside = await open()
  const receiver = new Receiver()
  await receiver.open()
  const release = receiver.hold('/dead')
  await create(alone, receiver.url('/alone'))
  await create(beside, receiver.url('/beside'))
  // Ten that never answer, on the very server of the good one, and two that refuse.
  for (let n = 0; n < 10; n++) await create(beside, receiver.url('/dead'))
  for (let n = 0; n < 2; n++) await create(beside, 'http://127.0.0.1:1/', { retry_schedule: [0, 3600] })
  const ids = Array.from({ length: 300 }, () => uuid7())
  for (let n = 0; n < ids.length; n += 50) await Promise.all(ids.slice(n, n + 50).map(id => happen(beside, id)))
  await until(() => receiver.of('/beside').length === ids.length, { timeout_ms: 60_000, what: 'the good deliveries' })
  const queued = async () =>
    Number((await beside.query<{ n: number }>("SELECT COUNT(*) AS n FROM webhook_deliveries WHERE status = 'pending'"))[0]?.n)
  expect(await queued()).toBeGreaterThan(3_000)

  /** In turn, so that what else goes on at this machine strikes both. */
  const compare = async (): Promise<number> => {
    const took = { alone: [] as number[], beside: [] as number[] }
    for (let n = 0; n < 40; n++) {
      for (const [name, app] of [['alone', alone] as const, ['beside', beside] as const]) {
        const id = uuid7()
        const started = performance.now()
        await happen(app, id)
        await until(() => receiver.of(`/${name}`).some(one => one.body.includes(id)), { every_ms: 1 })
        took[name].push(performance.now() - started)
      }
    }
    const ratio = median(took.beside) / median(took.alone)
    const shown = [await queued(), median(took.alone), median(took.beside), ratio].map(value => value.toFixed(2))
    console.log(`queued for dead endpoints ${shown[0]}; median ms alone ${shown[1]}, beside them ${shown[2]}, ratio ${shown[3]}`)
    return ratio
  }
  // A busy machine may spoil a round or two; who waits for the dead waits in all of them.
  const ratios: number[] = []
  while (ratios.length < 5 && !ratios.some(ratio => ratio < 2.5)) ratios.push(await compare())
  expect(Math.min(...ratios)).toBeLessThan(2.5)
  release()
  await receiver.close()
}, 180_000)
