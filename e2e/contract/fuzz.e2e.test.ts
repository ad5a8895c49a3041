import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Known, requestsOf } from './arbitraries.ts'
import type { Operation } from './document.ts'
import { rowsOf } from './rows.ts'
import { type Answer, bearer, findings, undeclared, World } from './world.ts'

// A seed of its own for every run, printed; VOIPBIN_FUZZ_SEED runs one again, VOIPBIN_FUZZ_RUNS does more per operation.
const seed = Number(process.env.VOIPBIN_FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31))
const runs = Number(process.env.VOIPBIN_FUZZ_RUNS ?? 20)
/** No operation of these takes so long by right: none waits for anything outside. */
const hang_ms = 60_000

let world: World
let own: Record<string, string>
let operator: Record<string, string>
let rows: Map<string, string>
beforeAll(async () => {
  world = await World.open()
  // Without credit, so that nothing is dialled to anybody outside.
  const mine = await world.customer({ credit: 0 })
  own = bearer(await world.login(mine))
  operator = await world.operator(mine.customer_id)
  rows = await rowsOf(world, own, mine.customer_id)
  // Not the one whose token is used.
  const agent = { username: `${mine.customer_id}@fuzz.example`, password: 'correct horse', name: 'Another', permissions: [], addresses: [] }
  rows.set('agent', (await world.make('/v1.0/agents', own, agent)).id)
  for (const path of shared) there.set(path, await idsAt(path))
})

/** Rows of the platform made here would change what other tests meet. */
afterAll(async () => {
  for (const path of shared) {
    for (const id of await idsAt(path)) if (!there.get(path)?.has(id)) await world.request('DELETE', `${path}/${id}`, { headers: operator })
  }
})
const shared = ['/v1.0/routes', '/v1.0/providers', '/v1.0/billing_rates']
const there = new Map<string, ReadonlySet<string>>()

async function idsAt(path: string): Promise<ReadonlySet<string>> {
  const { body } = await world.request('GET', `${path}?page_size=100`, { headers: operator })
  return new Set((body.result as { id: string }[]).map(({ id }) => id))
}

/** Operations that end or change the login they are asked with: each has an agent of its own, which signs in for every request. */
const own_login: ReadonlySet<string> = new Set(['logout', 'refresh', 'updateMyPassword'])
const logins = new Map<string, Login>()
interface Login {
  username: string
  password: string
}

async function newLogin(): Promise<Login> {
  const login = { username: `${randomUUID()}@fuzz.example`, password: 'correct horse' }
  await world.make('/v1.0/agents', own, { ...login, name: 'Throw-away', permissions: ['customer_agent'], addresses: [] })
  return login
}

async function headersOf(operation: Operation): Promise<Record<string, string>> {
  if (!own_login.has(operation.id)) return operation.permission === 'public' ? {} : operation.owner === 'platform' ? operator : own
  const known = logins.get(operation.id)
  const token = known && (await world.login(known).catch(() => undefined))
  if (token !== undefined) return bearer(token)
  // The first time, and after its password was changed.
  const login = await newLogin()
  logins.set(operation.id, login)
  return bearer(await world.login(login))
}

/** Operations that must not do it to the customer that asks: each has one of its own. */
const own_customer: ReadonlySet<string> = new Set(['deleteCustomer', 'updateCustomer'])
async function knownTo(operation: Operation): Promise<Known> {
  if (!own_customer.has(operation.id)) return { document: world.document, rows }
  const { id } = await world.make('/v1.0/customers', operator, { name: 'Throw-away', email: `${randomUUID()}@fuzz.example` })
  return { document: world.document, rows: new Map([...rows, ['customer', id]]) }
}

/** How many requests of each operation were carried out: a fuzz run in which everything is refused at the door shows nothing. */
const accepted = new Map<string, number>()

async function complaint(operation: Operation, path: string, body: string | undefined): Promise<string | undefined> {
  const headers = await headersOf(operation)
  let answer: Answer
  try {
    answer = await world.request(operation.method, path, { body, headers, timeout_ms: hang_ms })
  } catch (error) {
    return `no answer: ${String(error)}`
  }
  if (answer.status === operation.success) accepted.set(operation.id, (accepted.get(operation.id) ?? 0) + 1)
  if (answer.status >= 500) return `${answer.status} ${answer.text.slice(0, 300)}`
  if (answer.status < 400) return answer.status === operation.success ? undefined : `${answer.status} is not the success of the contract`
  return undeclared(operation, answer)
}

test(`whatever is sent, no operation fails, hangs or answers what the contract does not declare (VOIPBIN_FUZZ_SEED=${seed})`, async () => {
  console.log(`fuzz: VOIPBIN_FUZZ_SEED=${seed}, ${runs} requests per operation`)
  const reached = new Map<string, number>()
  const wrong = await findings(world.operations, async operation => {
    const known = await knownTo(operation)
    const property = fc.asyncProperty(requestsOf(operation, known), async ({ path, body }) => {
      const found = await complaint(operation, path, body)
      reached.set(operation.id, (reached.get(operation.id) ?? 0) + 1)
      if (found !== undefined) throw new Error(found)
    })
    const { failed, counterexample, errorInstance } = await fc.check(property, { seed, numRuns: runs, interruptAfterTimeLimit: 60_000 })
    if (!failed) return undefined
    return `${operation.id}: ${String(errorInstance)} for ${JSON.stringify(counterexample).slice(0, 500)}`
  })
  expect(wrong).toEqual([])
  expect(reached.size).toBe(world.operations.length)
  console.log(`fuzz: ${accepted.size} of ${reached.size} operations carried something out`)
  expect(accepted.size).toBeGreaterThan(world.operations.length / 3)
})
