import { afterAll, expect, test } from 'vitest'
import { Publisher } from 'zeromq'
import { log, until } from '../test/setup.ts'
import { openStates, type StateMessage, StatePublisher, StateSubscription } from './zmq.ts'

const closing: { close(): unknown }[] = []
afterAll(async () => {
  for (const one of closing.reverse()) await one.close()
})
const open = async (bind = 'tcp://127.0.0.1:*'): Promise<StatePublisher> => {
  const publisher = await StatePublisher.open({ bind, log })
  closing.push(publisher)
  return publisher
}
const listen = async (connect: string[], topics?: string[]): Promise<StateMessage[]> => {
  const got: StateMessage[] = []
  const options = { connect, log, receive: (message: StateMessage) => void got.push(message) }
  closing.push(await StateSubscription.open(topics ? { ...options, topics } : options))
  return got
}
/** A subscriber hears nothing until it is connected: send until it does. */
const reach = (publisher: StatePublisher, got: StateMessage[], type: string): Promise<unknown> =>
  until(() => {
    publisher.publish({ type, data: { probe: true } })
    return got.some(message => message.type === type)
  })

test('a topic ending in * is a prefix, an empty one everything, any other one matches as it begins', async () => {
  const publisher = await open()
  const [agents, all] = [await listen([publisher.endpoint], ['agent.*']), await listen([publisher.endpoint], [''])]
  await reach(publisher, agents, 'agent.probe')
  await reach(publisher, all, 'agent.probe')
  for (const type of ['agent.presence', 'agent.login', 'agency.open', 'call.state', 'end']) publisher.publish({ type, data: { type } })
  await until(() => all.some(message => message.type === 'end'))
  publisher.publish({ type: 'agent.end', data: {} })
  await until(() => agents.some(message => message.type === 'agent.end'))
  expect(agents.map(message => message.type).filter(type => type !== 'agent.probe')).toEqual(['agent.presence', 'agent.login', 'agent.end'])
  expect(all.find(message => message.type === 'call.state')?.data).toEqual({ type: 'call.state' })
})

test('several publishers, one of them not there, by address and by name', async () => {
  const [one, two] = [await open(), await open()]
  const named = two.endpoint.replace('127.0.0.1', 'localhost')
  const got = await listen([one.endpoint, named, 'tcp://127.0.0.1:9', 'tcp://no-such-host.invalid:5555'])
  await reach(one, got, 'from.one')
  await reach(two, got, 'from.two')
})

test('a publisher that comes back is heard again', async () => {
  const first = await StatePublisher.open({ bind: 'tcp://127.0.0.1:*', log })
  const got = await listen([first.endpoint])
  await reach(first, got, 'before.stop')
  await first.close()
  await first.close()
  first.publish({ type: 'after.stop', data: {} })
  // The library gives the port back a moment after its socket was closed.
  const second = await until(() => open(first.endpoint).catch(() => undefined))
  await reach(second, got, 'after.start')
})

test('what is not a state is passed over', async () => {
  const raw = new Publisher({ linger: 0 })
  closing.push(raw)
  await raw.bind('tcp://127.0.0.1:*')
  const got = await listen([raw.lastEndpoint ?? ''])
  await until(async () => {
    for (const frames of [['a.b'], ['a.b', 'no json'], ['a.b', '[]'], ['a.b', 'null'], ['good.one', '{"x":1}', 'more']])
      await raw.send(frames)
    return got.length > 2
  })
  expect(new Set(got.map(message => message.type))).toEqual(new Set(['good.one']))
})

test('nobody listening, or more than anybody takes, costs nothing but the messages', async () => {
  const publisher = await open()
  for (let n = 0; n < 20_000; n++) publisher.publish({ type: 'x.y', data: { n } })
  const got = await listen([publisher.endpoint])
  await reach(publisher, got, 'still.there')
})

test('an address that is taken leaves a process without, not dead', async () => {
  const publisher = await open()
  expect(await openStates(publisher.endpoint, log)).toBeUndefined()
  expect(await openStates(undefined, log)).toBeUndefined()
})
