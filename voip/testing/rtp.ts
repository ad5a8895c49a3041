import { createSocket, type Socket } from 'node:dgram'
import { fromUlaw, type Samples, toUlaw } from './audio.ts'

export interface RtpPhone {
  port: number
  /** Packets of audio sent and received so far. */
  sent: number
  received: number
  /** Digits received as RFC 4733 events, one for each key press. */
  digits: string
  /** Audio received so far, in order of arrival. */
  heard(): Samples
  /** Sends these samples in a loop, 20 ms a packet, to `target` or, without one, to whoever sends here (as a phone does). */
  play(samples: Samples, target?: { ip: string; port: number }): void
  /** Sends back what comes in. */
  echo(): void
  /** Sends digits as RFC 4733 events (payload type 101) of 160 ms each. Resolves when the last has left. */
  dtmf(digits: string): Promise<void>
  close(): void
}

const keys = '0123456789*#ABCD'
const FRAME = 160

/** A phone's media side: a UDP socket that speaks RTP with PCMU. SIPp does the signalling and names this port in its SDP. */
export async function rtpPhone(port = 0, ip = '127.0.0.1'): Promise<RtpPhone> {
  const socket = createSocket('udp4')
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject)
    socket.bind(port, ip, resolve)
  })
  return new Phone(socket)
}

interface Key {
  code: number
  frame: number
  start: number
  done: () => void
}

class Phone implements RtpPhone {
  port: number
  sent = 0
  received = 0
  digits = ''
  #socket: Socket
  #payloads: Buffer[] = []
  #peer: { ip: string; port: number } | undefined
  #fixed = false
  #echo = false
  #playing: Uint8Array | undefined
  #position = 0
  #sequence = 1000
  #timestamp = 0
  #timer: NodeJS.Timeout | undefined
  #key: Key | undefined
  #lastEvent = -1

  constructor(socket: Socket) {
    this.#socket = socket
    this.port = socket.address().port
    socket.on('message', (packet, from) => this.#receive(packet, { ip: from.address, port: from.port }))
  }

  heard(): Samples {
    return fromUlaw(Buffer.concat(this.#payloads))
  }

  play(samples: Samples, target?: { ip: string; port: number }): void {
    this.#playing = toUlaw(samples)
    if (target !== undefined) {
      this.#peer = target
      this.#fixed = true
    }
    this.#run()
  }

  echo(): void {
    this.#echo = true
  }

  async dtmf(digits: string): Promise<void> {
    this.#run()
    for (const digit of digits) {
      const code = keys.indexOf(digit)
      if (code < 0) throw new Error(`no key '${digit}'`)
      await new Promise<void>(done => {
        this.#key = { code, frame: 0, start: this.#timestamp, done }
      })
    }
  }

  close(): void {
    clearInterval(this.#timer)
    this.#socket.close()
  }

  #receive(packet: Buffer, from: { ip: string; port: number }): void {
    if (packet.length < 12) return
    const type = packet.readUInt8(1) & 0x7f
    if (!this.#fixed) this.#peer = from
    if (type === 101 && packet.length >= 16) {
      const timestamp = packet.readUInt32BE(4)
      if (timestamp !== this.#lastEvent) this.digits += keys[packet.readUInt8(12)] ?? '?'
      this.#lastEvent = timestamp
      return
    }
    if (type !== 0) return
    this.received++
    this.#payloads.push(Buffer.from(packet.subarray(12)))
    if (this.#echo) {
      this.sent++
      this.#socket.send(packet, from.port, from.ip)
    }
  }

  /** One packet for every 20 ms since the start, so that a late timer catches up. */
  #run(): void {
    if (this.#timer !== undefined) return
    const begin = performance.now()
    let frames = 0
    this.#timer = setInterval(() => {
      for (; frames * 20 < performance.now() - begin; frames++) this.#frame()
    }, 10)
  }

  #frame(): void {
    const marker = this.#timestamp === 0
    this.#timestamp += FRAME
    if (this.#peer === undefined) return
    if (this.#key !== undefined) {
      this.#digitFrame(this.#key)
      return
    }
    if (this.#playing === undefined) return
    const payload = Buffer.alloc(FRAME)
    for (let i = 0; i < FRAME; i++) payload[i] = this.#playing[(this.#position + i) % this.#playing.length] ?? 0xff
    this.#position += FRAME
    this.sent++
    this.#send(0, this.#timestamp, payload, marker)
  }

  /** 8 packets of the key, the last three with its end (RFC 4733 2.5.1.4), then two frames of pause. */
  #digitFrame(event: Key): void {
    event.frame++
    if (event.frame <= 8) {
      const payload = Buffer.alloc(4)
      payload.writeUInt8(event.code, 0)
      payload.writeUInt8((event.frame > 5 ? 0x80 : 0) | 10, 1)
      payload.writeUInt16BE(Math.min(event.frame, 6) * FRAME, 2)
      this.#send(101, event.start, payload, event.frame === 1)
    } else if (event.frame >= 10) {
      this.#key = undefined
      event.done()
    }
  }

  #send(type: number, timestamp: number, payload: Buffer, marker: boolean): void {
    const head = Buffer.alloc(12)
    head.writeUInt8(0x80, 0)
    head.writeUInt8((marker ? 0x80 : 0) | type, 1)
    head.writeUInt16BE(this.#sequence++ & 0xffff, 2)
    head.writeUInt32BE(timestamp >>> 0, 4)
    head.writeUInt32BE(0x766f6970, 8)
    if (this.#peer !== undefined) this.#socket.send(Buffer.concat([head, payload]), this.#peer.port, this.#peer.ip)
  }
}
