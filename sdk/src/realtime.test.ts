import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { type WebSocket as Peer, WebSocketServer } from 'ws'
import { Realtime, RealtimeError, type RealtimeOptions, type RealtimeState } from './realtime.ts'

type Frame = { type: string; id: string; topics?: string[]; accesskey?: string }
const open: { close(): void }[] = []
afterEach(() => {
  for (const one of open.splice(0)) one.close()
})

const topic = 'customer_id:c1:call:*'
const event = (seq: number) => ({ type: 'event', seq, event_id: `e${seq}`, event_type: 'call.created', data: { id: 'x' } })
const refusal = (id: string, reason: string) => ({
  type: 'error',
  id,
  error: { status: 'PERMISSION_DENIED', reason, message: 'No.', request_id: 'r', details: [] },
})

/** A socket server that acknowledges everything but topics and keys called `bad`. */
async function serve() {
  const frames: Frame[] = []
  const peers: Peer[] = []
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  const close = (): void => {
    for (const peer of peers) peer.terminate()
    server.close()
  }
  open.push({ close })
  server.on('connection', peer => {
    peers.push(peer)
    peer.on('message', data => {
      const frame = JSON.parse(String(data)) as Frame
      frames.push(frame)
      const bad = frame.topics?.includes('bad') || frame.accesskey === 'bad'
      peer.send(
        JSON.stringify(
          bad ? refusal(frame.id, 'TOPIC_DENIED') : { type: 'ack', id: frame.id, request: frame.type, topics: frame.topics ?? [], seq: 0 },
        ),
      )
    })
  })
  await once(server, 'listening')
  return { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`, frames, peers }
}

function connect(url: string, options: Partial<RealtimeOptions> = {}): Realtime {
  const client = new Realtime({ url, accessKey: 'ak_1', maxDelay_ms: 20, ...options })
  open.push(client)
  return client
}

describe('realtime', () => {
  test('authenticates, then subscribes', async () => {
    const { url, frames } = await serve()
    await connect(url).subscribe(topic)
    expect(frames).toEqual([
      { type: 'auth', accesskey: 'ak_1', id: '1' },
      { type: 'subscribe', topics: [topic], id: '2' },
    ])
  })

  test('asks for the token at every connect', async () => {
    const { url, frames } = await serve()
    await connect(url, { accessKey: '', token: () => Promise.resolve('jwt') }).connect()
    expect(frames[0]).toMatchObject({ type: 'auth', token: 'jwt' })
  })

  test('hands events to the handlers of their type and of all', async () => {
    const { url, peers } = await serve()
    const client = connect(url)
    const seen: string[] = []
    client.on('call.created', ({ event_type, seq }) => seen.push(`${event_type} ${seq}`))
    const off = client.on('*', ({ seq }) => seen.push(`* ${seq}`))
    await client.subscribe(topic)
    peers[0]?.send(JSON.stringify(event(1)))
    await vi.waitFor(() => expect(seen).toEqual(['call.created 1', '* 1']))
    off()
    peers[0]?.send(JSON.stringify(event(2)))
    await vi.waitFor(() => expect(seen).toEqual(['call.created 1', '* 1', 'call.created 2']))
  })

  test('is iterated until it is closed', async () => {
    const { url, peers } = await serve()
    const client = connect(url)
    await client.subscribe(topic)
    const seen: number[] = []
    const done = (async () => {
      for await (const { seq } of client) {
        seen.push(seq)
        if (seq === 2) client.close()
      }
    })()
    for (const seq of [1, 2]) peers[0]?.send(JSON.stringify(event(seq)))
    await done
    expect(seen).toEqual([1, 2])
  })

  test('comes back after a loss and subscribes again', async () => {
    const { url, frames, peers } = await serve()
    const states: RealtimeState[] = []
    const client = connect(url, { onState: state => states.push(state) })
    await client.subscribe(topic)
    peers[0]?.terminate()
    await vi.waitFor(() => expect(frames.filter(frame => frame.type === 'subscribe')).toHaveLength(2))
    await vi.waitFor(() => expect(states).toEqual(['connecting', 'open', 'reconnecting', 'open']))
    client.close()
    client.close()
    expect(states.at(-1)).toBe('closed')
  })

  test('does not subscribe again to what was refused or given up', async () => {
    const { url, frames, peers } = await serve()
    const client = connect(url)
    await client.subscribe(topic, 'second')
    await expect(client.subscribe('bad')).rejects.toBeInstanceOf(RealtimeError)
    await client.unsubscribe('second')
    peers[0]?.terminate()
    await vi.waitFor(() => expect(frames.at(-1)).toMatchObject({ type: 'subscribe', topics: [topic] }))
  })

  test('stops at refused credentials', async () => {
    const { url, peers } = await serve()
    await expect(connect(url, { accessKey: 'bad' }).connect()).rejects.toMatchObject({ name: 'RealtimeError', reason: 'TOPIC_DENIED' })
    await vi.waitFor(() => expect(peers[0]?.readyState).toBe(3))
    expect(peers).toHaveLength(1)
  })

  test('rejects what waits when it is closed', async () => {
    const { url } = await serve()
    const client = connect(url)
    await client.connect()
    const pending = client.subscribe(topic)
    client.close()
    await expect(pending).rejects.toThrow('The client was closed.')
    await expect(client.connect()).rejects.toThrow('The client is closed.')
  })
})
