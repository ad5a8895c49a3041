import { fork } from 'node:child_process'
import { once } from 'node:events'
import { uuid7 } from '@voipbin/kernel'
import { until } from '@voipbin/kernel/testing'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { idempotency } from '../src/schema.ts'
import { type Answer, Fixture, key, type Tenant } from './fixture.ts'
import { widgets } from './fixture-services.ts'

let fixture: Fixture
let tenant: Tenant
beforeAll(async () => {
  fixture = await Fixture.open()
  await fixture.addGateway()
})
beforeEach(() => {
  tenant = fixture.tenant()
})
afterAll(() => fixture.close())

const create = (idempotency_key: string, body: unknown = { name: 'one' }, gateway = 0, who = tenant): Promise<Answer> =>
  fixture.request('POST', '/v1.0/widgets', { body, headers: { ...key(who), 'idempotency-key': idempotency_key }, gateway })
const count = async (): Promise<number> =>
  (await fixture.database.db.select().from(widgets)).filter(row => row.customer_id === tenant.customer_id).length

describe('Idempotency-Key', () => {
  test('the same key and body replay the answer on any gateway, with one effect', async () => {
    const first = await create('k1')
    const again = await create('k1', { name: 'one' }, 1)
    expect([first.status, again.status]).toEqual([201, 201])
    expect(again.text).toBe(first.text)
    expect([first.headers.get('idempotency-replayed'), again.headers.get('idempotency-replayed')]).toEqual([null, 'true'])
    expect(await count()).toBe(1)
  })

  test('another body is 409, another customer’s key is another key', async () => {
    await create('k2')
    const other = await create('k2', { name: 'two' })
    expect([other.status, other.body.error.reason]).toEqual([409, 'IDEMPOTENCY_KEY_REUSED'])
    const stranger = fixture.tenant()
    expect((await create('k2', { name: 'three' }, 0, stranger)).status).toBe(201)
  })

  test('of many at once one works, the rest is told to wait or gets its answer', async () => {
    const release = Promise.withResolvers<void>()
    fixture.state.hold = release.promise
    const before = fixture.runs('createWidget')
    const running = Array.from({ length: 10 }, (_, i) => create('k3', { name: 'one' }, i % 2))
    const early = await Promise.any(running)
    expect([early.status, early.body.error.reason, early.headers.get('retry-after')]).toEqual([409, 'IDEMPOTENCY_IN_PROGRESS', '1'])
    release.resolve()
    fixture.state.hold = undefined
    const answers = await Promise.all(running)
    const created = answers.filter(({ status }) => status === 201)
    expect(new Set(created.map(({ text }) => text)).size).toBe(1)
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(10 - created.length)
    expect(fixture.runs('createWidget') - before).toBe(1)
    expect(await count()).toBe(1)
  })

  test('who is told to wait, or that the key is another request’s, takes the key from nobody', async () => {
    const release = Promise.withResolvers<void>()
    fixture.state.hold = release.promise
    const before = fixture.runs('createWidget')
    const running = create('k3b')
    await until(() => fixture.runs('createWidget') > before)
    const others = [await create('k3b'), await create('k3b', { name: 'two' }, 1), await create('k3b', { name: 'one' }, 1)]
    expect(others.map(({ body }) => body.error.reason)).toEqual([
      'IDEMPOTENCY_IN_PROGRESS',
      'IDEMPOTENCY_KEY_REUSED',
      'IDEMPOTENCY_IN_PROGRESS',
    ])
    release.resolve()
    fixture.state.hold = undefined
    const { text } = await running
    expect((await create('k3b')).text).toBe(text)
    expect([fixture.runs('createWidget') - before, await count()]).toEqual([1, 1])
  })
  test('a refusal of the service is kept; a bad request and an unknown id are not', async () => {
    const first = await create('k4', { name: 'refuse' })
    expect([first.status, first.body.error.reason]).toEqual([409, 'WIDGET_LIMIT_REACHED'])
    const before = fixture.runs('createWidget')
    expect((await create('k4', { name: 'refuse' })).text).toBe(first.text)
    expect(fixture.runs('createWidget')).toBe(before)
    expect((await create('k5', {})).status).toBe(400)
    expect((await create('k5')).status).toBe(201)
    expect((await create('k6', { name: 'a', part_id: uuid7() })).status).toBe(404)
    expect((await create('k6', { name: 'a' })).status).toBe(201)
  })

  test('a gateway that died in the middle: the same key finds the result of the first request', async () => {
    // What a killed gateway leaves: the service has done its work, the row still says "running", and nobody renews its lease.
    const first = await create('k7')
    const rows = await fixture.database.db.select().from(idempotency)
    const left = rows.filter(row => row.customer_id === tenant.customer_id)
    expect(left).toHaveLength(1)
    await fixture.database.db.update(idempotency).set({ status: null, answer: null, tm_lease: new Date(0).toISOString() })
    const again = await create('k7', { name: 'one' }, 1)
    expect([again.status, again.body.id]).toEqual([201, first.body.id])
    expect(await count()).toBe(1)
  })

  test('kill -9 of the gateway while the service works: one effect, and the same key gets its result', async () => {
    const child = fork(new URL('./gateway-process.ts', import.meta.url), [fixture.prefix, fixture.database.url])
    const [{ port, queue }] = (await once(child, 'message')) as [{ port: number; queue: string }]
    const release = Promise.withResolvers<void>()
    fixture.state.hold = release.promise
    const before = fixture.runs('createWidget')
    const headers = { ...key(tenant), 'idempotency-key': 'killed', 'content-type': 'application/json' }
    const lost = fetch(`http://127.0.0.1:${port}/v1.0/widgets`, { method: 'POST', headers, body: JSON.stringify({ name: 'one' }) })
    await until(() => fixture.runs('createWidget') > before)
    child.kill('SIGKILL')
    await expect(lost).rejects.toThrow()
    fixture.state.hold = undefined
    release.resolve()
    const early = await create('killed')
    expect([201, 409]).toContain(early.status)
    const answer = await until(
      async () => {
        const one = await create('killed')
        return one.status === 201 ? one : undefined
      },
      { every_ms: 100 },
    )
    expect(answer.body.customer_id).toBe(tenant.customer_id)
    expect(await count()).toBe(1)
    await fixture.removeQueue(queue)
  })

  test('while the gateway that runs it lives, nobody takes over', async () => {
    const release = Promise.withResolvers<void>()
    fixture.state.hold = release.promise
    const runs = fixture.runs('createWidget')
    const running = create('k8')
    await until(() => fixture.runs('createWidget') > runs, { what: 'createWidget at the service' })
    const before = Date.now()
    let seen: Answer | undefined
    // Longer than a lease without renewal would last.
    while (Date.now() - before < 6_000) seen = await create('k8', { name: 'one' }, 1)
    expect(seen?.body.error.reason).toBe('IDEMPOTENCY_IN_PROGRESS')
    release.resolve()
    fixture.state.hold = undefined
    expect((await running).status).toBe(201)
  })

  test('neither the key nor the answer is in the table', async () => {
    const { body } = await create('very-secret-key')
    const text = JSON.stringify(await fixture.database.db.select().from(idempotency))
    expect(text).not.toContain('very-secret-key')
    expect(text).not.toContain(body.id)
  })
})
