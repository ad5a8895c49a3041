import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { customerContract } from '@voipbin/generated/rpc/customer'
import { flowContract } from '@voipbin/generated/rpc/flow'
import { type Context, type FaultPoint, isAppError, uuid7 } from '@voipbin/kernel'
import { until } from '@voipbin/kernel/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { standIn, type TestApp, testApp } from '../test-app.ts'
import webhook from './service.ts'
import { Receiver } from './webhook-receiver.ts'

const mine = { customer_id: uuid7() }
const receiver = new Receiver()
const customer = standIn<'getCustomerWebhook'>(customerContract, {
  getCustomerWebhook: async () => ({ ...mine, webhook_uri: null, webhook_method: 'POST', secrets: ['whsec_AAAA'] }),
})
const flow = standIn<'getActiveflow'>(flowContract, {
  getActiveflow: async (ctx: Context) => {
    throw ctx.error('ACTIVEFLOW_NOT_FOUND' as never)
  },
})
const children = new Set<ChildProcess>()
let app: TestApp

beforeAll(async () => {
  await receiver.open()
  app = await testApp({ services: [], elsewhere: [webhook], standIns: [customer, flow] })
})
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL')
  await app.close()
  await receiver.close()
})

function spawn(fault?: string): ChildProcess {
  const { amqp_url, mysql_url, prefix } = app.address
  const env = { ...process.env, NODE_COMPILE_CACHE: join(tmpdir(), 'voipbin-test-compile'), ...(fault && { VOIPBIN_FAULT_POINT: fault }) }
  const child = fork(new URL('webhook-process.ts', import.meta.url), [amqp_url, mysql_url, prefix], { env, execArgv: [] })
  children.add(child)
  child.once('exit', () => children.delete(child))
  return child
}

/** One life after another, each killed at its point. Answers the one that lives on. */
async function lives(faults: readonly string[]): Promise<ChildProcess> {
  let next = spawn(faults[0])
  for (let life = 1; life <= faults.length; life++) {
    const child = next
    next = spawn(faults[life])
    child.send('go')
    await once(child, 'exit')
    expect(child.signalCode).toBe('SIGKILL')
    // The leases of the dead end after 15 s; nobody is there now who could hold one, so the test need not wait.
    await app.query('UPDATE webhook_deliveries SET tm_due = NOW(6) WHERE tm_due IS NOT NULL')
  }
  next.send('go')
  await once(next, 'message')
  return next
}

/** Asks again while nobody is there, as one request. */
async function insist<T>(ask: (message_id: string) => Promise<T>): Promise<T> {
  const message_id = uuid7()
  for (;;) {
    try {
      return await ask(message_id)
    } catch (error) {
      if (!isAppError(error) || !['UNAVAILABLE', 'DEADLINE_EXCEEDED'].includes(error.status)) throw error
      const again = Date.now() + 50
      await until(() => Date.now() > again)
    }
  }
}

const soon = () => ({ ...mine, deadline: Date.now() + 3_000 })
const create = (path: string, ordered: boolean) =>
  insist(message_id =>
    app.call(
      'createWebhook',
      { uri: receiver.url(path), event_types: ['call.*'], ordered, timeout: 10, retry_schedule: [0, 0, 0, 0, 0, 0] } as never,
      soon(),
      { message_id },
    ),
  )
const count = async (where: string) =>
  Number((await app.query<{ n: number }>(`SELECT COUNT(*) AS n FROM webhook_deliveries WHERE ${where}`))[0]?.n)

const points: FaultPoint[] = ['tx.after_commit', 'http.after_answer', 'consumer.before_ack', 'rpc.before_ack', 'timer.before_done']
const types = ['call.created', 'call.ringing', 'call.answered', 'call.hungup']

test('killed at every point, nothing is lost, all keeps its id and its order', async () => {
  const first = spawn()
  first.send('go')
  await once(first, 'message')
  const ordered = await create('/ordered', true)
  await create('/any', false)
  first.kill('SIGKILL')
  await once(first, 'exit')

  // Every tenth request is refused once, so that retries are on their way as well.
  const refused = new Set<string>()
  for (const path of ['/ordered', '/any'])
    receiver.answers.set(path, ({ headers }) => {
      const id = `${path} ${headers['webhook-id']}`
      if (refused.has(id) || receiver.received.length % 10 > 0) return 200
      refused.add(id)
      return 500
    })

  const events: { event_id: string; resource_id: string; event_type: string }[] = []
  let enough = false
  const happening = (async () => {
    while (!enough && events.length < 800) {
      const resource_id = uuid7()
      for (const event_type of types) {
        const event_id = uuid7()
        await app.publish('call', { event_type, event_id, resource_id, ...mine, data: { id: resource_id, ...mine } })
        events.push({ event_id, resource_id, event_type })
      }
    }
  })()
  // What needs requests and timers to pass is kept busy by tests of the endpoint.
  const pings: string[] = []
  const asking = (async () => {
    while (!enough) pings.push((await insist(message_id => app.call('testWebhook', { id: ordered.id }, soon(), { message_id }))).id)
  })()
  const faults = points.flatMap(point => (point === 'timer.before_done' ? [1] : [1, 5]).map(n => `${point}:${n}`))
  const last = await lives(faults)
  enough = true
  await Promise.all([happening, asking])

  await until(async () => (await count("event_type <> 'webhook.ping'")) === events.length * 2, {
    timeout_ms: 60_000,
    what: 'all deliveries',
  })
  await until(async () => (await count("status = 'pending'")) === 0, { timeout_ms: 60_000, what: 'the end of all deliveries' })
  expect(await count("status <> 'succeeded' AND event_type <> 'webhook.ping'")).toBe(0)
  expect(await count("event_type = 'webhook.ping'")).toBe(pings.length)
  for (const path of ['/ordered', '/any']) {
    const seen = new Set(receiver.of(path).map(one => one.headers['webhook-id']))
    expect(events.filter(({ event_id }) => !seen.has(event_id))).toEqual([])
  }
  const at = new Map<string, number>()
  receiver.of('/ordered').forEach(({ headers }, index) => {
    const id = headers['webhook-id'] ?? ''
    if (!at.has(id)) at.set(id, index)
  })
  for (const [id, mine] of Map.groupBy(events, ({ resource_id }) => resource_id)) {
    const order = mine.map(({ event_id }) => at.get(event_id) ?? -1)
    expect(order, `the order of ${id}`).toEqual(order.toSorted((a, b) => a - b))
  }
  const requests = receiver.received.length
  console.log(`${faults.length} kills, ${events.length} events to 2 endpoints, ${requests} requests, ${refused.size} of them refused`)
  last.kill('SIGKILL')
  await once(last, 'exit')

  // A replay goes on where it stood, and sends nothing twice.
  const from = receiver.received.length
  const replaying = insist(message_id =>
    app.call(
      'createWebhookReplay',
      { webhook_id: ordered.id, tm_from: '2020-01-01T00:00:00Z', delivery_statuses: ['succeeded'], event_types: ['call.*'] } as never,
      soon(),
      { message_id },
    ),
  )
  const living = lives(['tx.after_commit:3', 'timer.before_done:2'])
  const { id } = await replaying
  const end = await living
  const done = await until(
    async () => {
      const replay = await app.call('getWebhookReplay', { id }, mine)
      return replay.status === 'running' ? undefined : replay
    },
    { timeout_ms: 60_000 },
  )
  expect(done).toMatchObject({ status: 'completed', queued_count: events.length, succeeded_count: events.length, pending_count: 0 })
  const again = new Set(receiver.received.slice(from).map(one => one.headers['webhook-id']))
  expect(events.filter(({ event_id }) => !again.has(event_id))).toEqual([])
  end.kill('SIGKILL')
}, 300_000)
