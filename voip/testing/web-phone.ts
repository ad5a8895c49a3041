import { createHash, randomBytes } from 'node:crypto'
import WebSocket from 'ws'
import { until } from './wait.ts'

export interface WebPhone {
  /** REGISTER with digest; throws when it is not accepted. */
  register(): Promise<void>
  /** The next message that starts with this (a method, or `SIP/2.0 401`). */
  next(start: string): Promise<string>
  /** Answers a request without a body. */
  reply(request: string, status: string): void
  close(): void
}

/** SIP over a WebSocket (RFC 7118) as far as signalling tests need it; real media needs a browser. */
export async function webPhone(url: string, account: { user: string; password: string; domain: string }): Promise<WebPhone> {
  const socket = new WebSocket(url, 'sip', { rejectUnauthorized: false })
  const messages: string[] = []
  socket.on('message', data => messages.push(String(data)))
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve)
    socket.once('error', reject)
  })
  const { user, password, domain } = account
  const id = randomBytes(6).toString('hex')
  const next = async (start: string) => {
    const index = await until(start, () => {
      const at = messages.findIndex(message => message.startsWith(start))
      return at === -1 ? undefined : { at }
    })
    return messages.splice(index.at, 1)[0] ?? ''
  }
  const register = (cseq: number, authorization: string) =>
    socket.send(
      [
        `REGISTER sip:${domain} SIP/2.0`,
        `Via: SIP/2.0/WSS ${id}.invalid;branch=z9hG4bK${id}${cseq}`,
        `From: <sip:${user}@${domain}>;tag=${id}`,
        `To: <sip:${user}@${domain}>`,
        `Call-ID: ${id}`,
        `CSeq: ${cseq} REGISTER`,
        `Contact: <sip:${user}@${id}.invalid;transport=ws>`,
        'Max-Forwards: 70',
        `${authorization}Expires: 120\r\nContent-Length: 0\r\n\r\n`,
      ].join('\r\n'),
    )
  return {
    next,
    async register() {
      register(1, '')
      const challenge = await next('SIP/2.0 401')
      const nonce = /nonce="([^"]+)"/.exec(challenge)?.[1] ?? ''
      const response = md5(`${md5(`${user}:${domain}:${password}`)}:${nonce}:${md5(`REGISTER:sip:${domain}`)}`)
      register(
        2,
        `Authorization: Digest username="${user}", realm="${domain}", nonce="${nonce}", uri="sip:${domain}", response="${response}"\r\n`,
      )
      await next('SIP/2.0 200')
    },
    reply(request, status) {
      const kept = request.split('\r\n').filter(line => /^(Via|Record-Route|From|To|Call-ID|CSeq):/i.test(line))
      const lines = kept.map(line => (/^To:/i.test(line) && !line.includes(';tag=') ? `${line};tag=${id}` : line))
      socket.send([`SIP/2.0 ${status}`, ...lines, 'Content-Length: 0\r\n\r\n'].join('\r\n'))
    },
    close: () => socket.terminate(),
  }
}

const md5 = (text: string) => createHash('md5').update(text).digest('hex')
