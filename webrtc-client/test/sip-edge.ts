import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'

const md5 = (text: string): string => createHash('md5').update(text).digest('hex')

interface Message {
  start: string
  headers: string[]
  body: string
}

const parse = (text: string): Message => {
  const [head = '', body = ''] = text.split(/\r\n\r\n(.*)/s)
  const [start = '', ...headers] = head.split('\r\n')
  return { start, headers, body }
}
const write = ({ start, headers, body }: Message): string => [start, ...headers, '', body].join('\r\n')
const header = ({ headers }: Message, name: string): string | undefined =>
  headers.find(line => line.toLowerCase().startsWith(`${name.toLowerCase()}:`))?.replace(/^[^:]+:\s*/, '')

/**
 * A SIP edge for tests: digest registrar and stateless proxy over WebSocket (RFC 3261 16.11, RFC 7118), so that two real phones can call each
 * other without the platform. Media goes straight between the browsers.
 */
export class SipEdge {
  readonly domain = 'edge.test'
  /** Start lines of everything phones have sent, with whether it carried credentials. */
  readonly received: { line: string; authorized: boolean }[] = []
  /** Takes everything and says nothing, like a machine behind a pulled cable. */
  deaf = false
  /** Status that every REGISTER is answered with instead; for the sad paths. */
  refuse_register: number | undefined
  readonly #passwords: Record<string, string>
  readonly #http: Server
  readonly #sockets = new WebSocketServer({ noServer: true, handleProtocols: () => 'sip' })
  /** Contact user → socket, and extension → contact URI. */
  readonly #flows = new Map<string, WebSocket>()
  readonly #contacts = new Map<string, string>()
  readonly #vias = new Map<string, WebSocket>()

  private constructor(passwords: Record<string, string>) {
    this.#passwords = passwords
    this.#http = createServer((_request, response) => response.writeHead(426).end())
    this.#http.on('upgrade', (request, socket, head) => this.#sockets.handleUpgrade(request, socket, head, ws => this.#onSocket(ws)))
  }

  static async start(passwords: Record<string, string>): Promise<SipEdge> {
    const edge = new SipEdge(passwords)
    edge.#http.listen(0, '127.0.0.1')
    await once(edge.#http, 'listening')
    return edge
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#http.address() as AddressInfo).port}/`
  }

  /** Extensions registered now. */
  get registered(): string[] {
    return [...this.#contacts.keys()].sort()
  }

  get connections(): number {
    return this.#sockets.clients.size
  }

  /** Cuts every connection, as a crash of the edge would; the edge itself stays up. */
  dropAll(): void {
    for (const socket of this.#sockets.clients) socket.terminate()
  }

  async close(): Promise<void> {
    this.dropAll()
    this.#http.close()
    this.#http.closeAllConnections()
  }

  #onSocket(socket: WebSocket): void {
    socket.on('message', data => {
      const text = String(data)
      if (text.trim() === '') return
      const message = parse(text)
      if (message.start.startsWith('SIP/2.0')) this.#onResponse(message)
      else this.#onRequest(socket, message)
    })
  }

  #onRequest(socket: WebSocket, message: Message): void {
    if (this.deaf) return
    const method = message.start.split(' ')[0] ?? ''
    const credentials = header(message, 'Authorization') ?? header(message, 'Proxy-Authorization')
    this.received.push({ line: message.start, authorized: credentials !== undefined })
    const inDialog = /;tag=/.test(header(message, 'To') ?? '')
    if (method === 'OPTIONS' && !inDialog) this.#reply(socket, message, '200 OK')
    else if (method === 'REGISTER') this.#register(socket, message, credentials)
    else if (method === 'ACK' && /;tag=edge/.test(header(message, 'To') ?? '')) return
    else if (method === 'INVITE' && !inDialog && !this.#valid(credentials, method)) {
      this.#reply(socket, message, '407 Proxy Authentication Required', [`Proxy-Authenticate: ${this.#challenge()}`])
    } else this.#forward(socket, message)
  }

  #register(socket: WebSocket, message: Message, credentials: string | undefined): void {
    if (this.refuse_register) {
      this.#reply(socket, message, `${this.refuse_register} Refused`)
      return
    }
    if (!this.#valid(credentials, 'REGISTER')) {
      this.#reply(socket, message, '401 Unauthorized', [`WWW-Authenticate: ${this.#challenge()}`])
      return
    }
    const contact = header(message, 'Contact') ?? ''
    const uri = /<([^>]+)>/.exec(contact)?.[1] ?? ''
    const extension = /sip:([^@]+)@/.exec(header(message, 'To') ?? '')?.[1] ?? ''
    if (/expires=0|^0$/.test(`${contact} ${header(message, 'Expires')}`) && /expires=0/.test(contact)) this.#contacts.delete(extension)
    else {
      this.#contacts.set(extension, uri)
      this.#flows.set(userOf(uri), socket)
    }
    this.#reply(socket, message, '200 OK', [`Contact: ${contact}`])
  }

  #forward(socket: WebSocket, message: Message): void {
    const [method = '', uri = ''] = message.start.split(' ')
    const target = this.#contacts.get(userOf(uri)) ?? uri
    const flow = this.#flows.get(userOf(target))
    if (flow?.readyState !== flow?.OPEN || !flow) {
      if (method !== 'ACK') this.#reply(socket, message, '404 Not Found')
      return
    }
    // Stateless: the branch follows from the one that came in, so CANCEL and ACK find the transaction of their INVITE.
    const branch = `z9hG4bK${md5(/branch=([^;,\s]+)/.exec(header(message, 'Via') ?? '')?.[1] ?? '')}`
    this.#vias.set(branch, socket)
    const headers = [
      `Via: SIP/2.0/WS edge.invalid;branch=${branch}`,
      ...message.headers.filter(line => !/^(proxy-)?authorization:/i.test(line)),
    ]
    flow.send(write({ start: `${method} ${target} SIP/2.0`, headers, body: message.body }))
  }

  #onResponse(message: Message): void {
    const index = message.headers.findIndex(line => /^via:/i.test(line))
    const branch = /branch=([^;,\s]+)/.exec(message.headers[index] ?? '')?.[1] ?? ''
    this.#vias.get(branch)?.send(write({ ...message, headers: message.headers.toSpliced(index, 1) }))
  }

  #reply(socket: WebSocket, request: Message, status: string, extra: string[] = []): void {
    const copied = request.headers.filter(line => /^(via|from|to|call-id|cseq):/i.test(line))
    const headers = copied.map(line =>
      /^to:/i.test(line) && !/;tag=/.test(line) ? `${line};tag=edge${randomBytes(4).toString('hex')}` : line,
    )
    socket.send(write({ start: `SIP/2.0 ${status}`, headers: [...headers, ...extra, 'Content-Length: 0'], body: '' }))
  }

  #challenge(): string {
    return `Digest realm="${this.domain}", nonce="${randomBytes(8).toString('hex')}", qop="auth", algorithm=MD5`
  }

  #valid(credentials: string | undefined, method: string): boolean {
    const field = (name: string) => new RegExp(`[ ,]${name}="?([^",]+)`).exec(credentials ?? '')?.[1] ?? ''
    const password = this.#passwords[field('username')]
    if (!credentials || password === undefined) return false
    const ha1 = md5(`${field('username')}:${field('realm')}:${password}`)
    const ha2 = md5(`${method}:${field('uri')}`)
    return field('response') === md5([ha1, field('nonce'), field('nc'), field('cnonce'), 'auth', ha2].join(':'))
  }
}

const userOf = (uri: string): string => /sip:([^@]+)@/.exec(uri)?.[1] ?? ''
