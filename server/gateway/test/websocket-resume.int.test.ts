import { openCache, uuid7 } from '@voipbin/kernel'
import { testUrl, until } from '@voipbin/kernel/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { historyKeys } from '../src/websocket/history.ts'
import { Fixture, key, type Tenant, type TestSocket } from './fixture.ts'

let fixture: Fixture
beforeAll(async () => {
  fixture = await Fixture.open()
  await fixture.addGateway()
})
afterAll(() => fixture.close())

type Frame = Record<string, unknown>
const topic = (who: Tenant, rest = 'widget'): string => `customer_id:${who.customer_id}:${rest}`
const create = async (who: Tenant, gateway = 0): Promise<string> =>
  (await fixture.request('POST', '/v1.0/widgets', { body: { name: 'w' }, headers: key(who), gateway })).body.id
const several = async (who: Tenant, count: number): Promise<string[]> => {
  const ids: string[] = []
  for (let i = 0; i < count; i++) ids.push(await create(who, i % 2))
  return ids
}
const ofEvent = (id: string) => (frame: Frame) => frame.type === 'event' && frame.resource_id === id
const events = (socket: TestSocket): Frame[] => socket.frames.filter(frame => frame.type === 'event')
const connect = (who: Tenant, gateway = 0) => fixture.socket(`?accesskey=${who.accesskey}`, gateway)
/** A socket that hears widgets, and the number where it stands after its first event. */
const listening = async (who: Tenant, gateway = 0): Promise<{ socket: TestSocket; seq: number }> => {
  const socket = await connect(who, gateway)
  await socket.ask({ type: 'subscribe', id: 's', topics: [topic(who)] })
  return { socket, seq: await numbered(socket, () => create(who, gateway)) }
}
/** The number of an event: on a busy machine Redis may answer too late for the first ones, which then have none. */
const numbered = (socket: TestSocket, make: () => Promise<string>): Promise<number> =>
  until(async () => Number((await socket.frame(ofEvent(await make()))).seq) || undefined)
const resume = async (who: Tenant, seq: number, { gateway = 0, topics = [topic(who)] } = {}) => {
  const socket = await connect(who, gateway)
  const ack = await socket.ask({ type: 'resume', id: 'r', topics, seq }).then(first => (first.type === 'gap' ? acked(socket) : first))
  return { socket, ack, gap: socket.frames.find(frame => frame.type === 'gap') }
}
const acked = (socket: TestSocket): Promise<Frame> => socket.frame(frame => frame.type === 'ack' && frame.id === 'r')
const leave = async (socket: TestSocket): Promise<void> => {
  socket.socket.close()
  await socket.close()
}
const keysOf = (who: Tenant) => historyKeys(who.customer_id)

describe('resume', () => {
  test('brings what was missed, in order, each once, before its ack; then live events', async () => {
    const who = fixture.tenant()
    const { socket, seq } = await listening(who)
    await leave(socket)
    const ids = await several(who, 7)
    await until(async () => Number(await fixture.cache.redis.hget(keysOf(who).count, 'seq')) === seq + 7)
    const again = await resume(who, seq, { gateway: 1 })
    expect(again.ack).toMatchObject({ request: 'resume', seq: seq + 7, resumed: 7, topics: [topic(who, 'widget:*')] })
    expect(again.gap).toBeUndefined()
    expect(events(again.socket).map(frame => [frame.seq, frame.resource_id])).toEqual(ids.map((id, i) => [seq + 1 + i, id]))
    expect(again.socket.frames.at(-1)).toBe(again.ack)
    expect((await again.socket.frame(ofEvent(await create(who)))).seq).toBe(seq + 8)
  })

  test('of nothing missed brings nothing', async () => {
    const who = fixture.tenant()
    const first = await connect(who)
    const { seq } = await first.frame(frame => frame.request === 'auth')
    expect(Number(seq)).toBeGreaterThan(0)
    const again = await resume(who, Number(seq))
    expect([again.ack.resumed, again.ack.seq, again.gap]).toEqual([0, seq, undefined])
  })

  test('brings only events of its topics', async () => {
    const who = fixture.tenant()
    const { seq } = await listening(who)
    const [, wanted = ''] = await several(who, 3)
    const again = await resume(who, seq, { topics: [topic(who, `widget:${wanted}`), `agent_id:${who.agent_id}:widget`] }).catch(
      error => error,
    )
    // The access key may not hear that agent: refused as a whole.
    expect(again.ack.error).toMatchObject({ reason: 'TOPIC_DENIED' })
    const narrow = await resume(who, seq, { topics: [topic(who, `widget:${wanted}`)] })
    await until(async () => (await resume(who, seq, { topics: [topic(who, `widget:${wanted}`)] })).ack.resumed === 1)
    for (const frame of events(narrow.socket)) expect(frame.resource_id).toBe(wanted)
  })

  test('in the middle of a stream of events loses and doubles none, on either gateway', async () => {
    const who = fixture.tenant()
    const { socket, seq } = await listening(who)
    await leave(socket)
    let running = true
    const made: string[] = []
    const makers = [0, 1].map(async gateway => {
      while (running) made.push(await create(who, gateway))
    })
    const sockets: TestSocket[] = []
    for (let i = 0; i < 12; i++) sockets.push((await resume(who, seq, { gateway: i % 2 })).socket)
    running = false
    await Promise.all(makers)
    const last = await create(who)
    for (const one of sockets) {
      await one.frame(ofEvent(last))
      await until(() => events(one).length >= made.length + 1)
      const numbers = events(one).map(frame => Number(frame.seq))
      expect(numbers).toEqual(numbers.map((_, i) => seq + 1 + i))
      expect(new Set(events(one).map(frame => frame.resource_id))).toEqual(new Set([...made, last]))
    }
  })

  test.each([
    { what: 'no seq', frame: {}, field: '/seq' },
    { what: 'a seq of 0', frame: { seq: 0 }, field: '/seq' },
    { what: 'a seq that is no number', frame: { seq: '7' }, field: '/seq' },
    { what: 'a broken seq', frame: { seq: 1.5 }, field: '/seq' },
  ])('$what is refused', async ({ frame, field }) => {
    const who = fixture.tenant()
    const socket = await connect(who)
    const { error } = await socket.ask({ type: 'resume', id: '1', topics: [topic(who)], ...frame })
    expect(error).toMatchObject({ reason: 'FRAME_INVALID', details: [{ field }] })
  })
})

describe('a gap is said, never kept silent', () => {
  const cases: { what: string; damage: (who: Tenant, seq: number) => Promise<unknown>; since?: (seq: number) => number; reason: string }[] =
    [
      { what: 'the history was cut', damage: who => fixture.cache.redis.xtrim(keysOf(who).history, 'MAXLEN', 2), reason: 'expired' },
      { what: 'one event in the middle is gone', damage: who => removeOne(who), reason: 'expired' },
      { what: 'the history has run out', damage: who => fixture.cache.redis.del(keysOf(who).history), reason: 'expired' },
      { what: 'Redis was flushed', damage: who => fixture.cache.redis.del(keysOf(who).history, keysOf(who).count), reason: 'restarted' },
      {
        what: 'Redis came back with an older copy',
        damage: (who, seq) => fixture.cache.redis.hset(keysOf(who).count, 'seq', seq - 1),
        reason: 'restarted',
      },
      { what: 'the number is from the future', damage: async () => undefined, since: seq => seq + 1_000, reason: 'restarted' },
      { what: 'the number is from long ago', damage: async () => undefined, since: () => 1, reason: 'restarted' },
    ]
  const removeOne = async (who: Tenant): Promise<unknown> => {
    const entries = await fixture.cache.redis.xrange(keysOf(who).history, '-', '+')
    return fixture.cache.redis.xdel(keysOf(who).history, entries.at(-2)?.[0] ?? '')
  }

  test.each(cases)('$what: $reason', async ({ damage, since = seq => seq, reason }) => {
    const who = fixture.tenant()
    const { socket, seq } = await listening(who)
    const ids = await several(who, 4)
    await socket.frame(ofEvent(ids.at(-1) ?? ''))
    await leave(socket)
    await damage(who, seq)
    const again = await resume(who, since(seq))
    expect(again.gap).toMatchObject({ id: 'r', from: since(seq) + 1, reason })
    expect(Number(again.gap?.to)).toBeGreaterThanOrEqual(since(seq))
    expect(again.ack).toMatchObject({ request: 'resume', resumed: 0, topics: [topic(who, 'widget:*')] })
    // What follows comes in full, under numbers that go on from those of the ack.
    const next = await again.socket.frame(ofEvent(await create(who)))
    expect(Number(next.seq)).toBeGreaterThan(Number(again.ack.seq))
    const more = await resume(who, Number(next.seq))
    expect([more.gap, more.ack.resumed]).toEqual([undefined, 0])
  })

  test('an event that came after an older copy was restored is not lost to the sockets that are open', async () => {
    const who = fixture.tenant()
    const { socket, seq } = await listening(who)
    const other = await listening(who, 1)
    await fixture.cache.redis.hset(keysOf(who).count, 'seq', seq - 1)
    const ids = await several(who, 5)
    for (const one of [socket, other.socket]) for (const id of ids) expect(Number((await one.frame(ofEvent(id))).seq)).toBeGreaterThan(seq)
    for (const one of [socket, other.socket]) for (const id of ids) expect(one.frames.filter(ofEvent(id))).toHaveLength(1)
  })
})

describe('a gateway that goes', () => {
  test('and comes back under its name has kept what happened meanwhile', async () => {
    await using alone = await OwnFixture.open('gw-a')
    const who = alone.fixture.tenant()
    const { seq } = await alone.listen(who)
    await alone.fixture.gateways[0]?.close()
    const ids = await alone.emit(who, 5)
    await alone.fixture.addGateway({ env: { INSTANCE: 'gw-a' } })
    const socket = await alone.fixture.socket(`?accesskey=${who.accesskey}`, 1)
    await socket.ask({ type: 'resume', id: 'r', topics: [topic(who)], seq })
    for (const id of ids) await socket.frame(ofEvent(id))
    expect(events(socket).map(frame => frame.resource_id)).toEqual(ids)
    expect(socket.frames.some(frame => frame.type === 'gap')).toBe(false)
  })

  test('and leaves nobody behind who listens makes a gap, whoever comes next', async () => {
    await using alone = await OwnFixture.open(undefined)
    const who = alone.fixture.tenant()
    const { seq } = await alone.listen(who)
    await alone.fixture.gateways[0]?.close()
    await alone.emit(who, 3)
    await alone.fixture.addGateway()
    const socket = await alone.fixture.socket(`?accesskey=${who.accesskey}`, 1)
    await socket.ask({ type: 'resume', id: 'r', topics: [topic(who)], seq })
    // On a busy machine Redis may be late.
    expect(socket.frames.find(frame => frame.type === 'gap')).toMatchObject({ reason: expect.stringMatching(/^(restarted|unavailable)$/) })
  })

  test('while another listens makes none', async () => {
    await using two = await OwnFixture.open(undefined)
    await two.fixture.addGateway()
    const who = two.fixture.tenant()
    const { seq } = await two.listen(who)
    await two.fixture.gateways[0]?.close()
    const ids = await two.emit(who, 3)
    await two.fixture.addGateway()
    const socket = await two.fixture.socket(`?accesskey=${who.accesskey}`, 2)
    await socket.ask({ type: 'resume', id: 'r', topics: [topic(who)], seq })
    for (const id of ids) await socket.frame(ofEvent(id))
    expect(socket.frames.some(frame => frame.type === 'gap')).toBe(false)
  })

  test('loses its queue: its sockets are told, and a resume across it is a gap', async () => {
    await using alone = await OwnFixture.open('gw-b')
    const who = alone.fixture.tenant()
    const { socket, seq } = await alone.listen(who)
    await alone.fixture.removeQueue(alone.fixture.bus.named('gateway.gw-b.events'))
    expect(await socket.frame(frame => frame.type === 'gap', 15_000)).toEqual({ type: 'gap', from: 0, to: 0, reason: 'missed' })
    const [id = ''] = await alone.emit(who, 1)
    await socket.frame(ofEvent(id))
    const again = await alone.fixture.socket(`?accesskey=${who.accesskey}`)
    await again.ask({ type: 'resume', id: 'r', topics: [topic(who)], seq })
    const reason = expect.stringMatching(/^(restarted|unavailable)$/)
    expect(again.frames.find(frame => frame.type === 'gap')).toMatchObject({ id: 'r', reason })
  })
})

test('with Redis away a resume is a gap; what came meanwhile can be resumed once it is back', async () => {
  await using alone = await OwnFixture.open(undefined)
  const cache = openCache({ url: testUrl('REDIS_URL'), prefix: alone.fixture.prefix })
  await cache.ready()
  await alone.fixture.addGateway({ cache })
  await alone.fixture.gateways[0]?.close()
  const who = alone.fixture.tenant()
  const at = async (gateway: number) => {
    const socket = await alone.fixture.socket(`?accesskey=${who.accesskey}`, gateway)
    await socket.ask({ type: 'subscribe', id: 's', topics: [topic(who)] })
    return socket
  }
  const open = await at(1)
  const seq = await numbered(open, async () => (await alone.emit(who, 1))[0] ?? '')
  cache.redis.disconnect()
  const ids = await alone.emit(who, 3)
  for (const id of ids) expect((await open.frame(ofEvent(id))).seq).toBe(0)
  const early = await alone.fixture.socket(`?accesskey=${who.accesskey}`, 1)
  early.send({ type: 'resume', id: 'r', topics: [topic(who)], seq })
  expect(await acked(early)).toMatchObject({ seq: 0, resumed: 0 })
  expect(early.frames.find(frame => frame.type === 'gap')).toEqual({ type: 'gap', id: 'r', from: seq + 1, to: 0, reason: 'unavailable' })
  await cache.redis.connect()
  const later = await until(async () => {
    const socket = await alone.fixture.socket(`?accesskey=${who.accesskey}`, 1)
    socket.send({ type: 'resume', id: 'r', topics: [topic(who)], seq })
    return Number((await acked(socket)).resumed) === 3 ? socket : undefined
  })
  expect(events(later).map(frame => [frame.seq, frame.resource_id])).toEqual(ids.map((id, i) => [seq + 1 + i, id]))
  for (const id of ids) expect(open.frames.filter(ofEvent(id))).toHaveLength(1)
  await alone.fixture.gateways[1]?.close()
  await cache.close()
})

/** A platform of its own, whose gateways come and go. */
class OwnFixture implements AsyncDisposable {
  readonly fixture: Fixture
  readonly #name: string | undefined
  private constructor(fixture: Fixture, name: string | undefined) {
    this.fixture = fixture
    this.#name = name
  }
  static async open(name: string | undefined): Promise<OwnFixture> {
    return new OwnFixture(await Fixture.open(name === undefined ? {} : { env: { INSTANCE: name } }), name)
  }
  async listen(who: Tenant): Promise<{ socket: TestSocket; seq: number }> {
    const socket = await this.fixture.socket(`?accesskey=${who.accesskey}`)
    await socket.ask({ type: 'subscribe', id: 's', topics: [topic(who)] })
    return { socket, seq: await numbered(socket, async () => (await this.emit(who, 1))[0] ?? '') }
  }
  /** Events without a gateway: straight from the service. */
  async emit(who: Tenant, count: number): Promise<string[]> {
    const ids = Array.from({ length: count }, () => uuid7())
    const actor = { type: 'system', id: 'test' } as const
    const caller = { customer_id: who.customer_id, agent_id: null, actor, permissions: [], request_id: 'r', locale: 'en' }
    for (const id of ids) {
      const data = { id, customer_id: who.customer_id, name: 'w' }
      await this.fixture.running.rpc.call({ ...caller, deadline: Date.now() + 60_000 }, 'emitWidget', { type: 'widget.created', data })
    }
    return ids
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.fixture.close()
    if (this.#name !== undefined) await this.fixture.removeLeft(`gateway.${this.#name}.events`)
  }
}
