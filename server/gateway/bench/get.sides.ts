import { randomBytes } from 'node:crypto'
import { serve as serveHono } from '@hono/node-server'
import { openBus, openCache, openDb, RedisCache, serve, silentLogger, tokenHash, uuid7, type Validator } from '@voipbin/kernel'
import { testDatabase } from '@voipbin/kernel/testing'
import { Hono } from 'hono'
import { z } from 'zod'
import { toRoute } from '../src/catalogue.ts'
import { readConfig } from '../src/config.ts'
import { type Contract, startGateway } from '../src/gateway.ts'
import { idempotency } from '../src/schema.ts'

const [role = '', text = '{}'] = process.argv.slice(2)
const before = JSON.parse(text) as { prefix?: string; queue?: string; accesskey?: string; row_id?: string; database_url?: string }
const url = (name: string): string => {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set`)
  return value
}
const fresh = (): string => `bench${randomBytes(4).toString('hex')}.`
const stop: (() => Promise<unknown>)[] = []
const tell = (message: object): void => void process.send?.(message)

const row_id = before.row_id ?? uuid7()
const customer_id = '01980000-0000-7000-8000-00000000000a'
const row = {
  id: row_id,
  customer_id,
  owner_type: 'customer',
  owner_id: customer_id,
  type: 'flow',
  direction: 'outgoing',
  status: 'active',
  flow_id: null,
  hold: false,
  source: { type: 'tel', target: '+15551230100', target_name: 'Acme', name: '', detail: '' },
  destination: { type: 'extension', target: '1001', target_name: '', name: '', detail: '' },
  tm_create: '2026-01-20T12:00:00.000000Z',
  tm_update: '2026-01-20T12:00:00.000000Z',
  tm_delete: null,
}
const project = (value: unknown): unknown => {
  const v = value as typeof row
  return {
    id: v.id,
    customer_id: v.customer_id,
    owner_type: v.owner_type,
    owner_id: v.owner_id,
    type: v.type,
    direction: v.direction,
    status: v.status,
    flow_id: v.flow_id,
    hold: v.hold,
    source: v.source,
    destination: v.destination,
    tm_create: v.tm_create,
    tm_update: v.tm_update,
    tm_delete: v.tm_delete,
  }
}

const roles: Record<string, () => Promise<void>> = {
  'floor-responder': async () => {
    const prefix = fresh()
    const bus = await openBus({ url: url('AMQP_URL'), log: silentLogger })
    const queue = `${prefix}rpc`
    const body = Buffer.from(JSON.stringify(row))
    const session = bus.consuming.open({
      setup: async channel => {
        await channel.prefetch(64)
        await channel.assertQueue(queue, { durable: true, autoDelete: true })
        await channel.consume(queue, message => {
          if (!message) return
          JSON.parse(message.content.toString())
          channel.sendToQueue(message.properties.replyTo, body, { correlationId: message.properties.correlationId })
          channel.ack(message)
        })
      },
    })
    await session.ready(5_000)
    stop.push(() => bus.close())
    tell({ queue, prefix })
  },
  'floor-server': async () => {
    const bus = await openBus({ url: url('AMQP_URL'), log: silentLogger })
    const waiting = new Map<string, (value: unknown) => void>()
    const session = bus.publishing.open({
      setup: async channel => {
        await channel.consume(
          'amq.rabbitmq.reply-to',
          message => {
            if (!message) return
            waiting.get(message.properties.correlationId)?.(JSON.parse(message.content.toString()))
            waiting.delete(message.properties.correlationId)
          },
          { noAck: true },
        )
      },
    })
    const channel = await session.ready(5_000)
    const { redis } = new RedisCache({ url: url('REDIS_URL'), prefix: String(before.prefix) })
    // Bare: without our bound on the time of a command.
    redis.options.commandTimeout = undefined
    redis.defineCommand('bare', { numberOfKeys: 1, lua: "return redis.call('INCR', KEYS[1])" })
    const scripted = redis as unknown as { bare(key: string): Promise<number> }
    let counter = 0
    const app = new Hono()
    app.get('/v1.0/rows/:id', async c => {
      await scripted.bare('count')
      const answer = await new Promise(resolve => {
        const id = String(++counter)
        waiting.set(id, resolve)
        channel.sendToQueue(String(before.queue), Buffer.from(JSON.stringify({ id: c.req.param('id') })), {
          replyTo: 'amq.rabbitmq.reply-to',
          correlationId: id,
        })
      })
      return c.json(answer as object)
    })
    const server = serveHono({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, ({ port }) =>
      tell({ port, path: `/v1.0/rows/${row_id}` }),
    )
    stop.push(
      async () => server.close(),
      () => bus.close(),
      async () => redis.disconnect(),
    )
  },
  'our-service': async () => {
    const prefix = fresh()
    const database = await testDatabase({ tables: [idempotency] })
    const cache = openCache({ url: url('REDIS_URL'), prefix })
    await cache.ready()
    await cache.set(`row:${row_id}`, row, 3_600)
    const bus = await openBus({ url: url('AMQP_URL'), log: silentLogger, prefix })
    const accesskey = `ak_${randomBytes(16).toString('hex')}`
    const rate_limits = { api: 100_000_000, call_create: 1, login: 1 }
    const id = z.uuid()
    const method = (methodName: 'GET' | 'POST', route: string, input: Validator) => ({
      method: methodName,
      route,
      query: [],
      timeout_ms: 30_000,
      input,
      errors: [],
    })
    const make = (name: string, methods: Record<string, ReturnType<typeof method>>, handlers: Record<string, unknown>) =>
      ({
        contract: { name, methods, emits: {}, consumes: {}, calls: {} },
        handlers,
        consumers: {},
        timers: {},
        jobs: {},
        resources: {},
      }) as never
    const rows = make(
      'row',
      { getRow: method('GET', '/v1/rows/{id}', z.object({ id })) },
      {
        getRow: async (ctx: { cache: typeof cache }, input: { id: string }) => ctx.cache.get(`row:${input.id}`),
      },
    )
    const customers = make(
      'customer',
      { findAccesskey: method('POST', '/v1/accesskeys/find', z.object({ token_hash: z.string() })) },
      {
        findAccesskey: async (_ctx: unknown, { token_hash }: { token_hash: string }) =>
          token_hash === tokenHash(accesskey)
            ? {
                accesskey: { id: uuid7(), customer_id, agent_id: null, scopes: ['customer_admin'], tm_expire: null },
                customer_status: 'active',
                rate_limits,
              }
            : null,
      },
    )
    const running = await serve([rows, customers], {
      bus,
      database,
      cache,
      log: silentLogger,
      errors: {},
      http: { request: () => Promise.reject(new Error('none')) },
    })
    stop.push(
      () => running.close(),
      async () => {
        const session = bus.consuming.open({})
        const channel = await session.ready(5_000)
        for (const name of ['row', 'customer']) await channel.deleteQueue(bus.named(`bin-manager.${name}.request`))
      },
      () => bus.close(),
      () => cache.close(),
      () => database.drop(),
    )
    tell({ prefix, accesskey, row_id, database_url: database.url })
  },
  'our-gateway': async () => {
    const env = {
      MYSQL_URL: String(before.database_url),
      REDIS_URL: url('REDIS_URL'),
      AMQP_URL: url('AMQP_URL'),
      HTTP_PORT: '0',
      JWT_KEYS: 'k1:0123456789abcdef0123456789abcdef',
      INSTALLATION_KEY: Buffer.alloc(32, 7).toString('base64'),
    }
    const config = readConfig(env)
    const database = openDb({ url: config.MYSQL_URL })
    const cache = openCache({ url: config.REDIS_URL, prefix: String(before.prefix) })
    await cache.ready()
    const bus = await openBus({ url: config.AMQP_URL, log: silentLogger, prefix: String(before.prefix) })
    const route = toRoute({
      id: 'getRow',
      method: 'get',
      path: '/v1.0/rows/{id}',
      tag: 'rows',
      summary: '',
      request: { params: z.strictObject({ id: z.uuid() }), body_required: false },
      responses: {},
      status: 200,
      rpc: 'getRow',
      permission: 'row_read',
      owner: 'customer',
      rate_limit: 'api',
      resource: 'row',
      idempotent: false,
      override: false,
      timeout_ms: 30_000,
      refs: [{ in: 'path', path: '/id', resource: 'row' }],
      errors: [],
      project,
    })
    const call = (service: string, method: 'GET' | 'POST', path: string) => ({
      queue: `bin-manager.${service}.request`,
      method,
      route: path,
      query: [],
      timeout_ms: 30_000,
    })
    const contract: Contract = {
      calls: { getRow: call('row', 'GET', '/v1/rows/{id}'), findAccesskey: call('customer', 'POST', '/v1/accesskeys/find') },
      routes: [{ ...route, ownerInAnswer: true }],
      resources: { row: { service: 'row' } },
      permissions: ['row_read'],
      domains: [],
      eventResources: [],
      views: {},
      states: {},
    }
    const gateway = await startGateway({ config, bus, database, cache, log: silentLogger, contract })
    stop.push(
      () => gateway.close(),
      () => bus.close(),
      () => cache.close(),
      () => database.close(),
    )
    tell({ port: gateway.port, path: `/v1.0/rows/${before.row_id}`, headers: { authorization: `AccessKey ${before.accesskey}` } })
  },
}

async function finish(): Promise<void> {
  for (const end of stop.splice(0)) await end()
  process.exit(0)
}
// A bench that was cut off leaves nothing behind either.
process.on('disconnect', finish)
process.on('message', message => {
  if (message === 'cpu') tell(process.cpuUsage())
  if (message === 'stop') void finish()
})
await roles[role]?.()
