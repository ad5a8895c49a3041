import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach } from 'vitest'

export interface Seen {
  method: string
  url: string
  headers: IncomingMessage['headers']
  body: string
}
export interface Reply {
  status: number
  body?: unknown
  /** In place of `body`. */
  text?: string
  headers?: Record<string, string>
}
/** `hang` never answers, `stall` sends a head and half a body, `reset` breaks the connection, `cut` breaks it in the body. */
export type Answer = Reply | 'hang' | 'stall' | 'reset' | 'cut'

const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
})

/** A server that gives the answers in turn, the last one for ever, and remembers what it was asked. A function decides by what it is asked. */
export async function serve(...answers: Answer[] | [(request: Seen) => Answer]): Promise<{ url: string; seen: Seen[] }> {
  const seen: Seen[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += String(chunk)
    const one = { method: request.method ?? '', url: request.url ?? '', headers: request.headers, body }
    seen.push(one)
    const next = answers[Math.min(seen.length, answers.length) - 1]
    const answer = typeof next === 'function' ? next(one) : next
    if (answer === 'reset') request.socket.destroy()
    else if (answer === 'stall' || answer === 'cut') {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' }).write('{"id":')
      // The head must be on its way before the connection breaks.
      if (answer === 'cut') setImmediate(() => request.socket.end())
    } else if (answer && answer !== 'hang') {
      response.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers })
      response.end(answer.text ?? JSON.stringify(answer.body ?? {}))
    }
  })
  servers.push(server)
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen }
}
