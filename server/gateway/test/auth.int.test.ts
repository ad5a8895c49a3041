import { audits, tokenHash } from '@voipbin/kernel'
import { until } from '@voipbin/kernel/testing'
import { SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Answer, bearer, Fixture, key, type Tenant } from './fixture.ts'

let fixture: Fixture
let tenant: Tenant
beforeAll(async () => {
  fixture = await Fixture.open()
  await fixture.addGateway()
  tenant = fixture.tenant()
})
afterAll(() => fixture.close())

const whoami = (headers: Record<string, string> = {}, path = '/v1.0/whoami', gateway = 0) =>
  fixture.request('GET', path, { headers, gateway })
const secret = new TextEncoder().encode('0123456789abcdef0123456789abcdef')

describe('credentials', () => {
  test.each([
    { how: 'Bearer token', send: (token: string) => whoami(bearer(token)) },
    { how: 'token in the query', send: (token: string) => whoami({}, `/v1.0/whoami?token=${token}`) },
    { how: 'AccessKey', send: () => whoami(key(tenant)) },
    { how: 'Bearer with an access key', send: () => whoami(bearer(tenant.accesskey)) },
    { how: 'accesskey in the query', send: () => whoami({}, `/v1.0/whoami?accesskey=${tenant.accesskey}`) },
    { how: 'access key as token in the query', send: () => whoami({}, `/v1.0/whoami?token=${tenant.accesskey}`) },
  ])('$how is accepted', async ({ send }) => {
    const answer = await send(await fixture.login(tenant))
    expect(answer.status, answer.text).toBe(200)
    expect(answer.body.customer_id).toBe(tenant.customer_id)
  })

  test('an access key is looked up once', async () => {
    const other = fixture.tenant()
    const before = fixture.runs('findAccesskey')
    for (let i = 0; i < 5; i++) await whoami(key(other))
    expect(fixture.runs('findAccesskey') - before).toBe(1)
  })

  test.each([
    { what: 'an unknown access key', headers: () => ({ authorization: `AccessKey ak_${'x'.repeat(32)}` }), reason: 'UNAUTHENTICATED' },
    { what: 'an unknown scheme', headers: () => ({ authorization: 'Basic YTpi' }), reason: 'UNAUTHENTICATED' },
    {
      what: 'a token nobody signed',
      headers: async () => bearer(await sign({ exp: '1h' }, new TextEncoder().encode('x'.repeat(32)))),
      reason: 'UNAUTHENTICATED',
    },
    { what: 'an expired token', headers: async () => bearer(await sign({ exp: '-1s' })), reason: 'TOKEN_EXPIRED' },
    { what: 'a good token without a session', headers: async () => bearer(await sign({ exp: '1h' })), reason: 'TOKEN_EXPIRED' },
  ])('$what answers 401 $reason', async ({ headers, reason }) => {
    const answer = await whoami(await headers())
    expect([answer.status, answer.body.error.reason]).toEqual([401, reason])
    expect(answer.headers.get('www-authenticate')).toContain('Bearer')
  })

  test('an expired access key, and one of a frozen customer', async () => {
    const expired = fixture.tenant()
    Object.assign(fixture.state.accesskeys.get(tokenHash(expired.accesskey)) ?? {}, { tm_expire: '2020-01-01T00:00:00.000000Z' })
    expect((await whoami(key(expired))).status).toBe(401)
    const answer = await whoami(key(fixture.tenant({ status: 'frozen' })))
    expect([answer.status, answer.body.error.reason]).toEqual([403, 'CUSTOMER_FROZEN'])
  })

  const sign = (claims: { exp: string }, by = secret): Promise<string> =>
    new SignJWT({ customer_id: tenant.customer_id, agent_id: tenant.agent_id, permissions: ['customer_admin'], jti: 'x' })
      .setProtectedHeader({ alg: 'HS256', kid: 'k1' })
      .setIssuedAt()
      .setExpirationTime(claims.exp)
      .sign(by)
})

describe('sessions', () => {
  test('login answers a token and what it is good for; me is the agent', async () => {
    const { status, body } = await fixture.request('POST', '/auth/login', {
      body: { username: tenant.username, password: tenant.password },
    })
    expect(status).toBe(200)
    expect(body).toMatchObject({
      username: tenant.username,
      customer_id: tenant.customer_id,
      agent_id: tenant.agent_id,
      permissions: ['customer_admin'],
    })
    expect(Date.parse(body.tm_expire) - Date.now()).toBeGreaterThan(3_590_000)
    expect((await whoami(bearer(body.token), '/v1.0/me')).body).toEqual({
      id: tenant.agent_id,
      customer_id: tenant.customer_id,
      username: tenant.username,
      permissions: ['customer_admin'],
    })
    expect((await whoami(key(tenant), '/v1.0/me')).body.error.reason).toBe('AGENT_REQUIRED')
  })

  test.each([
    { what: 'a wrong password', body: () => ({ username: tenant.username, password: 'wrong' }) },
    { what: 'an unknown user', body: () => ({ username: 'nobody', password: 'wrong' }) },
  ])('$what answers 401 LOGIN_FAILED', async ({ body }) => {
    const answer = await fixture.request('POST', '/auth/login', { body: body() })
    expect([answer.status, answer.body.error.reason, answer.body.error.message]).toEqual([
      401,
      'LOGIN_FAILED',
      'User name or password is wrong.',
    ])
  })

  test('logout on one gateway is known to the other at once', async () => {
    const token = await fixture.login(tenant)
    expect((await whoami(bearer(token), undefined, 1)).status).toBe(200)
    const answer = await fixture.request('POST', '/auth/logout', { headers: bearer(token) })
    expect([answer.status, answer.body.agent_id]).toEqual([200, tenant.agent_id])
    const after = await whoami(bearer(token), undefined, 1)
    expect([after.status, after.body.error.reason]).toEqual([401, 'TOKEN_EXPIRED'])
    expect((await fixture.request('POST', '/auth/logout', { headers: bearer(token) })).status).toBe(401)
  })

  test('refresh gives a new token and ends the old one', async () => {
    const token = await fixture.login(tenant)
    const { status, body } = await fixture.request('POST', '/auth/refresh', { headers: bearer(token) })
    expect(status).toBe(200)
    expect((await whoami(bearer(token))).status).toBe(401)
    expect((await whoami(bearer(body.token))).status).toBe(200)
  })

  test('the session is asked for once, not with every request', async () => {
    const token = await fixture.login(tenant)
    const before = fixture.runs('getSession')
    for (let i = 0; i < 5; i++) expect((await whoami(bearer(token))).status).toBe(200)
    expect(fixture.runs('getSession') - before).toBeLessThanOrEqual(2)
  })
})

describe('permissions', () => {
  test('an agent reads and does not write; a single permission is enough', async () => {
    const agent = fixture.tenant({ permissions: ['customer_agent'] })
    expect((await whoami(key(agent), '/v1.0/widgets')).status).toBe(200)
    const refused = await fixture.request('POST', '/v1.0/widgets', { body: { name: 'a' }, headers: key(agent) })
    expect([refused.status, refused.body.error.reason]).toEqual([403, 'PERMISSION_DENIED'])
    const single = fixture.tenant({ permissions: ['widget_create'] })
    expect((await fixture.request('POST', '/v1.0/widgets', { body: { name: 'a' }, headers: key(single) })).status).toBe(201)
    expect((await whoami(key(single), '/v1.0/widgets')).status).toBe(403)
  })

  test('what belongs to the platform is for its administrators only, also when the permission is granted by name', async () => {
    const one = async (permissions: string[]) => (await whoami(key(fixture.tenant({ permissions })), '/v1.0/platform')).status
    expect([await one(['customer_admin']), await one(['platform_read']), await one(['project_super_admin'])]).toEqual([403, 403, 200])
  })

  test('nobody grants what they do not hold', async () => {
    const manager = fixture.tenant({ permissions: ['widget_create'] })
    const grant = async (permissions: string[]) =>
      (await fixture.request('POST', '/v1.0/widgets', { body: { name: 'a', permissions }, headers: key(manager) })).body.error?.reason
    expect(await grant(['widget_create', 'customer_admin'])).toBe('PERMISSION_NOT_GRANTABLE')
    expect(await grant(['magic'])).toBe('PERMISSION_UNKNOWN')
    expect(await grant(['widget_create'])).toBeUndefined()
  })

  test.each([
    { who: 'an agent that may do more', permissions: ['customer_admin'], status: 403 },
    { who: 'an agent that may do other things', permissions: ['widget_read', 'widget_update'], status: 403 },
    { who: 'an agent that may do no more', permissions: ['widget_read'], status: 200 },
  ])('a password is set for $who: $status', async ({ permissions, status }) => {
    const helpdesk = fixture.tenant({ permissions: ['agent_password_update', 'widget_read'] })
    const other = fixture.tenant({ permissions })
    const agent = fixture.state.agents.get(other.username)
    if (agent) agent.customer_id = helpdesk.customer_id
    const body = { name: 'taken over' }
    const answer = await fixture.request('PUT', `/v1.0/agents/${other.agent_id}/password`, { body, headers: key(helpdesk) })
    expect([answer.status, answer.body.error?.reason]).toEqual([status, status === 403 ? 'PERMISSION_NOT_GRANTABLE' : undefined])
    expect(agent?.password).toBe(status === 403 ? 'correct horse' : 'taken over')
  })

  test.each([
    { what: 'that may read agents', permissions: ['agent_read'], made: true, status: 200 },
    { what: 'that may not', permissions: ['widget_read'], made: true, status: 403 },
    { what: 'that no agent made', permissions: ['agent_read'], made: false, status: 403 },
  ])('/me with a key $what answers $status', async ({ permissions, made, status }) => {
    const maker = fixture.tenant({ permissions })
    const accesskey = fixture.state.accesskeys.get(tokenHash(maker.accesskey))
    if (made && accesskey) accesskey.agent_id = maker.agent_id
    const answer = await fixture.request('GET', '/v1.0/me', { headers: key(maker) })
    expect([answer.status, answer.body.id ?? answer.body.error.reason]).toEqual([
      status,
      status === 200 ? maker.agent_id : 'AGENT_REQUIRED',
    ])
  })

  test('a super admin acts for a customer it names; nobody else does', async () => {
    const admin = fixture.tenant({ permissions: ['project_super_admin'] })
    const named = { 'x-voipbin-customer-id': tenant.customer_id }
    const answer = await whoami({ ...key(admin), ...named })
    expect(answer.body.customer_id).toBe(tenant.customer_id)
    expect((await whoami({ ...key(fixture.tenant()), ...named })).status).toBe(403)
    const unknown = await whoami({ ...key(admin), 'x-voipbin-customer-id': '01980000-0000-7000-8000-000000000001' })
    expect([unknown.status, unknown.body.error.details[0].field]).toEqual([400, '/X-VoIPBIN-Customer-ID'])
    const rows = await until(async () => {
      const all = await fixture.database.db.select().from(audits)
      const found = all.filter(row => row.customer_id === tenant.customer_id && row.action === 'act_for')
      return found.length > 0 ? found : undefined
    })
    expect(rows[0]).toMatchObject({ actor_type: 'super_admin', resource_id: 'whoami' })
  })
})

describe('limits', () => {
  test('the defaults: a burst of 2,000 API requests, then 429 with Retry-After', async () => {
    const limited = fixture.tenant({ api: 1_000 })
    const answers: Answer[] = []
    const started = performance.now()
    // The bucket gains 16 a second while it is emptied, so a slow machine empties it later.
    while (answers.at(-1)?.status !== 429) answers.push(...(await Promise.all(Array.from({ length: 50 }, () => whoami(key(limited))))))
    const allowed = answers.filter(answer => answer.status === 200).length
    const gained = ((performance.now() - started) * 1_000) / 60_000
    expect(allowed).toBeGreaterThanOrEqual(2_000)
    expect(allowed).toBeLessThanOrEqual(2_000 + Math.ceil(gained))
    const answer = answers.find(({ status }) => status === 429)
    expect([answer?.body.error.reason, answer?.body.error.status]).toEqual(['RATE_LIMITED', 'RESOURCE_EXHAUSTED'])
    expect(Number(answer?.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
    expect([answer?.headers.get('ratelimit-limit'), answer?.headers.get('ratelimit-remaining')]).toEqual(['1000', '0'])
  })

  test('classes and customers have buckets of their own', async () => {
    const limited = fixture.tenant({ api: 1_000, call_create: 1 })
    const create = async () => (await fixture.request('POST', '/v1.0/widgets', { body: { name: 'a' }, headers: key(limited) })).status
    expect([await create(), await create(), await create()]).toEqual([201, 201, 429])
    expect((await whoami(key(limited))).status).toBe(200)
  })

  test('both gateways draw from the same bucket', async () => {
    const limited = fixture.tenant({ api: 1 })
    const one = async (gateway: number) => (await whoami(key(limited), undefined, gateway)).status
    expect([await one(0), await one(1), await one(0), await one(1)]).toEqual([200, 200, 429, 429])
  })

  test('logins: 20 at once for a name and address, then 429; another name goes on', async () => {
    const attempt = async (username: string) =>
      (await fixture.request('POST', '/auth/login', { body: { username, password: 'wrong' } })).status
    const statuses: number[] = []
    for (let i = 0; i < 22; i++) statuses.push(await attempt('victim@example.com'))
    expect(statuses.filter(status => status === 401)).toHaveLength(20)
    expect(await attempt('Victim@Example.com')).toBe(429)
    expect(await attempt('other@example.com')).toBe(401)
  })

  test.each([
    { what: 'one password on many names', name: (n: number) => `name-${n}@example.com`, from: () => '192.0.2.1' },
    { what: 'one name from many addresses', name: () => 'sprayed@example.com', from: (n: number) => `198.51.100.${n}` },
  ])('logins: $what are 200 at once, then 429', async ({ name, from }) => {
    const behind = fixture.gateways.indexOf(await fixture.addGateway({ env: { TRUST_PROXY: '1' } }))
    const attempt = async (n: number) => {
      const body = { username: name(n), password: 'wrong' }
      return (await fixture.request('POST', '/auth/login', { body, headers: { 'x-forwarded-for': from(n) }, gateway: behind })).status
    }
    const statuses: number[] = []
    // The bucket gains less than two a second while it is emptied.
    for (let n = 0; statuses.at(-1) !== 429; n += 20)
      statuses.push(...(await Promise.all(Array.from({ length: 20 }, (_, i) => attempt(n + i)))))
    expect(statuses.filter(status => status === 401).length).toBeGreaterThanOrEqual(200)
  })

  test('refusals are in the audit log, a flood of them as few rows', async () => {
    const limited = fixture.tenant({ api: 1 })
    for (let i = 0; i < 40; i++) await whoami(key(limited))
    const rows = await until(async () => {
      const all = await fixture.database.db.select().from(audits)
      const found = all.filter(row => row.customer_id === limited.customer_id)
      return found.length > 0 ? found : undefined
    })
    expect(rows.length).toBeLessThan(3)
    expect(rows[0]).toMatchObject({
      action: 'refuse',
      actor_type: 'accesskey',
      resource_id: 'whoami',
      new: { event: 'rate_limited', count: 1 },
    })
    const failed = (await fixture.database.db.select().from(audits)).filter(row => row.new?.event === 'login_failed')
    expect(failed.length).toBeGreaterThan(0)
  })
})
