import { beforeAll, expect, test } from 'vitest'
import type { Operation } from './document.ts'
import { soundPath } from './mutations.ts'
import { bearer, findings, key, undeclared, World } from './world.ts'

let world: World
beforeAll(async () => {
  world = await World.open()
})

const closed = (): Operation[] => world.operations.filter(operation => operation.permission !== 'public')

/** Asks every operation, with its example, and reports those that do not answer as they must. */
const ask = (
  operations: readonly Operation[],
  headers: Record<string, string>,
  want: { status: number; reasons: string[] },
): Promise<string[]> =>
  findings(operations, async operation => {
    const body = operation.body ? JSON.stringify(operation.body.example ?? {}) : undefined
    const answer = await world.request(operation.method, soundPath(operation, world.document), { body, headers })
    const reason = answer.body?.error?.reason as string | undefined
    return answer.status === want.status && want.reasons.includes(reason ?? '')
      ? undeclared(operation, answer)
      : `${operation.id}: ${answer.status} ${reason ?? answer.text.slice(0, 100)}`
  })

const unauthenticated = { status: 401, reasons: ['UNAUTHENTICATED'] }
const ended = { status: 401, reasons: ['TOKEN_EXPIRED'] }

test('without credentials nothing but the public operations answers', async () => {
  expect(await ask(closed(), {}, unauthenticated)).toEqual([])
})

test.each([
  { what: 'a text that is no token', headers: bearer('nonsense') },
  {
    what: 'a token signed by somebody else',
    headers: bearer(
      'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJjdXN0b21lcl9pZCI6IngiLCJhZ2VudF9pZCI6IngiLCJwZXJtaXNzaW9ucyI6WyJwcm9qZWN0X3N1cGVyX2FkbWluIl0sImp0aSI6IngiLCJpYXQiOjEsImV4cCI6OTk5OTk5OTk5OX0.AAAA',
    ),
  },
  {
    what: 'a token with no signature at all',
    headers: bearer(
      'eyJhbGciOiJub25lIn0.eyJjdXN0b21lcl9pZCI6IngiLCJhZ2VudF9pZCI6IngiLCJwZXJtaXNzaW9ucyI6W10sImp0aSI6IngiLCJpYXQiOjEsImV4cCI6OTk5OTk5OTk5OX0.',
    ),
  },
  { what: 'an access key nobody has', headers: key(`ak_${'Z'.repeat(32)}`) },
  { what: 'another scheme', headers: { authorization: 'Basic YTpi' } },
])('$what opens no operation', async ({ headers }) => {
  expect(await ask(closed(), headers, unauthenticated)).toEqual([])
})

test('after logout the token opens no operation', async () => {
  const token = await world.login(world.state.demo)
  expect((await world.request('GET', '/v1.0/me', { headers: bearer(token) })).status).toBe(200)
  expect((await world.request('POST', '/auth/logout', { headers: bearer(token) })).status).toBe(200)
  expect(await ask(closed(), bearer(token), ended)).toEqual([])
})

test('an access key that has expired opens no operation', async () => {
  const expiring = await world.accesskey(world.state.demo, { scopes: ['customer_admin'], expire: 1 })
  await expect.poll(async () => (await world.request('GET', '/v1.0/flows', { headers: key(expiring) })).status, { interval: 200 }).toBe(401)
  expect(await ask(closed(), key(expiring), unauthenticated)).toEqual([])
})

test('without its permission an operation answers 403, whatever the credentials may do otherwise', async () => {
  const guarded = closed().filter(operation => operation.permission !== 'authenticated')
  const denied = { status: 403, reasons: ['PERMISSION_DENIED'] }
  for (const scope of ['flow_read', 'number_read']) {
    const limited = await world.accesskey(world.state.demo, { scopes: [scope] })
    const without = guarded.filter(operation => operation.permission !== scope)
    expect(without.length).toBeGreaterThan(50)
    expect(await ask(without, key(limited), denied)).toEqual([])
  }
})

test('what belongs to the platform is refused to a customer’s administrator', async () => {
  const platform = closed().filter(operation => operation.owner === 'platform')
  expect(platform.length).toBeGreaterThan(0)
  expect(await ask(platform, key(world.state.demo.accesskey), { status: 403, reasons: ['PERMISSION_DENIED'] })).toEqual([])
})

test('whoever is known is told with every answer what is left of the limit', async () => {
  const headers = key((await world.customer()).accesskey)
  const wrong = await findings(closed(), async operation => {
    const body = operation.body ? JSON.stringify(operation.body.example ?? {}) : undefined
    const answer = await world.request(operation.method, soundPath(operation, world.document), { body, headers })
    const [limit, remaining, reset] = ['limit', 'remaining', 'reset'].map(name => answer.headers.get(`ratelimit-${name}`))
    const told = limit === '1000000' && Number(remaining) > 0 && /^\d+$/.test(reset ?? '')
    return told ? undeclared(operation, answer) : `${operation.id}: ${answer.status} ${limit} ${remaining} ${reset}`
  })
  expect(wrong).toEqual([])
})
