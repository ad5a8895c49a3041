import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Delivery {
  path: string
  headers: Record<string, string>
  body: string
  status: number
}

/** A local HTTP server that takes webhooks and keeps everything as it came. */
export class Receiver {
  readonly deliveries: Delivery[] = []
  /** Decides the answer of each delivery; 200 unless set. */
  answer: (delivery: Omit<Delivery, 'status'>) => number = () => 200
  readonly #server: Server

  private constructor() {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]))
        const got = { path: request.url ?? '', headers, body: Buffer.concat(chunks).toString('utf8') }
        const status = this.answer(got)
        this.deliveries.push({ ...got, status })
        response.writeHead(status).end()
      })
    })
  }

  static async start(): Promise<Receiver> {
    const receiver = new Receiver()
    await new Promise<void>((resolve, reject) => {
      receiver.#server.once('error', reject)
      receiver.#server.listen(0, '127.0.0.1', resolve)
    })
    return receiver
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise(resolve => this.#server.close(resolve))
  }
}
