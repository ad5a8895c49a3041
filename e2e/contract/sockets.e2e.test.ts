import { once } from 'node:events'
import { afterAll, beforeAll, expect, test } from 'vitest'
import WebSocket from 'ws'
import { type Account, key, World } from './world.ts'

type Frame = Record<string, unknown>

let world: World
const sockets: WebSocket[] = []
beforeAll(async () => {
  world = await World.open()
})
afterAll(() => {
  for (const socket of sockets) socket.terminate()
})

async function open({ accesskey }: Account): Promise<{ socket: WebSocket; frames: Frame[]; ask(frame: Frame): Promise<Frame> }> {
  const socket = new WebSocket(`${world.origin.replace('http', 'ws')}/ws?accesskey=${accesskey}`)
  sockets.push(socket)
  const frames: Frame[] = []
  socket.on('message', data => frames.push(JSON.parse(String(data)) as Frame))
  await once(socket, 'open')
  const ask = async (frame: Frame): Promise<Frame> => {
    socket.send(JSON.stringify(frame))
    await expect.poll(() => frames.some(one => one.id === frame.id)).toBe(true)
    return frames.find(one => one.id === frame.id) ?? {}
  }
  return { socket, frames, ask }
}

const topic = ({ customer_id }: Account, resource: string): string => `customer_id:${customer_id}:${resource}`

test('B may listen to none of A’s topics, whether anything of that id exists or not', async () => {
  const { demo, demo_other } = world.state
  const { ask } = await open(demo_other)
  const topics = ['call', 'flow', 'agent', 'extension', 'number', 'recording', 'accesskey', 'customer'].map(resource =>
    topic(demo, resource),
  )
  for (const [i, one] of [...topics, 'customer_id:01980000-0000-7000-8000-0000000000ff:call'].entries()) {
    const answer = await ask({ type: 'subscribe', id: `${i}`, topics: [one] })
    expect(answer, one).toMatchObject({ type: 'error', error: { status: 'PERMISSION_DENIED', reason: 'TOPIC_DENIED' } })
  }
})

test('what happens to A arrives on A’s socket and on no socket of B', async () => {
  const { demo, demo_other } = world.state
  const [a, b] = await Promise.all([open(demo), open(demo_other)])
  expect(await a.ask({ type: 'subscribe', id: 's', topics: [topic(demo, 'flow')] })).toMatchObject({ type: 'ack', request: 'subscribe' })
  expect(await b.ask({ type: 'subscribe', id: 's', topics: [topic(demo_other, 'flow')] })).toMatchObject({
    type: 'ack',
    request: 'subscribe',
  })
  const create = world.operations.find(operation => operation.id === 'createFlow')
  const make = async (who: Account): Promise<string> => {
    const answer = await world.request('POST', '/v1.0/flows', { body: JSON.stringify(create?.body?.example), headers: key(who.accesskey) })
    expect(answer.status, answer.text).toBe(201)
    return (answer.body as { id: string }).id
  }
  const arrived = (frames: Frame[], id: string): boolean => frames.some(frame => frame.type === 'event' && frame.resource_id === id)
  const ofA = await make(demo)
  const ofB = await make(demo_other)
  await expect.poll(() => arrived(a.frames, ofA) && arrived(b.frames, ofB)).toBe(true)
  expect(b.frames.filter(frame => frame.customer_id !== undefined && frame.customer_id !== demo_other.customer_id)).toEqual([])
  expect(a.frames.filter(frame => frame.customer_id !== undefined && frame.customer_id !== demo.customer_id)).toEqual([])
  expect(JSON.stringify(b.frames)).not.toContain(demo.customer_id)
})
