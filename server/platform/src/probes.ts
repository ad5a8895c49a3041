// Is a server really there? Each probe speaks the server's own protocol and rejects with what was wrong.
import dgram from 'node:dgram'
import net from 'node:net'

const HOST = '127.0.0.1'
const TIMEOUT_MS = 1000

/** Rejects when not ready. */
export type Probe = () => Promise<void>

/** Connects, sends `hello` if given, and passes what comes back to `accept` until it answers true. */
function conversation(port: number, hello: string | Buffer | undefined, accept: (data: Buffer) => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host: HOST, port, noDelay: true })
    let received = Buffer.alloc(0)
    const fail = (reason: string) => {
      socket.destroy()
      reject(new Error(`port ${port}: ${reason}`))
    }
    socket.setTimeout(TIMEOUT_MS, () => fail('no answer'))
    socket.on('error', error => fail(error.message))
    socket.on('close', () => fail('closed the connection'))
    socket.on('connect', () => hello !== undefined && socket.write(hello))
    socket.on('data', data => {
      received = Buffer.concat([received, data])
      if (!accept(received)) return
      resolve()
      socket.destroy()
    })
  })
}

/** AMQP 0-9-1: the broker answers the protocol header with Connection.Start (class 10, method 10). */
export const amqpProbe =
  (port: number): Probe =>
  () =>
    conversation(port, Buffer.from('AMQP\0\0\x09\x01', 'latin1'), data => data.length >= 11 && data[0] === 1 && data.readUInt16BE(7) === 10)

/** MySQL: the server greets with protocol version 10; an error packet (0xff) is not ready. */
export const mysqlProbe =
  (port: number): Probe =>
  () =>
    conversation(port, undefined, data => data.length > 5 && data[4] === 10)

export const redisProbe =
  (port: number, password: string): Probe =>
  () =>
    conversation(port, `AUTH ${password}\r\nPING\r\n`, data => data.includes('+PONG'))

/** epmd: NAMES_REQ (110) is answered with epmd's own port. */
export const epmdProbe =
  (port: number): Probe =>
  () =>
    conversation(port, Buffer.from([0, 1, 110]), data => data.length >= 4 && data.readUInt32BE(0) === port)

async function http(url: string, init: RequestInit = {}): Promise<string> {
  const answer = await fetch(url, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS) })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${url} answers ${answer.status}`)
  return text
}

export const httpProbe =
  (url: string, authorization?: string): Probe =>
  async () => {
    await http(url, authorization === undefined ? {} : { headers: { authorization } })
  }

/** A Kamailio's control listener: its port and the token it asks for. */
export interface EdgeControl {
  port: number
  token: string
}

/** One JSON-RPC request to a Kamailio's control listener. Rejects with Kamailio's message. */
export async function kamailioRpc({ port, token }: EdgeControl, method: string, params: unknown[] = []): Promise<unknown> {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` }
  const text = await http(`http://${HOST}:${port}/rpc`, { method: 'POST', headers, body })
  const answer: { result?: unknown; error?: { message: string } } = JSON.parse(text)
  if (answer.error) throw new Error(`kamailio ${method}: ${answer.error.message}`)
  return answer.result
}

export const kamailioProbe =
  (edge: EdgeControl): Probe =>
  async () => {
    await kamailioRpc(edge, 'core.version')
  }

/** The edge has reached this many media servers by OPTIONS. */
export const dispatcherProbe =
  (edge: EdgeControl, expected: number): Probe =>
  async () => {
    const text = JSON.stringify(await kamailioRpc(edge, 'dispatcher.list'))
    const active = text.match(/"FLAGS":"AP"/g)?.length ?? 0
    if (active < expected) throw new Error(`kamailio reaches ${active} of ${expected} Asterisks`)
  }

/** RTPEngine's control protocol: one datagram each way, `cookie bencoded-dictionary`. */
export function rtpengineCommand(port: number, message: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = dgram.createSocket('udp4')
    const cookie = `${process.pid}_${performance.now()}`
    const end = (act: () => void) => {
      clearTimeout(timer)
      socket.close()
      act()
    }
    const timer = setTimeout(() => end(() => reject(new Error(`rtpengine does not answer on port ${port}`))), TIMEOUT_MS)
    socket.on('error', error => end(() => reject(error)))
    socket.on('message', data => end(() => resolve(data.toString('latin1').slice(cookie.length + 1))))
    socket.send(`${cookie} ${message}`, port, HOST)
  })
}

export const rtpengineProbe =
  (port: number): Probe =>
  async () => {
    const answer = await rtpengineCommand(port, 'd7:command4:pinge')
    if (!answer.includes('4:pong')) throw new Error(`rtpengine answers ${answer}`)
  }
