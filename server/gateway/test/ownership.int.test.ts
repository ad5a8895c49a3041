import { uuid7 } from '@voipbin/kernel'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Fixture, key, type Tenant } from './fixture.ts'

let fixture: Fixture
let a: Tenant
let b: Tenant
let ofA: string
beforeAll(async () => {
  fixture = await Fixture.open()
  a = fixture.tenant()
  b = fixture.tenant()
  ofA = (await fixture.request('POST', '/v1.0/widgets', { body: { name: 'mine' }, headers: key(a) })).body.id
})
afterAll(() => fixture.close())

const withoutIds = (text: string): string => text.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'ID')

describe('an existing id of another customer answers exactly as one that does not exist', () => {
  test.each([
    { where: 'path of a read', ask: (id: string) => ({ method: 'GET', path: `/v1.0/widgets/${id}` }) },
    { where: 'path of a write', ask: (id: string) => ({ method: 'PUT', path: `/v1.0/widgets/${id}`, body: { name: 'stolen' } }) },
    { where: 'path of an action', ask: (id: string) => ({ method: 'POST', path: `/v1.0/widgets/${id}/break` }) },
    { where: 'query', ask: (id: string) => ({ method: 'GET', path: `/v1.0/widgets?part_id=${id}` }) },
    { where: 'body of a create', ask: (id: string) => ({ method: 'POST', path: '/v1.0/widgets', body: { name: 'x', part_id: id } }) },
  ])('$where', async ({ ask }) => {
    const send = async (id: string, who: Tenant) => {
      const { method, path, ...rest } = ask(id)
      return fixture.request(method, path, { ...rest, headers: key(who) })
    }
    const foreign = await send(ofA, b)
    const unknown = await send(uuid7(), b)
    expect([foreign.status, foreign.body.error.reason]).toEqual([404, 'WIDGET_NOT_FOUND'])
    expect(withoutIds(foreign.text)).toBe(withoutIds(unknown.text))
    expect([...foreign.headers.keys()].sort()).toEqual([...unknown.headers.keys()].sort())
    expect((await send(ofA, a)).status).not.toBe(404)
  })

  test('nothing of it was changed or run', async () => {
    await fixture.request('PUT', `/v1.0/widgets/${ofA}`, { body: { name: 'mine' }, headers: key(a) })
    const before = fixture.runs('updateWidget')
    await fixture.request('PUT', `/v1.0/widgets/${ofA}`, { body: { name: 'stolen' }, headers: key(b) })
    expect(fixture.runs('updateWidget')).toBe(before)
    const { body } = await fixture.request('GET', `/v1.0/widgets/${ofA}`, { headers: key(a) })
    expect(body.name).toBe('mine')
  })
})

test('a row of somebody else does not go out, whatever a service answers', async () => {
  const answer = await fixture.request('GET', `/v1.0/widgets/${uuid7()}/leak`, { headers: key(a) })
  expect([answer.status, answer.body.error.reason]).toEqual([404, 'WIDGET_NOT_FOUND'])
})

test('internal fields do not go out', async () => {
  for (const path of [`/v1.0/widgets/${ofA}`, '/v1.0/widgets']) {
    const answer = await fixture.request('GET', path, { headers: key(a) })
    expect(answer.status).toBe(200)
    expect(answer.text).not.toContain('planted')
    expect(answer.text).not.toContain('version')
  }
})

test('the owner of a row is asked for once', async () => {
  const before = fixture.runs('ownerOf')
  for (let i = 0; i < 5; i++) await fixture.request('PUT', `/v1.0/widgets/${ofA}`, { body: { name: 'mine' }, headers: key(a) })
  expect(fixture.runs('ownerOf') - before).toBeLessThanOrEqual(1)
})
