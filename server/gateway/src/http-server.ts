import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse, STATUS_CODES } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { Duplex } from 'node:stream'
import { type AppError, uuid7 } from '@voipbin/kernel'
import { onceWanted } from './body.ts'
import { errorBody, errorHeaders, fail, httpCode } from './errors.ts'

export interface HttpServerOptions {
  listener: RequestListener
  onUpgrade(incoming: IncomingMessage, socket: Duplex, head: Buffer): void
  /** PEM texts; without them the server speaks plain HTTP. */
  tls?: { cert: string; key: string } | undefined
  /** Milliseconds for the headers, and for headers and body together. */
  headers_ms?: number
  request_ms?: number
}

const maxHeaderBytes = 16_384

/** An HTTP server that answers even what Node cannot parse with the platform's error body, and cuts off whoever sends too slowly. */
export function createHttpServer({ listener, onUpgrade, tls, headers_ms = 10_000, request_ms = 20_000 }: HttpServerOptions): Server {
  const options = {
    maxHeaderSize: maxHeaderBytes,
    headersTimeout: headers_ms,
    requestTimeout: request_ms,
    connectionsCheckingInterval: Math.min(1_000, headers_ms),
    keepAliveTimeout: 65_000,
    noDelay: true,
    // Its absence is answered by the listener, in the platform's own form.
    requireHostHeader: false,
    // Java's client asks for h2c with its first request. What is no WebSocket is answered as if nobody had asked (RFC 9110, 7.8).
    shouldUpgradeCallback: (incoming: IncomingMessage) => incoming.headers.upgrade?.toLowerCase() === 'websocket',
  }
  const server = tls ? createTlsServer({ ...options, ...tls, minVersion: 'TLSv1.2' }, listener) : createServer(options, listener)
  server.on('upgrade', onUpgrade)
  server.on('connect', (_incoming: IncomingMessage, socket: Duplex) => rawAnswer(socket, fail.methodNotAllowed(methods)))
  server.on('checkContinue', (incoming: IncomingMessage, response: ServerResponse) => {
    onceWanted(incoming, () => response.writeContinue())
    listener(incoming, response)
  })
  server.on('checkExpectation', (_incoming: IncomingMessage, response: { socket: Duplex | null }) => {
    if (response.socket)
      rawAnswer(
        response.socket,
        fail.invalid('Only Expect: 100-continue is understood.', { field: '/Expect', rule: 'enum', expected: '100-continue' }),
      )
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    const current = (socket as { _httpMessage?: ServerResponse })._httpMessage
    // Reset by the client, or an answer is already on its way: nothing more to say.
    if (error.code === 'ECONNRESET' || !socket.writable || current?.headersSent === true) socket.destroy()
    // Nonsense behind a whole request: the request gets its own answer, which must not be taken for a refusal of what it did.
    else if (current?.req.complete) lastAnswer(current, socket)
    else rawAnswer(socket, protocolError(error))
  })
  return server
}

function lastAnswer(response: ServerResponse, socket: Duplex): void {
  response.shouldKeepAlive = false
  response.once('finish', () => socket.end())
}

const methods = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS'
const requestLine = /^[\w-]+ \S+ HTTP\/1\.[01]\r\n/

function protocolError({ code, rawPacket }: NodeJS.ErrnoException & { rawPacket?: Buffer }): AppError {
  // A method that Node does not know, in a request that is one.
  if (code === 'HPE_INVALID_METHOD' && requestLine.test(rawPacket?.toString('latin1', 0, 8_192) ?? ''))
    return fail.methodNotAllowed(methods)
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return fail.slow()
  if (code === 'HPE_HEADER_OVERFLOW')
    return fail.invalid('The headers are too large.', { field: '', rule: 'maxBytes', expected: `at most ${maxHeaderBytes} bytes` })
  return fail.invalid('This is not valid HTTP.', { field: '', rule: 'http' })
}

/** An answer for a connection that has no parsed request, and the end of that connection. */
export function rawAnswer(socket: Duplex, error: AppError, request_id: string = uuid7()): void {
  const code = httpCode(error)
  const body = JSON.stringify(errorBody(error, request_id))
  const head = [
    `HTTP/1.1 ${code} ${STATUS_CODES[code]}`,
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
    `x-request-id: ${request_id}`,
    'x-content-type-options: nosniff',
    'cache-control: no-store',
    ...Object.entries(errorHeaders(error)).map(([name, value]) => `${name}: ${value}`),
    'connection: close',
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
  // The client may go on sending for ever; give the answer a moment to arrive, then cut.
  const timer = setTimeout(() => socket.destroy(), 1_000)
  socket.once('close', () => clearTimeout(timer))
  socket.resume()
}
