import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { afterEach } from 'vitest'
import { type WebSocket as Peer, WebSocketServer } from 'ws'

export type Sent = { type: string; id: string; topics?: string[]; accesskey?: string; token?: string; seq?: number }
/** What the server sends back to a frame; undefined for the usual ack, nothing for an empty list. */
export type React = (frame: Sent, peer: Peer) => object[] | undefined

const servers: { close(): void }[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

export const event = (seq: number, event_type = 'call.created', event_id = `e${seq}`) => ({
  type: 'event',
  seq,
  event_id,
  event_type,
  resource_type: 'call',
  data: { id: 'x' },
})
export const refusal = (id: string, reason: string, status = 'PERMISSION_DENIED') => ({
  type: 'error',
  id,
  error: { status, reason, message: 'No.', request_id: 'r', details: [] },
})
export const ack = ({ id, type, topics = [] }: Sent, seq = 0) => ({ type: 'ack', id, request: type, customer_id: 'c1', topics, seq })

/** A socket server that acknowledges everything unless it is told otherwise. */
export async function serve(react: React = () => undefined) {
  const frames: Sent[] = []
  const peers: Peer[] = []
  const closes: number[] = []
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  const close = (): void => {
    for (const peer of peers) peer.terminate()
    server.close()
  }
  servers.push({ close })
  server.on('connection', peer => {
    peers.push(peer)
    peer.on('close', code => closes.push(code))
    peer.on('message', data => {
      const frame = JSON.parse(String(data)) as Sent
      frames.push(frame)
      for (const answer of react(frame, peer) ?? [ack(frame)]) peer.send(JSON.stringify(answer))
    })
  })
  await once(server, 'listening')
  const send = (frame: object): void => peers.at(-1)?.send(JSON.stringify(frame))
  return { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`, frames, peers, closes, send, close }
}
