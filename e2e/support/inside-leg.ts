import { createSocket } from 'node:dgram'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fromUlaw, type Samples } from '../../voip/testing/audio.ts'
import { end, inroot } from '../../voip/testing/inroot.ts'
import { until } from '../../voip/testing/wait.ts'
import type { State } from './platform.ts'

type Bencoded = string | number | Bencoded[] | { [key: string]: Bencoded }

/** One side of a call as RTPEngine sees it. */
export interface MediaSide {
  /** `RTP/AVP` is plain, `UDP/TLS/RTP/SAVPF` is SRTP with keys from DTLS. */
  protocol: string
  /** Where the other end of this side is. */
  ip: string
  port: number
  packets: number
}

/** All sides of all calls that RTPEngine has media for at the moment, but for those in `known`. */
export async function mediaSides(state: State, known: readonly MediaSide[] = []): Promise<MediaSide[]> {
  const ng = state.ports.rtpengine_ng ?? 0
  const calls = (await command(ng, { command: 'list', limit: '100' })).calls
  const sides: MediaSide[] = []
  for (const call of Array.isArray(calls) ? calls : []) {
    const found = await command(ng, { command: 'query', 'call-id': String(call) })
    for (const tag of Object.values(dictionary(found.tags))) {
      for (const media of list(dictionary(tag).medias)) {
        const stream = dictionary(list(dictionary(media).streams)[0])
        const endpoint = dictionary(stream.endpoint)
        sides.push({
          protocol: String(dictionary(media).protocol),
          ip: String(endpoint.address),
          port: Number(endpoint.port),
          packets: Number(dictionary(stream.stats).packets),
        })
      }
    }
  }
  return sides.filter(side => !known.some(({ ip, port }) => ip === side.ip && port === side.port))
}

/** One command of RTPEngine's control protocol. */
async function command(port: number, body: Record<string, string>): Promise<Record<string, Bencoded>> {
  const socket = createSocket('udp4')
  let answer: string | undefined
  socket.on('message', data => {
    answer = data.toString('latin1')
  })
  const text = (value: string) => `${value.length}:${value}`
  const pairs = Object.entries(body).sort(([a], [b]) => (a < b ? -1 : 1))
  socket.send(`${process.pid}_${performance.now()} d${pairs.map(([name, value]) => text(name) + text(value)).join('')}e`, port, '127.0.0.1')
  try {
    const got = await until('an answer of rtpengine', () => answer)
    return dictionary(decode(got.slice(got.indexOf(' ') + 1)))
  } finally {
    socket.close()
  }
}

const dictionary = (value: Bencoded | undefined): Record<string, Bencoded> =>
  typeof value === 'object' && !Array.isArray(value) ? value : {}
const list = (value: Bencoded | undefined): Bencoded[] => (Array.isArray(value) ? value : [])

function decode(text: string): Bencoded {
  let at = 0
  const upTo = (end: string) => {
    const part = text.slice(at, text.indexOf(end, at))
    at += part.length + 1
    return part
  }
  const value = (): Bencoded => {
    const kind = text[at]
    if (kind === 'i') {
      at++
      return Number(upTo('e'))
    }
    if (kind === 'l' || kind === 'd') {
      at++
      const items: Bencoded[] = []
      while (text[at] !== 'e') items.push(value())
      at++
      if (kind === 'l') return items
      return Object.fromEntries(items.flatMap((key, i) => (i % 2 === 0 ? [[String(key), items[i + 1] ?? '']] : [])))
    }
    const length = Number(upTo(':'))
    at += length
    return text.slice(at - length, at)
  }
  return value()
}

/** What passed by on the wire. */
export interface Captured {
  packets: number
  /** RTP payload types seen. */
  payload_types: number[]
  /** The payload read as plain ulaw. */
  samples: Samples
}

/** Listens with tcpdump to what is sent to a UDP port of this machine until `count` RTP packets have passed. */
export async function captureRtp(port: number, count: number): Promise<Captured> {
  const inst = mkdtempSync(join(tmpdir(), 'voipbin-capture-'))
  const child = inroot(['tcpdump', '-i', 'lo', '-U', '-n', '-w', '-', 'udp', 'dst', 'port', String(port)], { inst })
  let pcap = Buffer.alloc(0)
  let complaint = ''
  child.stdout?.on('data', (data: Buffer) => {
    pcap = Buffer.concat([pcap, data])
  })
  child.stderr?.on('data', data => {
    complaint += data
  })
  try {
    await until(`${count} packets to port ${port}`, () => {
      if (child.exitCode !== null) throw new Error(complaint)
      return rtpOf(pcap).length >= count
    })
  } finally {
    await end(child)
    rmSync(inst, { recursive: true, force: true })
  }
  const packets = rtpOf(pcap).filter(packet => packet.length > 12)
  const audio = packets.map(packet => packet.subarray(12))
  return {
    packets: packets.length,
    payload_types: [...new Set(packets.map(packet => packet.readUInt8(1) & 0x7f))],
    samples: fromUlaw(Buffer.concat(audio)),
  }
}

/** UDP payloads of a capture in the classic format, Ethernet framing, IPv4. */
function rtpOf(pcap: Buffer): Buffer[] {
  const packets: Buffer[] = []
  for (let at = 24; at + 16 <= pcap.length; ) {
    const size = pcap.readUInt32LE(at + 8)
    const frame = pcap.subarray(at + 16, at + 16 + size)
    at += 16 + size
    if (frame.length < size || frame.length < 42) continue
    const payload = frame.subarray(14 + (frame.readUInt8(14) & 0x0f) * 4 + 8)
    if (payload.length >= 12 && payload.readUInt8(0) >> 6 === 2) packets.push(payload)
  }
  return packets
}
