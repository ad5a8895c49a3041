import { randomUUID } from 'node:crypto'
import { request } from 'node:http'
import type { Operation } from './document.ts'
import { soundPath } from './mutations.ts'
import { exampleWith, rowsOf, unknown } from './rows.ts'
import { type Account, bearer, key, type World } from './world.ts'

type Headers = Record<string, string>
/** What the scripts of reasons work with. */
export interface Stage {
  world: World
  mine: Account
  /** Another customer, so that it can be frozen. */
  frozen: Account
  /** Headers of the customer's administrator, of the operator acting for it, and of an operator whose customer may ask once a minute. */
  own: Headers
  operator: Headers
  limited: Headers
  /** Of a session that was ended. */
  ended: Headers
  /** Resource -> a row of the customer, or of the platform. */
  rows: Map<string, string>
}

type Provoke = (operation: Operation, stage: Stage) => Promise<void>

/** Asks with the example, and with whatever is wrong. */
async function ask(
  { world }: Stage,
  operation: Operation,
  headers: Headers,
  { path, body }: { path?: string; body?: string } = {},
): Promise<void> {
  const example = operation.body ? JSON.stringify(operation.body.example ?? {}) : undefined
  await world.ask(operation.method, path ?? soundPath(operation, world.document), { body: body ?? example, headers })
}

export const headersFor = (operation: Operation, { own, operator }: Stage): Headers =>
  operation.permission === 'public' ? {} : operation.owner === 'platform' ? operator : own

const withBody =
  (body: string, type = 'application/json'): Provoke =>
  (operation, stage) =>
    ask(stage, operation, { ...headersFor(operation, stage), 'content-type': type }, { body })

/** Reasons that have nothing to do with what an operation does: how each is got from any operation that declares it. */
export const general: Readonly<Record<string, Provoke>> = {
  INVALID_ARGUMENT: (operation, stage) => {
    const path = soundPath(operation, stage.world.document)
    return ask(stage, operation, headersFor(operation, stage), { path: `${path}${path.includes('?') ? '&' : '?'}no_such_parameter=1` })
  },
  MALFORMED_JSON: withBody('{"'),
  PAYLOAD_TOO_LARGE: withBody('['.repeat(1_000) + ']'.repeat(1_000)),
  UNSUPPORTED_MEDIA_TYPE: withBody('a=1', 'text/plain'),
  REQUEST_TIMEOUT: (operation, stage) => neverSent(operation, stage),
  UNAUTHENTICATED: (operation, stage) => ask(stage, operation, {}),
  TOKEN_EXPIRED: (operation, stage) => ask(stage, operation, stage.ended),
  // Also where every credential will do: nobody but an operator acts for another customer.
  PERMISSION_DENIED: (operation, stage) => ask(stage, operation, { ...stage.own, 'x-voipbin-customer-id': stage.frozen.customer_id }),
  CUSTOMER_FROZEN: (operation, stage) => {
    const { username, password, accesskey } = stage.frozen
    if (operation.permission !== 'public') return ask(stage, operation, key(accesskey))
    return ask(stage, operation, {}, { body: JSON.stringify({ username, password }) })
  },
  RATE_LIMITED: async (operation, stage) => {
    const body = operation.permission === 'public' ? JSON.stringify({ username: randomUUID(), password: 'wrong' }) : undefined
    for (let n = 0; n < 25 && !stage.world.refusals.has(`${operation.id} RATE_LIMITED`); n++)
      await ask(stage, operation, body === undefined ? stage.limited : {}, body === undefined ? {} : { body })
  },
  IDEMPOTENCY_KEY_REUSED: async (operation, stage) => {
    const headers = { ...headersFor(operation, stage), 'idempotency-key': randomUUID() }
    await askOwn(operation, stage, headers)
    await askOther(operation, stage, headers)
  },
  IDEMPOTENCY_IN_PROGRESS: async (operation, stage) => {
    // Whoever of them is first is still at it when the others come, sooner or later.
    for (let n = 0; n < 20 && !stage.world.refusals.has(`${operation.id} IDEMPOTENCY_IN_PROGRESS`); n++) {
      const headers = { ...headersFor(operation, stage), 'idempotency-key': randomUUID() }
      await Promise.all(Array.from({ length: 6 }, () => askOwn(operation, stage, headers)))
    }
  },
}

/** A request about own rows. What it makes of the platform's is taken away again. */
async function askOwn(operation: Operation, { world, rows, operator }: Stage, headers: Headers): Promise<void> {
  const answer = await world.ask(operation.method, soundPath(operation, world.document, idsOf(operation, rows)), {
    body: operation.body && JSON.stringify(exampleWith(operation, world, rows)),
    headers,
  })
  const id = answer.body?.id as string | undefined
  const remover = world.operations.find(one => one.method === 'DELETE' && one.path === `${operation.path}/{id}`)
  if (
    operation.owner === 'platform' &&
    answer.status === 201 &&
    id !== undefined &&
    remover &&
    answer.headers.get('idempotency-replayed') === null
  )
    await world.request('DELETE', `${operation.path}/${id}`, { headers: operator })
}

const idsOf = (operation: Operation, rows: ReadonlyMap<string, string>): Record<string, string> =>
  Object.fromEntries(
    operation.parameters.flatMap(({ in: where, name, schema }) => {
      const id = rows.get(schema['x-ref'] ?? '')
      return where === 'path' && id !== undefined ? [[name, id]] : []
    }),
  )

/** As before, but for another row, or with one value of the body changed. What is new in it need not be there: the key is looked at first. */
async function askOther(operation: Operation, { world, rows }: Stage, headers: Headers): Promise<void> {
  const ids = operation.parameters.filter(({ in: where }) => where === 'path').map(({ name }) => [name, unknown])
  const body = operation.body ? exampleWith(operation, world, rows) : undefined
  await world.ask(operation.method, soundPath(operation, world.document, Object.fromEntries(ids)), {
    body: body === undefined ? undefined : JSON.stringify(ids.length > 0 ? body : changed(body)),
    headers,
  })
}

/** The value with one thing changed that may well be: an id, else a number, else a text. */
function changed(body: unknown): unknown {
  const kinds = [
    (one: unknown) => typeof one === 'string' && /^[0-9a-f-]{36}$/.test(one),
    Number.isInteger,
    (one: unknown) => typeof one === 'string',
  ]
  const at = kinds.map(fits => leaves(body).findIndex(fits)).find(index => index >= 0)
  let n = 0
  return JSON.parse(JSON.stringify(body), (_name, one: unknown) => {
    if (typeof one === 'object' || n++ !== at) return one
    return typeof one === 'number' ? one + 1 : /^[0-9a-f-]{36}$/.test(String(one)) ? randomUUID() : `${one}1`
  })
}

const leaves = (value: unknown): unknown[] => (typeof value === 'object' && value !== null ? Object.values(value).flatMap(leaves) : [value])

/** Announces a body and never sends it. */
function neverSent(operation: Operation, stage: Stage): Promise<void> {
  const { world } = stage
  const path = soundPath(operation, world.document)
  const headers = { ...headersFor(operation, stage), 'content-type': 'application/json', 'content-length': '10' }
  return new Promise((resolve, reject) => {
    const outgoing = request(world.origin + path, { method: operation.method, headers, agent: false }, async incoming => {
      const text = Buffer.concat(await incoming.toArray()).toString()
      world.note(operation.method, path, { status: incoming.statusCode ?? 0, body: JSON.parse(text) })
      outgoing.destroy()
      resolve()
    })
    outgoing.on('error', reject)
    outgoing.flushHeaders()
  })
}

/** A number that costs nothing, and that nobody else has. */
export const virtualNumber = (): string => `+899${Math.floor(1e8 + Math.random() * 8e8)}`

/** A number of the customer that may call over carriers. */
export async function bought({ world, operator }: Pick<Stage, 'world' | 'operator'>, headers: Headers): Promise<string> {
  const number = `+1${Math.floor(1e9 + Math.random() * 8e9)}`
  await world.make('/v1.0/available_numbers', operator, { numbers: [{ number, country: 'US' }] })
  await world.make('/v1.0/numbers', headers, { number })
  return number
}

/** A stage with everything in place. */
export async function setStage(world: World): Promise<Stage> {
  const [mine, frozen, limited] = await Promise.all([world.customer(), world.customer(), world.customer()])
  const own = bearer(await world.login(mine))
  const operator = await world.operator(mine.customer_id)
  const all = await world.operator()
  await world.request('PUT', `/v1.0/customers/${frozen.customer_id}`, { body: JSON.stringify({ status: 'frozen' }), headers: all })
  const once = { rate_limits: { api: 1, call_create: 1, message_create: 1, login: 1 } }
  const fields = { name: 'operator of a test', scopes: ['project_super_admin'] }
  const { token } = await world.make('/v1.0/accesskeys', await world.operator(limited.customer_id), fields)
  await world.request('PUT', `/v1.0/customers/${limited.customer_id}`, { body: JSON.stringify(once), headers: all })
  const ended = bearer(await world.login(mine))
  await world.request('POST', '/auth/logout', { headers: ended })
  const rows = await rowsOf(world, own, mine.customer_id)
  const number = await world.make('/v1.0/numbers', own, { number: virtualNumber() })
  const account = (await world.request('GET', '/v1.0/billing_account', { headers: own })).body.id as string
  const [provider] = (await world.request('GET', '/v1.0/providers?page_size=1', { headers: operator })).body.result as { id: string }[]
  rows
    .set('number', number.id)
    .set('billing_account', account)
    .set('provider', provider?.id ?? unknown)
  return { world, mine, frozen, own, operator, limited: key(token ?? ''), ended, rows }
}
