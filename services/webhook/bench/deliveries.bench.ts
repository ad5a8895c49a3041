// Webhook deliveries a second, ours against a bare undici POST plus one mysql2 INSERT each, in the same run, to the same receiver, at the same
// concurrency, into the same database. Prints `name ours floor ratio`, medians of the rounds taken in turn.
//   webhook_backlog_per_s   deliveries that wait in the table -> sent, with attempt and outcome recorded; floor: POST + INSERT
//   webhook_events_per_s    events, published as fast as the broker confirms them -> the same; floor: consume from a quorum queue + POST + INSERT + ack
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { customerContract } from '@voipbin/generated/rpc/customer'
import { type Context, uuid7 } from '@voipbin/kernel'
import { testUrl, until } from '@voipbin/kernel/testing'
import { standIn, testApp } from '../../test-app.ts'
import webhook from '../service.ts'

const rounds = Number(process.env.BENCH_ROUNDS ?? 5)
const count = Number(process.env.BENCH_COUNT ?? 3_000)
/** As many as `room.ts` gives to one endpoint. */
const at_once = 32
const customer_id = uuid7()

const call = {
  source: { type: 'tel', target: '+15551230000', target_name: '', name: '', detail: '' },
  destination: { type: 'extension', target: '1001', target_name: '', name: '', detail: '' },
  status: 'initiating',
  direction: 'outgoing',
}
const dataOf = (id: string) => ({ id, customer_id, ...call })
const body = JSON.stringify({ id: uuid7(), type: 'call_created', created: new Date().toISOString(), data: dataOf(uuid7()) })

const child = async (file: string, args: string[] = [], isReady = true): Promise<ChildProcess> => {
  const made = fork(new URL(file, import.meta.url), args)
  if (isReady) await once(made, 'message')
  return made
}

const receiver = fork(new URL('receiver.ts', import.meta.url))
const [{ port }] = (await once(receiver, 'message')) as [{ port: number }]
const url = `http://127.0.0.1:${port}`
const customer = standIn<'getCustomerWebhook'>(customerContract, {
  getCustomerWebhook: async (_ctx: Context) => ({ customer_id, webhook_uri: null, webhook_method: 'POST', secrets: ['whsec_AAAA'] }),
})
const app = await testApp({ services: [], elsewhere: [webhook], standIns: [customer] })
await app.query(
  'CREATE TABLE bench_floor (id CHAR(36) PRIMARY KEY, uri VARCHAR(2048) NOT NULL, event_type VARCHAR(64) NOT NULL, status_code INT, duration_ms INT NOT NULL, ' +
    'request_body MEDIUMTEXT NOT NULL, response_body MEDIUMTEXT NOT NULL, tm_create DATETIME(6) NOT NULL, INDEX bench_floor_list (tm_create, id))',
)
const { amqp_url, mysql_url, prefix } = app.address
const service = fork(new URL('../webhook-process.ts', import.meta.url), [amqp_url, mysql_url, prefix, testUrl('REDIS_URL')])
service.send('go')
await once(service, 'message')
const floor = await child('../../../server/kernel/bench/post-and-insert.ts')
floor.once('exit', code => code !== null && process.exit(1))
const endpoint = await app.call('createWebhook', { uri: `${url}/ours`, event_types: ['call.created'] } as never, { customer_id })

const received = async (): Promise<number> => {
  receiver.send('count')
  const [counts] = (await once(receiver, 'message')) as [Record<string, number>]
  return counts['/ours'] ?? 0
}
/** Sent, and written down. Asked so that the asking costs next to nothing. */
async function done(target: number): Promise<void> {
  await until(async () => (await received()) >= target, { timeout_ms: 60_000, every_ms: 5 })
  await until(async () => (await app.query('SELECT 1 FROM webhook_deliveries WHERE queue IS NOT NULL LIMIT 1')).length === 0, {
    timeout_ms: 60_000,
  })
}

async function bare(): Promise<number> {
  floor.send({ mysql_url, url: `${url}/floor`, count, at_once, body })
  return perSecond()
}

const bareQueue = app.bus.named('bench.floor')
async function bareEvents(): Promise<number> {
  floor.send({ mysql_url, url: `${url}/floor`, count, at_once, body, queue: { amqp_url, name: bareQueue, prefetch: at_once } })
  const [per_s] = await Promise.all([perSecond(), publish('bench.floor')])
  return per_s
}

async function perSecond(): Promise<number> {
  const [{ per_s }] = (await once(floor, 'message')) as [{ per_s: number }]
  return per_s
}

async function publish(exchange: string): Promise<void> {
  const session = app.bus.publishing.open({ confirm: true })
  const channel = await session.ready(5_000)
  for (let n = 0; n < count; n++) {
    const id = uuid7()
    const event = { event_id: uuid7(), event_type: 'call.created', timestamp: new Date().toISOString(), customer_id, resource_type: 'call' }
    const whole = { ...event, resource_id: id, resource_seq: 1, request_id: 'bench', data: dataOf(id) }
    channel.publish(app.bus.named(exchange), event.event_type, Buffer.from(JSON.stringify(whole)), { persistent: true })
    if (n % 500 === 0) await channel.waitForConfirms()
  }
  await channel.waitForConfirms()
  await session.close()
}

async function events(): Promise<number> {
  const target = (await received()) + count
  const started = performance.now()
  await publish('call.events')
  await done(target)
  return (count / (performance.now() - started)) * 1000
}

/** What is in the table already is made due again, as after a long time away. */
async function backlog(): Promise<number> {
  await app.query('DELETE FROM webhook_attempts')
  const target = (await received()) + count
  const set = "status = 'pending', attempt_count = 0, queue = webhook_id, lane = CONCAT(webhook_id, ':', resource_id), tm_due = NOW(6)"
  await app.query(`UPDATE webhook_deliveries SET ${set} ORDER BY tm_create DESC LIMIT ?`, [count])
  const started = performance.now()
  // A ping to the same endpoint wakes its queue.
  await app.call('testWebhook', { id: endpoint.id }, { customer_id })
  await done(target + 1)
  return (count / (performance.now() - started)) * 1000
}

const setup = app.bus.publishing.open({})
const channel = await setup.ready(5_000)
await channel.assertExchange(bareQueue, 'fanout', { durable: true })
await channel.assertQueue(bareQueue, { durable: true, arguments: { 'x-queue-type': 'quorum' } })
await channel.bindQueue(bareQueue, bareQueue, '')

const kinds = ['bare', 'backlog', 'bareEvents', 'events'] as const
const run = { bare, backlog, bareEvents, events }
const results = { bare: [] as number[], backlog: [] as number[], bareEvents: [] as number[], events: [] as number[] }
for (const kind of ['events', ...kinds] as const) await run[kind]()
for (let round = 0; round < rounds; round++) for (const kind of kinds) results[kind].push(await run[kind]())
const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0
for (const [kind, least] of [['backlog', 'bare'] as const, ['events', 'bareEvents'] as const]) {
  const [ours, floor] = [median(results[kind]), median(results[least])]
  console.log(`webhook_${kind}_per_s ${ours.toFixed(0)} ${floor.toFixed(0)} ${(ours / floor).toFixed(2)}`)
}
await channel.deleteQueue(bareQueue)
await channel.deleteExchange(bareQueue)
await setup.close()
for (const one of [service, floor, receiver]) one.kill('SIGKILL')
await app.close()
