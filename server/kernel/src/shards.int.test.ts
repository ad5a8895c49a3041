import { afterAll, beforeAll, expect, test } from 'vitest'
import { log, until } from '../test/setup.ts'
import { type Bus, openBus } from './bus.ts'
import { noCache } from './cache.ts'
import type { Event } from './contract.ts'
import { uuid7 } from './id.ts'
import { type EventPublisher, openShardedPublisher, shardCount, shardExchange, shardedDomain, shardOf, shardQueue } from './publisher.ts'
import { type Running, serve } from './serve.ts'
import type { Service } from './service.ts'
import { testPrefix, testUrl } from './testing.ts'

interface Heard {
  instance: string
  channel_id: string
  n: number
}

const prefix = `${testPrefix()}.`
const heard: Heard[] = []
const buses: Bus[] = []
const running: Running[] = []
let publisher: EventPublisher

const open = async (): Promise<Bus> => {
  const bus = await openBus({ url: testUrl('AMQP_URL'), log, prefix })
  buses.push(bus)
  return bus
}

const listener = (instance: string): Service => ({
  contract: { name: 'listener', methods: {}, emits: {}, consumes: { 'channel.state': shardedDomain } as never, calls: {} },
  handlers: {},
  timers: {},
  jobs: {},
  resources: {},
  consumers: {
    'channel.state': async (_ctx, event) => {
      // Others run in between, so that two instances at work on one channel would show.
      await new Promise(resolve => setImmediate(resolve))
      const { channel_id, n } = event.data as Heard
      heard.push({ instance, channel_id, n })
    },
  },
})

/** An instance with a connection of its own. */
async function start(instance: string): Promise<Running> {
  const http = { request: () => Promise.reject(new Error('no http here')) }
  const app = await serve([listener(instance)], { bus: await open(), cache: noCache, http, log, errors: {}, grace_ms: 3_000 })
  running.push(app)
  return app
}

const channels = Array.from({ length: 64 }, (_, i) => `channel-${i}`)
let sent = 0
/** The next event of every channel. */
async function round(): Promise<void> {
  const n = ++sent
  await Promise.all(
    channels.map(channel_id => {
      const event: Event = {
        event_id: uuid7(),
        event_type: 'channel.state',
        timestamp: new Date().toISOString(),
        customer_id: '',
        resource_type: 'channel',
        resource_id: channel_id,
        resource_seq: n,
        request_id: 'r',
        data: { channel_id, n },
      }
      return publisher.publish(String(shardOf(channel_id)), event)
    }),
  )
}
const arrived = () => until(() => heard.length >= sent * channels.length)
/** Who heard the last round, by shard. */
const ownersNow = () => {
  const last = heard.filter(({ n }) => n === sent)
  return new Map(last.map(({ channel_id, instance }) => [shardOf(channel_id), instance]))
}

beforeAll(async () => {
  publisher = openShardedPublisher(await open())
  await publisher.ready(30_000)
})
afterAll(async () => {
  for (const app of running) await app.close()
  await publisher.close()
  const channel = await buses[0]?.consuming.open({}).ready(30_000)
  for (let shard = 0; shard < shardCount; shard++)
    for (const end of ['', '.dlq']) await channel?.deleteQueue(`${prefix}${shardQueue(shard)}${end}`)
  await channel?.deleteExchange(prefix + shardExchange)
  await channel?.deleteQueue(`${prefix}bin-manager.listener.request`)
  for (const bus of buses) await bus.close()
})

test('two instances share the shards; a channel keeps its order when its shard moves, and nothing is lost or done twice', async () => {
  await start('a')
  await round()
  await arrived()
  expect(new Set(ownersNow().values())).toEqual(new Set(['a']))

  // The other one joins and leaves while events flow.
  const joining = start('b')
  for (let i = 0; i < 10; i++) await round()
  const second = await joining
  await until(async () => {
    await round()
    await arrived()
    return new Set(ownersNow().values()).size === 2
  })
  expect(ownersNow().size).toBe(shardCount)
  const leaving = second.close()
  for (let i = 0; i < 10; i++) await round()
  await leaving
  await until(async () => {
    await round()
    await arrived()
    return new Set(ownersNow().values()).size === 1
  })

  expect(heard).toHaveLength(sent * channels.length)
  for (const channel_id of channels) {
    expect(heard.filter(one => one.channel_id === channel_id).map(({ n }) => n)).toEqual(Array.from({ length: sent }, (_, i) => i + 1))
  }
}, 180_000)
