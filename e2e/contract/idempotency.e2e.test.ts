import { randomUUID } from 'node:crypto'
import { beforeAll, expect, test } from 'vitest'
import type { Operation } from './document.ts'
import { soundPath } from './mutations.ts'
import { exampleWith, rowsOf } from './rows.ts'
import { type Answer, bearer, findings, undeclared, World } from './world.ts'

let world: World
let own: Record<string, string>
/** Resource -> a row of this customer, or of the platform. */
let rows: Map<string, string>
let operator: Record<string, string>
/** Numbers that nobody has. */
const stock = Array.from({ length: 10 }, () => `+1${Math.floor(1e9 + Math.random() * 8e9)}`)
beforeAll(async () => {
  world = await World.open()
  const mine = await world.customer()
  // Not its access key: the tests rotate that.
  own = bearer(await world.login(mine))
  operator = await world.operator(mine.customer_id)
  rows = await rowsOf(world, own, mine.customer_id)
  const [provider] = (await world.request('GET', '/v1.0/providers?page_size=1', { headers: operator })).body.result
  const account = (await world.request('GET', '/v1.0/billing_account', { headers: own })).body
  rows.set('provider', provider.id).set('billing_account', account.id)
  await world.make('/v1.0/available_numbers', operator, { numbers: stock.map(number => ({ number, country: 'US' })) })
})

const withKey = (): Operation[] => world.operations.filter(operation => operation.idempotent)

/** Values that must not be the same twice, and so not the example's. */
const unique: Readonly<Record<string, () => unknown>> = {
  username: () => `${randomUUID()}@contract.example`,
  email: () => `${randomUUID()}@contract.example`,
  extension: () => String(Math.floor(Math.random() * 1e9)),
  number: () => stock.pop(),
  prefix: () => `+1${Math.floor(Math.random() * 1e9)}`,
  target: () => `+1${Math.floor(Math.random() * 1e9)}`,
}

interface Request {
  path: string
  body: Record<string, unknown> | undefined
  headers: Record<string, string>
}

async function requestOf(operation: Operation): Promise<Request> {
  // One replay to an endpoint at a time.
  if (operation.id === 'createWebhookReplay')
    rows.set('webhook', (await world.make('/v1.0/webhooks', own, { uri: 'https://example.com/hook' })).id)
  const ids = Object.fromEntries(
    operation.parameters.filter(one => one.in === 'path').map(one => [one.name, rows.get(one.schema['x-ref'] ?? '')]),
  )
  const known = Object.fromEntries(Object.entries(ids).filter((entry): entry is [string, string] => entry[1] !== undefined))
  const body = operation.body && (exampleWith(operation, world, rows) as Record<string, unknown>)
  for (const [name, make] of Object.entries(unique)) if (body?.[name] !== undefined) body[name] = make()
  return {
    path: soundPath(operation, world.document, known),
    body,
    headers: { ...(operation.owner === 'platform' ? operator : own), 'idempotency-key': randomUUID() },
  }
}

const send = (operation: Operation, { path, body, headers }: Request): Promise<Answer> =>
  world.request(operation.method, path, { body: body && JSON.stringify(body), headers })

/** All rows of the collection an operation adds to; undefined where it adds to none. */
async function count(operation: Operation, headers: Record<string, string>): Promise<number | undefined> {
  const list = world.operations.find(one => one.method === 'GET' && one.path === operation.path)
  if (!list || list.id === 'listAvailableNumbers') return undefined
  let rowsThere = 0
  for (let token = ''; ; ) {
    const { body } = await world.request('GET', `${list.path}?page_size=100&page_token=${encodeURIComponent(token)}`, { headers })
    rowsThere += (body.result as unknown[]).length
    token = body.next_page_token as string
    if (token === '') return rowsThere
  }
}

test('every POST takes an Idempotency-Key or says why it may be repeated without one', () => {
  const others = world.operations.filter(({ method, idempotent }) => method === 'POST' && !idempotent)
  expect(others.filter(({ harmless }) => !harmless).map(({ id }) => id)).toEqual([])
  expect(others.filter(({ success }) => success === 201).map(({ id }) => id)).toEqual([])
  expect(withKey().length).toBeGreaterThan(20)
})

/** What these answer here, where nobody talks: an answer like any other, kept under the key. */
const silent: ReadonlySet<string> = new Set(['CALL_NOT_ACTIVE', 'CALL_NOT_RECORDING'])
const answered = (operation: Operation, { status, body }: Answer): boolean =>
  status === operation.success || silent.has(body?.error?.reason as string)

test('the same key and body: the same answer, marked as replayed, and one effect', async () => {
  const wrong: string[] = []
  for (const operation of withKey()) {
    const request = await requestOf(operation)
    const before = await count(operation, request.headers)
    const first = await send(operation, request)
    const again = await send(operation, request)
    const after = await count(operation, request.headers)
    if (!answered(operation, first)) wrong.push(`${operation.id}: ${first.status} ${first.text.slice(0, 300)}`)
    else if (again.status !== first.status || again.text !== first.text)
      wrong.push(`${operation.id}: again ${again.status} ${again.text.slice(0, 200)}`)
    else if (first.headers.has('idempotency-replayed') || again.headers.get('idempotency-replayed') !== 'true')
      wrong.push(`${operation.id}: the replay is not marked`)
    else if (before !== undefined && after !== before + 1) wrong.push(`${operation.id}: ${before} rows became ${after}`)
  }
  expect(wrong).toEqual([])
})

test('a key whose request was refused as invalid is as good as unused', async () => {
  const wrong = await findings(
    withKey().filter(({ body }) => body),
    async operation => {
      const request = await requestOf(operation)
      const first = await send(operation, { ...request, body: { ...request.body, no_such_field: 1 } })
      const again = await send(operation, request)
      return first.status === 400 && answered(operation, again)
        ? undefined
        : `${operation.id}: ${first.status} ${again.status} ${again.text.slice(0, 200)}`
    },
  )
  expect(wrong).toEqual([])
})

test('the same key with another request is 409 IDEMPOTENCY_KEY_REUSED', async () => {
  const wrong = await findings(withKey(), async operation => {
    const request = await requestOf(operation)
    const first = await send(operation, request)
    if (!answered(operation, first)) return `${operation.id}: ${first.status} ${first.text.slice(0, 200)}`
    const other = await otherThan(operation, request)
    if (other === undefined) return undefined
    const second = await send(operation, other)
    const reason = second.body?.error?.reason
    return second.status === 409 && reason === 'IDEMPOTENCY_KEY_REUSED'
      ? undeclared(operation, second)
      : `${operation.id}: ${second.status} ${reason}`
  })
  expect(wrong).toEqual([])
})

/** A sound request that asks for something else. Undefined where the path says all there is to say, and there is one row only. */
async function otherThan(operation: Operation, request: Request): Promise<Request | undefined> {
  const text = Object.entries(operation.body?.schema ? (request.body ?? {}) : {}).find(([name]) =>
    ['name', 'detail', 'amount', 'overlap'].includes(name),
  )
  if (text) return { ...request, body: { ...request.body, [text[0]]: typeof text[1] === 'number' ? text[1] + 1 : `${text[1]}x` } }
  const fresh = await requestOf(operation)
  return JSON.stringify(fresh.body) === JSON.stringify(request.body) ? undefined : { ...fresh, headers: request.headers }
}

test.each(['', 'x'.repeat(256), 'with space', 'ümlaut'.normalize('NFD').replace(/[^\x20-\x7e]/g, '\u00fc')])(
  'the key %j is refused with 400',
  async bad => {
    const [operation] = withKey()
    if (!operation) throw new Error('no operation takes a key')
    const request = await requestOf(operation)
    const answer = await send(operation, { ...request, headers: { ...request.headers, 'idempotency-key': bad } })
    expect([answer.status, answer.body.error.details[0].field]).toEqual([400, '/Idempotency-Key'])
  },
)
