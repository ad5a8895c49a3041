// An RTP end point that sends a tone as G.711 µ-law and measures what comes back.
import dgram from 'node:dgram'
import { setTimeout as delay } from 'node:timers/promises'

const RATE = 8000
const FRAME = 160
const FRAME_MS = 20
const PAYLOAD_NAMES: Record<number, string> = { 0: 'PCMU', 8: 'PCMA' }

/** µ-law of a 16-bit sample (G.711). */
export function encodeUlaw(sample: number): number {
  const sign = sample < 0 ? 0x80 : 0
  const magnitude = Math.min(Math.abs(Math.round(sample)), 32_635) + 132
  const exponent = Math.floor(Math.log2(magnitude)) - 7
  return ~(sign | (exponent << 4) | ((magnitude >> (exponent + 3)) & 0x0f)) & 0xff
}

export function decodeUlaw(byte: number): number {
  const value = ~byte & 0xff
  const magnitude = (((value & 0x0f) << 3) + 132) << ((value >> 4) & 7)
  return (value & 0x80 ? -1 : 1) * (magnitude - 132)
}

/** Share of the signal's power at a frequency (0…1), by the Goertzel algorithm. */
export function toneShare(samples: readonly number[], frequency: number): number {
  const k = 2 * Math.cos((2 * Math.PI * frequency) / RATE)
  let a = 0
  let b = 0
  let power = 0
  for (const x of samples) {
    const next = x + k * a - b
    b = a
    a = next
    power += x * x
  }
  return power === 0 ? 0 : (2 * (a * a + b * b - k * a * b)) / (power * samples.length)
}

export interface ToneResult {
  sent: number
  received: number
  /** Name of the codec of what came back; the number when it is not a G.711. */
  codec: string
  /** Share of the received signal that is the tone sent, 0…1. */
  share: number
}

/** Binds a port and counts from then on; `talk` sends the tone to `to` and resolves when the time is over. */
export async function toneEndpoint(ip: string, frequency: number) {
  const socket = dgram.createSocket('udp4')
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject)
    socket.bind(0, ip, resolve)
  })
  const samples: number[] = []
  let received = 0
  let payloadType = -1
  socket.on('message', data => {
    if (data.length < 13 || (data[0] ?? 0) >> 6 !== 2) return
    received += 1
    payloadType = (data[1] ?? 0) & 0x7f
    for (const byte of data.subarray(12)) samples.push(decodeUlaw(byte))
  })
  return {
    port: socket.address().port,
    async talk(to: { ip: string; port: number }, packets: number): Promise<ToneResult> {
      const start = performance.now()
      for (let n = 0; n < packets; n += 1) {
        socket.send(packet(n, frequency), to.port, to.ip)
        await delay(Math.max(0, start + (n + 1) * FRAME_MS - performance.now()))
      }
      await delay(3 * FRAME_MS) // what is still on its way
      const codec = received === 0 ? 'none' : (PAYLOAD_NAMES[payloadType] ?? `payload type ${payloadType}`)
      return { sent: packets, received, codec, share: toneShare(samples, frequency) }
    },
    close: () => socket.close(),
  }
}

function packet(n: number, frequency: number): Buffer {
  const data = Buffer.alloc(12 + FRAME)
  data[0] = 0x80
  data[1] = n === 0 ? 0x80 : 0
  data.writeUInt16BE(n & 0xffff, 2)
  data.writeUInt32BE(n * FRAME, 4)
  data.writeUInt32BE(0x5e1f7e57, 8)
  for (let i = 0; i < FRAME; i += 1) data[12 + i] = encodeUlaw(8000 * Math.sin((2 * Math.PI * frequency * (n * FRAME + i)) / RATE))
  return data
}
