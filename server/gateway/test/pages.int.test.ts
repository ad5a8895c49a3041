import { afterAll, beforeAll, expect, test } from 'vitest'
import { Fixture, key, type Tenant } from './fixture.ts'

let fixture: Fixture
let tenant: Tenant
let parts: [string, string]
/** Of the list of the first part's widgets, one on a page. */
let token: string

const list = async (path: string, who = tenant) => fixture.request('GET', path, { headers: key(who) })
const make = async (body: object) => fixture.request('POST', '/v1.0/widgets', { body, headers: key(tenant) })

beforeAll(async () => {
  fixture = await Fixture.open()
  tenant = fixture.tenant()
  parts = [(await make({ name: 'one' })).body.id, (await make({ name: 'two' })).body.id]
  for (const part_id of parts) for (const name of ['a', 'b', 'c']) await make({ name, part_id })
  token = (await list(`/v1.0/widgets?page_size=1&part_id=${parts[0]}`)).body.next_page_token
})
afterAll(() => fixture.close())

test('a page token leads on in its own list, on any gateway, whatever the size of the page', async () => {
  await fixture.addGateway()
  const next = `/v1.0/widgets?page_token=${token}&part_id=${parts[0]}&page_size=10`
  const answer = await fixture.request('GET', next, { headers: key(tenant), gateway: 1 })
  expect([answer.status, answer.body.result.map(({ name }: { name: string }) => name)]).toEqual([200, ['b', 'a']])
  expect(answer.body.next_page_token).toBe('')
})

test.each([
  { what: 'of a list with other filters', path: () => `/v1.0/widgets?part_id=${parts[1]}&page_token=${token}` },
  { what: 'of a list with a filter, without it', path: () => `/v1.0/widgets?page_token=${token}` },
  { what: 'of another list', path: () => `/v1.0/spares?part_id=${parts[0]}&page_token=${token}` },
  { what: 'cut at its end', path: () => `/v1.0/widgets?part_id=${parts[0]}&page_token=${token.slice(0, -1)}` },
  { what: 'cut at its beginning', path: () => `/v1.0/widgets?part_id=${parts[0]}&page_token=${token.slice(1)}` },
  { what: 'that is none', path: () => '/v1.0/widgets?page_token=1' },
])('a page token $what is refused where it stands', async ({ path }) => {
  const { status, body } = await list(path())
  expect([status, body.error?.reason]).toEqual([400, 'INVALID_ARGUMENT'])
  expect(body.error.details).toEqual([expect.objectContaining({ field: '/page_token', rule: 'page_token' })])
})

test('a page token of another customer is refused', async () => {
  const all = await list('/v1.0/widgets?page_size=1')
  const answer = await list(`/v1.0/widgets?page_token=${all.body.next_page_token}`, fixture.tenant())
  expect([answer.status, answer.body.error.details[0].field]).toEqual([400, '/page_token'])
})

test('an empty page token is the first page', async () => {
  const [first, empty] = await Promise.all([list('/v1.0/widgets'), list('/v1.0/widgets?page_token=')])
  expect([first.body.result.length, empty.body]).toEqual([8, first.body])
})
