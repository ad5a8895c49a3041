import { StatePublisher, silentLogger, uuid7 } from '@voipbin/kernel'
import { until } from '@voipbin/kernel/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Fixture, key, type Tenant, type TestSocket } from './fixture.ts'

let fixture: Fixture
beforeAll(async () => {
  fixture = await Fixture.open()
  // The second gateway hears states; nobody is behind one of its addresses.
  await fixture.addGateway({ env: { ZMQ_CONNECT: `${fixture.states.endpoint}, tcp://127.0.0.1:9` } })
})
afterAll(() => fixture.close())

type Frame = Record<string, unknown>
const topic = (who: Tenant, rest = 'widget'): string => `customer_id:${who.customer_id}:${rest}`
const create = async (who: Tenant): Promise<string> =>
  (await fixture.request('POST', '/v1.0/widgets', { body: { name: 'w' }, headers: key(who), gateway: 1 })).body.id
const ofType = (type: string, id: string) => (frame: Frame) => frame.type === type && frame.resource_id === id
const subscribed = async (who: Tenant, topics: string[], query = `?accesskey=${who.accesskey}`): Promise<TestSocket> => {
  const socket = await fixture.socket(query, 1)
  await socket.ask({ type: 'subscribe', id: 's', topics })
  return socket
}
/** Works until the fast path does: its subscriber may still be connecting. */
const created = (who: Tenant, socket: TestSocket): Promise<string> =>
  until(async () => {
    const id = await create(who)
    await socket.frame(ofType('event', id))
    return socket.frames.some(ofType('state', id)) ? id : undefined
  })
const publish = (data: Frame, type = 'widget.state'): void =>
  fixture.states.publish({ type, data: { timestamp: new Date().toISOString(), ...data } })

test('a commit sends a state besides its event: without number, with the fields of the contract only', async () => {
  const who = fixture.tenant()
  const socket = await subscribed(who, [topic(who)])
  const id = await created(who, socket)
  const { customer_id } = who
  expect(socket.frames.find(ofType('state', id))).toEqual({
    type: 'state',
    state_type: 'widget.state',
    timestamp: socket.frames.find(ofType('event', id))?.timestamp,
    resource_type: 'widget',
    resource_id: id,
    data: { customer_id, widget_id: id, name: 'w', timestamp: expect.any(String) },
  })
  expect(socket.frames.find(ofType('event', id))?.seq).toEqual(expect.any(Number))
})

test('a state reaches those whose topic covers it, and nobody else', async () => {
  const [who, stranger] = [fixture.tenant(), fixture.tenant()]
  const [all, foreign] = [await subscribed(who, [topic(who)]), await subscribed(stranger, [topic(stranger)])]
  const id = await created(who, all)
  await created(stranger, foreign)
  const one = await subscribed(who, [topic(who, `widget:${id}`)])
  const agent = await subscribed(who, [`agent_id:${who.agent_id}:widget`], `?token=${await fixture.login(who, 1)}`)
  const { customer_id } = who
  publish({ customer_id, widget_id: uuid7(), name: 'other row' })
  publish({ customer_id, count: 3 }, 'widget.metrics')
  publish({ customer_id, widget_id: id, name: 'secret', agent_id: who.agent_id, planted: 'x' })
  publish({ customer_id, widget_id: id, name: 'last' })
  publish({ widget_id: id, name: 'nobody’s' })
  publish({ customer_id, name: 'unknown' }, 'widget.unknown')
  const states = (socket: TestSocket) => socket.frames.filter(frame => frame.type === 'state').map(frame => (frame.data as Frame).name)
  await one.frame(frame => (frame.data as Frame | undefined)?.name === 'last')
  await all.frame(frame => (frame.data as Frame | undefined)?.name === 'last')
  expect(states(one)).toEqual(['secret', 'last'])
  expect(states(all).slice(-4)).toEqual(['other row', undefined, 'secret', 'last'])
  expect(all.frames.find(frame => frame.state_type === 'widget.metrics')).not.toHaveProperty('resource_id')
  await agent.frame(frame => frame.type === 'state')
  expect(states(agent)).toEqual(['secret'])
  expect(JSON.stringify([...all.frames, ...one.frames])).not.toMatch(/planted|unknown|nobody/)
  expect(JSON.stringify(foreign.frames)).not.toContain(customer_id)
})

test('a gateway without the fast path sends no states and all events', async () => {
  const who = fixture.tenant()
  const [with_, without] = [await subscribed(who, [topic(who)]), await fixture.socket(`?accesskey=${who.accesskey}`, 0)]
  await without.ask({ type: 'subscribe', id: 's', topics: [topic(who)] })
  const id = await created(who, with_)
  await without.frame(ofType('event', id))
  expect(without.frames.some(frame => frame.type === 'state')).toBe(false)
})

test('when the fast path goes, everything else goes on; when it comes back, so do the states', async () => {
  const who = fixture.tenant()
  const socket = await subscribed(who, [topic(who)])
  const before = await created(who, socket)
  const { endpoint } = fixture.states
  await fixture.states.close()
  const ids = [await create(who), await create(who), await create(who)]
  for (const id of ids) await socket.frame(ofType('event', id))
  expect(ids.some(id => socket.frames.some(ofType('state', id)))).toBe(false)
  expect((await fixture.request('GET', '/ready', { gateway: 1 })).status).toBe(200)
  const back = await StatePublisher.open({ bind: endpoint, log: silentLogger })
  await until(() => {
    back.publish({
      type: 'widget.state',
      data: { customer_id: who.customer_id, widget_id: before, name: 'back', timestamp: new Date().toISOString() },
    })
    return socket.frames.some(frame => (frame.data as Frame | undefined)?.name === 'back')
  })
  await back.close()
})
