import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join, normalize } from 'node:path'
import { type WebSocket, WebSocketServer } from 'ws'

const types: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' }

export interface GatewayOptions {
  /** Folder of the built app. */
  app_dir?: string
  sip?: { ws_url: string; wss_url: string; domain: string }
  users?: Record<string, string>
  extensions?: { id: string; name: string; extension: string; username: string; domain: string }[]
  calls?: { id: string }[]
}

/** A small real HTTP and WebSocket server that answers like the public surface, for tests of the app alone. */
export class Gateway {
  readonly customer_id = '01980000-0000-7000-8000-00000000000a'
  readonly options: Required<GatewayOptions>
  /** `METHOD /path` of every request, in order. */
  readonly requests: string[] = []
  readonly subscribed: string[][] = []
  /** Next answers instead of the normal ones: path → status. */
  readonly fail = new Map<string, number>()
  /** SIP passwords set through the API, by extension id. */
  readonly passwords = new Map<string, string>()
  token_life_ms = 3_600_000
  readonly #tokens = new Set<string>()
  readonly #http: Server
  readonly #sockets = new WebSocketServer({ noServer: true })
  #seq = 0

  private constructor({
    app_dir = '',
    sip = { ws_url: '', wss_url: '', domain: '' },
    users = {},
    extensions = [],
    calls = [],
  }: GatewayOptions) {
    this.options = { app_dir, sip, users, extensions, calls }
    this.#http = createServer((request, response) => void this.#answer(request, response))
    this.#http.on('upgrade', (request, socket, head) => this.#sockets.handleUpgrade(request, socket, head, ws => this.#onSocket(ws)))
  }

  static async start(options: GatewayOptions): Promise<Gateway> {
    const gateway = new Gateway(options)
    gateway.#http.listen(0, '127.0.0.1')
    await once(gateway.#http, 'listening')
    return gateway
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}`
  }

  get softphone_url(): string {
    return `${this.url}/softphone/`
  }

  /** Sends an event to every socket that has subscribed. */
  emit(event_type: string, data: { id: string }): void {
    this.#seq += 1
    const resource_type = event_type.split('.')[0]
    const envelope = { event_id: crypto.randomUUID(), event_type, timestamp: new Date().toISOString(), customer_id: this.customer_id }
    const frame = {
      type: 'event',
      seq: this.#seq,
      ...envelope,
      resource_type,
      resource_id: data.id,
      resource_seq: 1,
      request_id: crypto.randomUUID(),
      data,
    }
    for (const socket of this.#sockets.clients) socket.send(JSON.stringify(frame))
  }

  /** Takes no token that was issued until now. */
  endSessions(): void {
    this.#tokens.clear()
  }

  dropSockets(): void {
    for (const socket of this.#sockets.clients) socket.terminate()
  }

  async close(): Promise<void> {
    this.dropSockets()
    this.#http.close()
    this.#http.closeAllConnections()
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '/', this.url)
    this.requests.push(`${request.method} ${pathname}`)
    const json = (status: number, body: unknown) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    const refuse = (status: number, reason: string, message: string) =>
      json(status, {
        error: { status: status === 401 ? 'UNAUTHENTICATED' : 'UNAVAILABLE', reason, message, request_id: 'req-1', details: [] },
      })
    const failure = this.fail.get(pathname)
    if (failure) return void refuse(failure, 'UNAVAILABLE', 'Try again in a moment.')
    if (pathname === '/softphone/config.json') {
      const base = this.url
      return void json(200, {
        api_url: `${base}/v1.0`,
        auth_url: `${base}/auth`,
        ws_url: `${base.replace('http', 'ws')}/ws`,
        sip: this.options.sip,
      })
    }
    if (pathname.startsWith('/softphone/')) return this.#file(pathname.slice('/softphone/'.length) || 'index.html', response)
    const body = (await readJson(request)) as Record<string, string>
    if (pathname === '/auth/login') {
      if (this.options.users[body.username ?? ''] !== body.password) return void refuse(401, 'LOGIN_FAILED', 'Wrong user name or password.')
      return void json(200, this.#issue(body.username ?? ''))
    }
    const token = request.headers.authorization?.replace('Bearer ', '') ?? ''
    if (!this.#tokens.has(token)) return void refuse(401, 'UNAUTHENTICATED', 'No valid session.')
    if (pathname === '/auth/refresh') {
      this.#tokens.delete(token)
      return void json(200, this.#issue('demo'))
    }
    if (pathname === '/auth/logout') {
      this.#tokens.delete(token)
      return void json(200, {})
    }
    if (pathname === '/v1.0/extensions') return void json(200, { result: this.options.extensions, next_page_token: '' })
    if (pathname === '/v1.0/calls') {
      const size = Number(searchParams.get('page_size') ?? 50)
      const from = Number(searchParams.get('page_token') || 0)
      const next_page_token = from + size < this.options.calls.length ? String(from + size) : ''
      return void json(200, { result: this.options.calls.slice(from, from + size), next_page_token })
    }
    const extension = this.options.extensions.find(({ id }) => pathname === `/v1.0/extensions/${id}`)
    if (extension && request.method === 'PUT') {
      this.passwords.set(extension.id, body.password ?? '')
      return void json(200, extension)
    }
    refuse(404, 'NOT_FOUND', 'There is nothing here.')
  }

  #issue(username: string): Record<string, unknown> {
    const token = crypto.randomUUID()
    this.#tokens.add(token)
    const tm_expire = new Date(Date.now() + this.token_life_ms).toISOString()
    return { username, token, customer_id: this.customer_id, agent_id: crypto.randomUUID(), permissions: ['customer_agent'], tm_expire }
  }

  async #file(path: string, response: ServerResponse): Promise<void> {
    try {
      const content = await readFile(join(this.options.app_dir, normalize(`/${path}`)))
      response.writeHead(200, { 'content-type': types[extname(path)] ?? 'application/octet-stream' }).end(content)
    } catch {
      response.writeHead(404).end()
    }
  }

  #onSocket(socket: WebSocket): void {
    socket.on('message', data => {
      const frame = JSON.parse(String(data)) as { type: string; id?: string; token?: string; topics?: string[] }
      if (frame.type === 'auth' && !this.#tokens.has(frame.token ?? '')) {
        socket.send(
          JSON.stringify({
            type: 'error',
            id: frame.id,
            error: { status: 'UNAUTHENTICATED', reason: 'UNAUTHENTICATED', message: 'No valid session.' },
          }),
        )
        socket.close(4401)
        return
      }
      if (frame.topics) this.subscribed.push(frame.topics)
      socket.send(
        JSON.stringify({
          type: 'ack',
          id: frame.id,
          request: frame.type,
          customer_id: this.customer_id,
          topics: frame.topics ?? [],
          seq: this.#seq,
        }),
      )
    })
  }
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  let text = ''
  for await (const chunk of request) text += String(chunk)
  return text ? JSON.parse(text) : {}
}
