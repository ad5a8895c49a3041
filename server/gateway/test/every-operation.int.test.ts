import { readFileSync } from 'node:fs'
import { resources } from '@voipbin/generated/gateway/index'
import { agentContract } from '@voipbin/generated/rpc/agent'
import { billingContract } from '@voipbin/generated/rpc/billing'
import { callContract } from '@voipbin/generated/rpc/call'
import { customerContract } from '@voipbin/generated/rpc/customer'
import { flowContract } from '@voipbin/generated/rpc/flow'
import { numberContract } from '@voipbin/generated/rpc/number'
import { registrarContract } from '@voipbin/generated/rpc/registrar'
import { routeContract } from '@voipbin/generated/rpc/route'
import { storageContract } from '@voipbin/generated/rpc/storage'
import { webhookContract } from '@voipbin/generated/rpc/webhook'
import {
  AppError,
  type Bus,
  type Context,
  openBus,
  openCache,
  type RedisCache,
  type Running,
  type Service,
  serve,
  silentLogger,
  systemTables,
  UnavailableError,
  uuid7,
} from '@voipbin/kernel'
import { testDatabase, testPrefix, testUrl } from '@voipbin/kernel/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { generatedContract, type RunningGateway, startGateway } from '../src/gateway.ts'
import { idempotency } from '../src/schema.ts'
import { parseKeys, Tokens } from '../src/tokens.ts'
import { fixtureConfig } from './fixture.ts'

// The gateway as it runs, with every operation of the contract, and services that answer whatever a test tells them to: what may go wrong behind it
// reaches the caller as the contract says, from every operation.

interface Schema {
  $ref?: string
  format?: string
  pattern?: string
  type?: string
}
interface Raw {
  operationId: string
  parameters?: { name: string; in: string; required?: boolean; schema: Schema }[]
  requestBody?: { content: { 'application/json': { example: unknown } } }
  responses: Record<string, { $ref?: string; content?: { 'application/json': { examples: object } } }>
}
interface Document {
  paths: Record<string, Record<string, Raw>>
  components: { schemas: Record<string, Schema>; responses: Record<string, { content: { 'application/json': { examples: object } } }> }
}
const document = JSON.parse(readFileSync(new URL('../../../generated/openapi.json', import.meta.url), 'utf8')) as Document

interface Operation {
  id: string
  method: string
  path: string
  body: unknown
  reasons: Set<string>
}
const operations = Object.entries(document.paths).flatMap(([path, item]) =>
  Object.entries(item)
    .filter(([method]) => method !== 'parameters')
    .map(([method, raw]): Operation => {
      const found = Object.entries(raw.responses).flatMap(([code, response]) => {
        const { content } = response.$ref ? (document.components.responses[response.$ref.split('/').at(-1) ?? ''] ?? {}) : response
        return Number(code) < 400 ? [] : Object.keys(content?.['application/json'].examples ?? {})
      })
      const example = raw.requestBody?.content['application/json'].example
      return { id: raw.operationId, method: method.toUpperCase(), path: soundPath(path, raw), body: example, reasons: new Set(found) }
    }),
)

function soundPath(path: string, { parameters = [] }: Raw): string {
  const filled = path.replaceAll(/\{(\w+)\}/g, (_all, name: string) =>
    encodeURIComponent(sample(parameters.find(one => one.in === 'path' && one.name === name)?.schema ?? {})),
  )
  const query = parameters
    .filter(one => one.in === 'query' && one.required)
    .map(({ name, schema }) => `${name}=${encodeURIComponent(sample(schema))}`)
  return query.length > 0 ? `${filled}?${query.join('&')}` : filled
}

function sample({ $ref, format, pattern = '', type }: Schema): string {
  if ($ref !== undefined) return sample(document.components.schemas[$ref.split('/').at(-1) ?? ''] ?? {})
  if (format === 'uuid') return '01980000-0000-7000-8000-000000000001'
  if (type === 'integer') return '1'
  return pattern.startsWith('^\\+') ? '+15551234567' : 'ab'
}

/** What the services answer, and how long a caller waits for it. */
let answer: () => Promise<never>
const limits = { status: 'active', customer_status: 'active', rate_limits: { api: 1_000_000, call_create: 1_000_000, login: 1_000_000 } }
/** What the gateway itself must learn before it asks for anybody. */
const known: Readonly<Record<string, object>> = { getSession: {}, getCustomerLimits: limits }

const contracts = [
  agentContract,
  billingContract,
  callContract,
  customerContract,
  flowContract,
  numberContract,
  registrarContract,
  routeContract,
  storageContract,
  webhookContract,
]
const customer_id = uuid7()
const services = contracts.map((contract): Service => {
  const mine = Object.entries(resources).filter(([, { service }]) => service === contract.name)
  const handlers = Object.keys(contract.methods).map(name => [name, async (_ctx: Context) => known[name] ?? answer()])
  return {
    contract: contract as unknown as Service['contract'],
    handlers: Object.fromEntries(handlers) as Service['handlers'],
    consumers: Object.fromEntries(Object.keys(contract.consumes).map(type => [type, async () => undefined])),
    timers: {},
    jobs: {},
    // Every row there is belongs to the caller.
    resources: Object.fromEntries(mine.map(([resource]) => [resource, { ownerOf: async () => customer_id }])),
  }
})

let database: Awaited<ReturnType<typeof testDatabase>>
let cache: RedisCache
let bus: Bus
let running: Running
let patient: RunningGateway
let hasty: RunningGateway
let headers: Record<string, string>
const prefix = `${testPrefix('every')}.`

beforeAll(async () => {
  const tables = contracts.flatMap(({ name }) => Object.values(systemTables(name)))
  database = await testDatabase({ tables: [idempotency, ...tables] })
  cache = openCache({ url: testUrl('REDIS_URL'), prefix, command_ms: 30_000 })
  bus = await openBus({ url: testUrl('AMQP_URL'), log: silentLogger, prefix })
  const http = { request: () => Promise.reject(new Error('no http here')) }
  running = await serve(services, { bus, database, cache, log: silentLogger, errors: {}, http })
  const parts = { config: fixtureConfig(), bus, database, cache, log: silentLogger }
  patient = await startGateway(parts)
  const contract = generatedContract()
  hasty = await startGateway({
    ...parts,
    contract: { ...contract, routes: contract.routes.map(route => ({ ...route, timeout_ms: 5_000 })) },
  })
  const claims = { customer_id, agent_id: uuid7(), permissions: ['project_super_admin'], jti: uuid7() }
  const { token } = await new Tokens(parseKeys(fixtureConfig().JWT_KEYS)).sign(claims, Date.now())
  headers = { authorization: `Bearer ${token}` }
})
afterAll(async () => {
  await Promise.all([patient.close(), hasty.close()])
  await running.close()
  const session = bus.consuming.open({})
  const channel = await session.ready(30_000)
  for (const { name, consumes } of contracts) {
    await channel.deleteQueue(bus.named(`bin-manager.${name}.request`))
    await channel.deleteExchange(bus.named(`${name}.events`))
    for (const domain of new Set(Object.values(consumes))) await channel.deleteQueue(bus.named(`${name}.${domain}.events`))
  }
  await session.close()
  await bus.close()
  const keys = await cache.redis.keys(`${prefix}*`)
  if (keys.length > 0) await cache.redis.del(...keys.map(key => key.slice(prefix.length)))
  await cache.close()
  await database.drop()
})

/** Operation and what it answers. */
async function ask({ port }: RunningGateway, { id, method, path, body }: Operation): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    method,
    headers: { ...headers, ...(body !== undefined && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const { error } = (await response.json()) as { error?: { status: string; reason: string; message: string } }
  expect(error?.message).not.toContain('planted')
  return `${id} ${response.status} ${error?.reason}`
}

test.each([
  { reason: 'INTERNAL', status: 500, thrown: () => new Error('planted') },
  { reason: 'UNAVAILABLE', status: 503, thrown: () => new UnavailableError('planted database') },
  { reason: 'CONFLICT', status: 409, thrown: () => new AppError('CONFLICT', 'FAILED_PRECONDITION', { message: 'lost a race' }) },
])('$reason of a service is $status of every operation', async ({ reason, status, thrown }) => {
  answer = () => Promise.reject(thrown())
  const declaring = operations.filter(({ reasons }) => reasons.has(reason))
  const seen = await Promise.all(declaring.map(operation => ask(patient, operation)))
  expect(declaring.length).toBeGreaterThan(50)
  expect(seen).toEqual(declaring.map(({ id }) => `${id} ${status} ${reason}`))
})

test('a service that does not answer is 504 DEADLINE_EXCEEDED of every operation', async () => {
  const over = Promise.withResolvers<never>()
  over.promise.catch(() => undefined)
  answer = () => over.promise
  const declaring = operations.filter(({ reasons }) => reasons.has('DEADLINE_EXCEEDED'))
  const seen = await Promise.all(declaring.map(operation => ask(hasty, operation)))
  over.reject(new Error('the test is over'))
  expect(seen).toEqual(declaring.map(({ id }) => `${id} 504 DEADLINE_EXCEEDED`))
})
