import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'

export interface Platform {
  url: string
  /** Serves a text at a path, for browsers. */
  files: Map<string, { type: string; text: string }>
  close(): void
}

const refusal = {
  error: { status: 'NOT_FOUND', reason: 'CALL_NOT_FOUND', message: 'There is no such call.', request_id: 'r1', details: [] },
}

/** Answers as the platform would to what `check.ts` asks: a real server, to be reached from any runtime. */
export async function startPlatform(): Promise<Platform> {
  const files: Platform['files'] = new Map()
  const keys = new Set<unknown>()
  const server = createServer((request, response) => void answer(request, response, { files, keys }))
  const sockets = new WebSocketServer({ server, path: '/ws' })
  sockets.on('connection', socket => {
    socket.on('message', data => {
      const { type, id, topics = [] } = JSON.parse(String(data)) as { type: string; id: string; topics?: string[] }
      socket.send(JSON.stringify({ type: 'ack', id, request: type, customer_id: 'c1', topics, seq: 7 }))
      if (type !== 'subscribe') return
      for (const [seq, name] of [
        [8, 'call.created'],
        [9, 'call.hungup'],
      ])
        socket.send(
          JSON.stringify({ type: 'event', seq, event_type: name, event_id: `e${seq}`, resource_type: 'call', resource_id: 'x', data: {} }),
        )
    })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const close = (): void => {
    for (const socket of sockets.clients) socket.terminate()
    server.closeAllConnections()
    server.close()
  }
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, files, close }
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { files, keys }: Pick<Platform, 'files'> & { keys: Set<unknown> },
): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? '', 'http://localhost')
  const send = (status: number, body: unknown, headers: Record<string, string> = {}): void => {
    response.writeHead(status, { 'content-type': 'application/json', 'x-request-id': 'r1', ...headers }).end(JSON.stringify(body))
  }
  let text = ''
  for await (const chunk of request) text += String(chunk)
  const file = files.get(pathname)
  if (file) response.writeHead(200, { 'content-type': file.type }).end(file.text)
  else if (request.headers.authorization !== 'AccessKey ak_check') send(401, { error: { ...refusal.error, status: 'UNAUTHENTICATED' } })
  else if (request.method === 'POST') {
    // The first attempt of every create is lost: the second must bring the same key.
    const key = request.headers['idempotency-key']
    const known = keys.has(key)
    keys.add(key)
    if (known) send(201, { id: `created ${(JSON.parse(text) as { actions: unknown[] }).actions.length}` })
    else send(503, {}, { 'retry-after': '0' })
  } else if (pathname.endsWith('/calls')) {
    const second = searchParams.get('page_token') === 'more'
    send(200, second ? { result: [{ id: 'c' }], next_page_token: '' } : { result: [{ id: 'a' }, { id: 'b' }], next_page_token: 'more' })
  } else if (pathname.endsWith('/missing')) send(404, refusal)
  else if (!pathname.endsWith('/hanging')) send(200, { id: pathname.split('/').at(-1) })
}
