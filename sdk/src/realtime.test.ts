import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { afterEach, describe, expect, expectTypeOf, test, vi } from 'vitest'
import {
  type EventFrame,
  type EventOf,
  Realtime,
  RealtimeError,
  type RealtimeFrame,
  type RealtimeOptions,
  type RealtimeState,
} from './realtime.ts'
import { ack, event, type React, refusal, type Sent, serve } from './socket-fixture.ts'

const clients: Realtime[] = []
afterEach(() => {
  for (const client of clients.splice(0)) client.close()
})
function connect(url: string, options: Partial<RealtimeOptions> = {}): Realtime {
  const client = new Realtime({ baseUrl: url, accessKey: 'ak_1', maxDelayMs: 20, timeoutMs: 5000, ...options })
  clients.push(client)
  return client
}
const topic = 'customer_id:c1:call:*'
const eventually = (check: () => void) => vi.waitFor(check, { timeout: 30_000 })
/** Refuses topics that say so, and keys and tokens called `bad`. */
const strict: React = frame =>
  frame.topics?.some(one => one.includes('flow')) || frame.accesskey === 'bad' || frame.token === 'bad'
    ? [refusal(frame.id, 'TOPIC_DENIED')]
    : undefined
/** The next frames of a loop. */
async function take(loop: AsyncIterator<RealtimeFrame>, count: number): Promise<RealtimeFrame[]> {
  const seen: RealtimeFrame[] = []
  while (seen.length < count) {
    const { value, done } = await loop.next()
    if (done) break
    seen.push(value)
  }
  return seen
}
const numbers = (frames: RealtimeFrame[]) => frames.map(frame => (frame.type === 'gap' ? `gap ${frame.from}-${frame.to}` : frame.seq))

describe('a client', () => {
  test('authenticates, then subscribes', async () => {
    const { url, frames } = await serve()
    await connect(url).subscribe(topic)
    expect(frames).toEqual([
      { type: 'auth', accesskey: 'ak_1', id: '1' },
      { type: 'subscribe', topics: [topic], id: '2' },
    ])
  })

  test('takes topics without an owner for those of its own customer', async () => {
    const { url, frames } = await serve()
    const client = connect(url)
    await client.subscribe('call', 'recording:r1', 'agent_id:a1:call')
    await client.unsubscribe('recording:r1')
    expect(frames.slice(1).map(({ topics }) => topics)).toEqual([
      ['customer_id:c1:call', 'customer_id:c1:recording:r1', 'agent_id:a1:call'],
      ['customer_id:c1:recording:r1'],
    ])
  })

  test('hands events to the handlers of their type, of their resource and of all', async () => {
    const { url, send } = await serve()
    const client = connect(url)
    const seen: string[] = []
    client.on('call.created', frame => seen.push(`${frame.event_type} ${frame.seq}`))
    client.on('call.*', ({ seq }) => seen.push(`call.* ${seq}`))
    client.on('flow.*', ({ seq }) => seen.push(`flow.* ${seq}`))
    const off = client.on('*', ({ seq }) => seen.push(`* ${seq}`))
    await client.subscribe(topic)
    send(event(1))
    await eventually(() => expect(seen).toEqual(['call.created 1', 'call.* 1', '* 1']))
    off()
    send(event(2))
    await eventually(() => expect(seen.slice(3)).toEqual(['call.created 2', 'call.* 2']))
    expectTypeOf<EventOf<'call.hungup'>['event_type']>().toEqualTypeOf<'call.hungup'>()
    expectTypeOf<EventOf<'recording.*'>['event_type']>().toEqualTypeOf<'recording.started' | 'recording.finished' | 'recording.deleted'>()
    expectTypeOf<EventOf<'*'>>().toEqualTypeOf<EventFrame>()
  })

  test('hands states to their handlers only', async () => {
    const { url, send } = await serve()
    const client = connect(url)
    const states: string[] = []
    client.on('state', ({ state_type }) => states.push(state_type))
    await client.subscribe(topic)
    send({ type: 'state', state_type: 'call.state', timestamp: '', resource_type: 'call', data: {} })
    send(event(1))
    expect(numbers(await take(client[Symbol.asyncIterator](), 1))).toEqual([1])
    expect(states).toEqual(['call.state'])
  })

  test('tells a handler that throws and goes on with the others', async () => {
    const { url, send } = await serve()
    const errors: unknown[] = []
    const client = connect(url, { onError: error => errors.push(error) })
    client.on('*', () => {
      throw new Error('mine')
    })
    await client.subscribe(topic)
    send(event(1))
    expect(numbers(await take(client[Symbol.asyncIterator](), 1))).toEqual([1])
    expect(errors).toMatchObject([{ message: 'mine' }])
  })

  test('is connected again although a handler of its state throws', async () => {
    const { url, peers } = await serve()
    const errors: unknown[] = []
    const onState = (): void => {
      throw new Error('mine')
    }
    await connect(url, { onState, onError: error => errors.push(error) }).subscribe(topic)
    peers[0]?.terminate()
    await eventually(() => expect(peers).toHaveLength(2))
    expect(errors[0]).toMatchObject({ message: 'mine' })
  })

  test('needs credentials and a WebSocket', () => {
    vi.stubEnv('VOIPBIN_ACCESS_KEY', '')
    expect(() => new Realtime()).toThrow('Realtime needs an accessKey or a token, or VOIPBIN_ACCESS_KEY in the environment')
    vi.unstubAllEnvs()
    vi.stubGlobal('WebSocket', undefined)
    try {
      expect(() => new Realtime({ baseUrl: 'ws://localhost', accessKey: 'ak_1' })).toThrow('This runtime has no WebSocket')
    } finally {
      vi.unstubAllGlobals()
    }
  })
})

describe('a loop', () => {
  test('begins with what came before it and ends when the client is closed', async () => {
    const { url } = await serve(frame => (frame.type === 'subscribe' ? [ack(frame), event(1), event(2)] : undefined))
    const client = connect(url)
    await client.subscribe(topic)
    const seen: RealtimeFrame[] = []
    for await (const frame of client) {
      seen.push(frame)
      if (seen.length === 2) client.close()
    }
    expect(numbers(seen)).toEqual([1, 2])
    expect(await take(client[Symbol.asyncIterator](), 1)).toEqual([])
  })

  test('can be left and begun again', async () => {
    const { url, send } = await serve()
    const client = connect(url)
    await client.subscribe(topic)
    send(event(1))
    for await (const frame of client) if (frame) break
    const loop = client[Symbol.asyncIterator]()
    send(event(2))
    expect(numbers(await take(loop, 1))).toEqual([2])
  })
})

describe('after a loss', () => {
  /** Acks tell number 10; a resume brings what it is told to before its ack. */
  const resuming =
    (missed: object[] = [], seq = 12): React =>
    frame => {
      if (frame.type === 'resume') return [...missed, ack(frame, seq)]
      return [ack(frame, frame.type === 'auth' ? 999 : 10)]
    }

  test('the subscriptions come back from the last number, and what was missed comes once', async () => {
    const { url, frames, peers, send } = await serve(resuming([event(11), event(12)]))
    const states: RealtimeState[] = []
    const client = connect(url, { onState: state => states.push(state) })
    const loop = client[Symbol.asyncIterator]()
    await client.subscribe(topic, 'flow')
    await client.unsubscribe('flow')
    send(event(11))
    expect(numbers(await take(loop, 1))).toEqual([11])
    peers[0]?.terminate()
    await eventually(() => expect(frames.at(-1)).toEqual({ type: 'resume', id: '2', topics: [topic], seq: 11 }))
    send(event(12))
    send(event(13))
    expect(numbers(await take(loop, 2))).toEqual([12, 13])
    expect(states).toEqual(['connecting', 'open', 'reconnecting', 'open'])
  })

  test('the number of an ack is where to resume when no event came', async () => {
    const { url, frames, peers } = await serve(resuming())
    const client = connect(url)
    await client.subscribe(topic)
    peers[0]?.terminate()
    await eventually(() => expect(frames.at(-1)).toMatchObject({ type: 'resume', seq: 10 }))
  })

  test('a gap says what is missing, in its place, and where to resume next time', async () => {
    const { url, frames, peers, send } = await serve(resuming([{ type: 'gap', id: '2', from: 11, to: 90, reason: 'expired' }], 90))
    const client = connect(url)
    const gaps: string[] = []
    client.on('gap', ({ reason }) => gaps.push(reason))
    await client.subscribe(topic)
    peers[0]?.terminate()
    await eventually(() => expect(gaps).toEqual(['expired']))
    send(event(91))
    expect(numbers(await take(client[Symbol.asyncIterator](), 2))).toEqual(['gap 11-90', 91])
    peers[1]?.terminate()
    await eventually(() => expect(frames.at(-1)).toMatchObject({ type: 'resume', seq: 91 }))
  })

  test('a numbering that began anew is followed', async () => {
    const { url, frames, peers, send } = await serve(resuming([{ type: 'gap', from: 0, to: 3, reason: 'restarted' }], 3))
    const client = connect(url)
    await client.subscribe(topic)
    peers[0]?.terminate()
    await eventually(() => expect(frames.at(-1)?.type).toBe('resume'))
    send(event(4))
    expect(numbers(await take(client[Symbol.asyncIterator](), 2))).toEqual(['gap 0-3', 4])
    peers[1]?.terminate()
    await eventually(() => expect(frames.at(-1)).toMatchObject({ type: 'resume', seq: 4 }))
  })

  test('without any number there is a gap and a new subscription', async () => {
    const { url, frames, peers } = await serve()
    const client = connect(url)
    await client.subscribe(topic)
    peers[0]?.terminate()
    expect(await take(client[Symbol.asyncIterator](), 1)).toEqual([{ type: 'gap', from: 0, to: 0, reason: 'unavailable' }])
    await eventually(() => expect(frames.at(-1)).toMatchObject({ type: 'subscribe', topics: [topic] }))
  })

  test('an event that had no number is not given again with one', async () => {
    const { url, peers, send } = await serve(resuming([event(11, 'call.created', 'same'), event(12)]))
    const client = connect(url)
    const loop = client[Symbol.asyncIterator]()
    await client.subscribe(topic)
    send(event(0, 'call.created', 'same'))
    expect(numbers(await take(loop, 1))).toEqual([0])
    peers[0]?.terminate()
    expect(numbers(await take(loop, 1))).toEqual([12])
  })

  test('topics that are refused by now are dropped and told; the others come back', async () => {
    const errors: unknown[] = []
    const denied = (frame: Sent) => frame.type === 'resume' && frame.topics?.some(one => one.includes(':flow'))
    const { url, frames, peers } = await serve(frame => (denied(frame) ? [refusal(frame.id, 'TOPIC_DENIED')] : [ack(frame, 10)]))
    const client = connect(url, { onError: error => errors.push(error) })
    await client.subscribe(topic, 'flow')
    peers[0]?.terminate()
    await eventually(() => expect(frames.at(-1)?.topics).toEqual(['customer_id:c1:flow']))
    await eventually(() => expect(errors).toMatchObject([{ name: 'RealtimeError', reason: 'TOPIC_DENIED' }]))
    peers[1]?.terminate()
    await eventually(() => expect(peers).toHaveLength(3))
    await eventually(() => expect(frames.at(-1)).toMatchObject({ type: 'resume', topics: [topic] }))
  })

  test('what was refused or given up before does not come back', async () => {
    const { url, frames, peers } = await serve(strict)
    const client = connect(url)
    await client.subscribe(topic, 'recording')
    await expect(client.subscribe('flow')).rejects.toBeInstanceOf(RealtimeError)
    await client.unsubscribe('recording')
    peers[0]?.terminate()
    await eventually(() => expect(frames.at(-1)).toMatchObject({ type: 'subscribe', topics: [topic] }))
  })
})

/** A token that ends in so many milliseconds. */
const jwt = (name: string, left_ms: number): string => `${name}.${btoa(JSON.stringify({ exp: (Date.now() + left_ms) / 1000 }))}.s`

describe('a token', () => {
  test('that is about to end is replaced on the same socket', async () => {
    const { url, frames, peers } = await serve()
    let count = 0
    const token = (): Promise<string> => Promise.resolve(jwt(`t${++count}`, count === 1 ? 10_000 : 3_600_000))
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      await connect(url, { accessKey: '', token }).connect()
      vi.advanceTimersByTime(8000)
      await expect.poll(() => frames.map(({ token }) => token?.slice(0, 2))).toEqual(['t1', 't2'])
    } finally {
      vi.useRealTimers()
    }
    expect(peers).toHaveLength(1)
  })

  test.each([
    { how: 'by an error frame', react: strict },
    {
      how: 'by closing',
      react: ((frame, peer) => {
        if (frame.token !== 'bad') return undefined
        peer.close(4401, 'token_expired')
        return []
      }) as React,
    },
  ])('that is refused $how is asked for again, once', async ({ react }) => {
    const { url, frames } = await serve(react)
    const source = { next: ['bad', 'good'] }
    const client = connect(url, { accessKey: '', token: () => Promise.resolve(source.next.shift() ?? 'bad') })
    await expect(client.connect()).rejects.toThrow()
    await eventually(() => expect(frames.map(({ token }) => token)).toEqual(['bad', 'good']))
    await client.connect()
  })

  test('that stays refused ends the client, and the loop with the reason', async () => {
    const { url, peers } = await serve(strict)
    const states: RealtimeState[] = []
    const client = connect(url, { accessKey: '', token: () => Promise.resolve('bad'), onState: state => states.push(state) })
    const loop = client[Symbol.asyncIterator]()
    await expect(client.connect()).rejects.toBeInstanceOf(RealtimeError)
    await expect(loop.next()).rejects.toBeInstanceOf(RealtimeError)
    expect(states.at(-1)).toBe('closed')
    expect(peers).toHaveLength(2)
  })

  test('that ends later on is replaced by another connection', async () => {
    const { url, frames, peers } = await serve()
    let count = 0
    const client = connect(url, { accessKey: '', token: () => Promise.resolve(`t${++count}`) })
    await client.subscribe(topic)
    peers[0]?.close(4401, 'token_expired')
    await eventually(() => expect(frames.map(({ type, token }) => token ?? type)).toEqual(['t1', 'subscribe', 't2', 'subscribe']))
  })

  test('whose source hangs makes nothing hang', async () => {
    const { url, frames } = await serve()
    const errors: string[] = []
    let count = 0
    const token = () => (++count === 1 ? new Promise<string>(() => undefined) : 'good')
    const client = connect(url, { accessKey: '', token, timeoutMs: 200, onError: error => errors.push(String(error)) })
    await expect(client.subscribe(topic)).rejects.toThrow('No token within 200 ms.')
    await eventually(() => expect(frames[0]).toMatchObject({ type: 'auth', token: 'good' }))
    expect(errors[0]).toBe('Error: No token within 200 ms.')
  })
})

test('a refused key ends the client', async () => {
  const { url, closes, peers } = await serve(strict)
  const client = connect(url, { accessKey: 'bad' })
  await expect(client.connect()).rejects.toMatchObject({ name: 'RealtimeError', reason: 'TOPIC_DENIED', request_id: 'r' })
  await eventually(() => expect(closes).toEqual([1000]))
  await expect(client.connect()).rejects.toBeInstanceOf(RealtimeError)
  await expect(client[Symbol.asyncIterator]().next()).rejects.toBeInstanceOf(RealtimeError)
  expect(peers).toHaveLength(1)
})

test.each(['TOO_MANY_SOCKETS', 'UNAVAILABLE'])('%s is no refusal of the key: there is another attempt', async reason => {
  const { url, peers } = await serve((frame, peer) => {
    if (peers.length > 1) return undefined
    setImmediate(() => peer.close(4429))
    return [refusal(frame.id, reason, reason === 'UNAVAILABLE' ? reason : 'RESOURCE_EXHAUSTED')]
  })
  const client = connect(url)
  await expect(client.connect()).rejects.toMatchObject({ reason })
  await eventually(() => expect(peers).toHaveLength(2))
  await client.connect()
})

test('a topic that cannot be judged for now is not dropped', async () => {
  const { url, frames, peers } = await serve(frame =>
    frame.type === 'resume' && peers.length === 2 ? [refusal(frame.id, 'UNAVAILABLE', 'UNAVAILABLE')] : [ack(frame, 10)],
  )
  const client = connect(url)
  await client.subscribe(topic)
  peers[0]?.terminate()
  await eventually(() => expect(peers).toHaveLength(3))
  await eventually(() => expect(frames.at(-1)).toMatchObject({ type: 'resume', topics: [topic] }))
})

describe('nothing hangs', () => {
  test('when nobody answers the connection', async () => {
    const sockets: Socket[] = []
    const silent = createServer(socket => sockets.push(socket)).listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const { port } = silent.address() as { port: number }
    await expect(connect(`ws://127.0.0.1:${port}`, { timeoutMs: 50 }).connect()).rejects.toThrow('No connection within 50 ms.')
    for (const socket of sockets) socket.destroy()
    silent.close()
  })

  test('when a frame is not answered: another connection is made', async () => {
    const { url, frames, peers } = await serve(frame => (frame.type === 'subscribe' && peers.length === 1 ? [] : undefined))
    const client = connect(url)
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      const refused = expect(client.subscribe(topic)).rejects.toThrow('No answer to subscribe within 5000 ms.')
      await expect.poll(() => frames.at(-1)?.type).toBe('subscribe')
      vi.advanceTimersByTime(5000)
      await refused
      await client.subscribe(topic)
    } finally {
      vi.useRealTimers()
    }
    expect(peers).toHaveLength(2)
  })

  test('when the connection is dead: silence is asked about, and ended', async () => {
    const { url, frames, peers } = await serve(frame => (frame.type === 'ping' ? [] : undefined))
    const client = connect(url)
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      await client.connect()
      vi.advanceTimersByTime(25_000)
      await expect.poll(() => frames.at(-1)?.type).toBe('ping')
      vi.advanceTimersByTime(5000)
      await eventually(() => {
        vi.advanceTimersByTime(100)
        expect(peers).toHaveLength(2)
      })
    } finally {
      vi.useRealTimers()
    }
  })

  test('when it is closed: what waits is rejected, and nothing goes on', async () => {
    const { url, closes, peers } = await serve()
    const client = connect(url)
    await client.connect()
    const pending = client.subscribe(topic)
    const waiting = client[Symbol.asyncIterator]().next()
    client.close()
    client.close()
    await expect(pending).rejects.toThrow('The client was closed.')
    await expect(waiting).resolves.toEqual({ done: true, value: undefined })
    await expect(client.connect()).rejects.toThrow('The client is closed.')
    await eventually(() => expect(closes).toEqual([1000]))
    expect(peers).toHaveLength(1)
  })

  test('when it is closed while it connects', async () => {
    const { url } = await serve()
    const client = connect(url)
    const connecting = client.connect()
    client.close()
    await expect(connecting).rejects.toThrow('The client was closed.')
  })
})

test('an error that answers nothing is told', async () => {
  const errors: unknown[] = []
  const { url, peers, send } = await serve()
  await connect(url, { onError: error => errors.push(error) }).connect()
  send({ type: 'error', error: refusal('', 'SOCKET_TOO_SLOW').error })
  await eventually(() => expect(errors).toMatchObject([{ reason: 'SOCKET_TOO_SLOW' }]))
  expect(peers).toHaveLength(1)
})
