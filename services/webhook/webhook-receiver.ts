import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Received {
  path: string
  method: string
  headers: Readonly<Record<string, string>>
  body: string
}
type Answer = number | { status: number; body: string; headers?: Record<string, string> }

/** A customer's web server: keeps what comes and answers as the test says, 200 unless told otherwise. */
export class Receiver {
  readonly received: Received[] = []
  readonly answers = new Map<string, (request: Received) => Answer | Promise<Answer>>()
  #server = createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    const { url: path = '', method = '' } = request
    const got: Received = { path, method, headers: plain(request.headers), body: Buffer.concat(parts).toString() }
    this.received.push(got)
    const answer = (await this.answers.get(path)?.(got)) ?? 200
    const { status, body, headers = {} } = typeof answer === 'number' ? { status: answer, body: 'thanks' } : answer
    response.writeHead(status, { 'x-seen': 'yes', ...headers }).end(body)
  })

  async open(): Promise<void> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
  }

  url(path: string): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}${path}`
  }

  of(path: string): Received[] {
    return this.received.filter(one => one.path === path)
  }

  /** Answers to this path wait until the test says so. */
  hold(path: string): (answer?: number) => void {
    const { promise, resolve } = Promise.withResolvers<number>()
    this.answers.set(path, () => promise)
    return (answer = 200) => resolve(answer)
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }
}

const plain = (headers: IncomingHttpHeaders): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]))
