import { silentLogger } from '@voipbin/kernel'
import { expect, test } from 'vitest'
import { until } from '../../testing/wait.ts'
import type { AriChannel } from './ari-types.ts'
import type { AsteriskPort, PortListener } from './port.ts'
import { AsteriskProxy, type Publisher } from './proxy.ts'
import type { Outgoing } from './registry.ts'

const channel = {
  id: 'c-1',
  name: 'PJSIP/edge1-1',
  state: 'Up',
  caller: { name: '', number: '' },
  connected: { name: '', number: '' },
  accountcode: '',
  dialplan: { context: 'from-edge', exten: '1', priority: 1, app_name: '', app_data: '' },
  creationtime: '2026-01-31T12:00:00.000+0000',
  language: '',
} satisfies AriChannel

/** An Asterisk that answers the proxy's questions and a broker that can be held: real ones are in proxy-suite.ts. */
function bench() {
  const calls: string[] = []
  const published: Outgoing['event'][] = []
  const waiting: (() => void)[] = []
  let listener: PortListener | undefined
  let held = false
  const answers: Record<string, unknown> = { 'asterisk.getGlobalVar': { value: 'boot' }, 'channels.list': [channel] }
  const port: AsteriskPort = {
    connected: true,
    request: async operation => answers[operation] as never,
    start: given => {
      listener = given
    },
    pause: () => void calls.push('pause'),
    resume: () => void calls.push('resume'),
    stop: async () => undefined,
  }
  const publisher: Publisher = {
    get buffered() {
      return waiting.length
    },
    publish: (_, event) => {
      if (waiting.length >= 6_000) return Promise.reject(new Error('too many'))
      published.push(event)
      return held ? new Promise(resolve => waiting.push(resolve)) : Promise.resolve()
    },
  }
  const proxy = new AsteriskProxy({ asterisk_id: 'a-1', app: 'voipbin', port, publisher, shards: 16, shardOf: () => 0, log: silentLogger })
  proxy.start()
  return {
    proxy,
    calls,
    published,
    connect: () => listener?.connected(),
    digit: (n: number) =>
      listener?.event({
        type: 'ChannelDtmfReceived',
        application: '',
        timestamp: new Date(n).toISOString(),
        channel,
        digit: '1',
        duration_ms: 1,
      }),
    hold: () => {
      held = true
    },
    release: () => {
      held = false
      for (const go of waiting.splice(0)) go()
    },
  }
}

test('events that come before the connection is reconciled wait, and follow the snapshot in order', async () => {
  const { proxy, connect, digit, published } = bench()
  connect()
  digit(1)
  digit(2)
  expect(published).toEqual([])
  await until('readiness', () => proxy.isReady)
  expect(published.map(event => event.event_type)).toEqual([
    ...Array.from({ length: 16 }, () => 'asterisk.channels_snapshot'),
    'asterisk.channel_dtmf',
    'asterisk.channel_dtmf',
  ])
})

test('with a broker that takes nothing, reading stops; it goes on when the buffer is empty; what did not fit is reconciled', async () => {
  const { proxy, connect, digit, published, calls, hold, release } = bench()
  connect()
  await until('readiness', () => proxy.isReady)
  hold()
  for (let n = 0; n < 5_000; n++) digit(n)
  expect(calls).toEqual([])
  for (let n = 5_000; n < 6_100; n++) digit(n)
  expect(calls).toEqual(['pause'])
  const before = published.length
  release()
  await until('a new snapshot', () => published.slice(before).some(event => event.event_type === 'asterisk.channels_snapshot'))
  expect(calls).toEqual(['pause', 'resume'])
  await until('readiness', () => proxy.isReady)
})
