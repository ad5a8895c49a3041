import { readFileSync, writeFileSync } from 'node:fs'

/** Samples between -1 and 1 at 8 kHz unless said otherwise. */
export type Samples = Float64Array
export const RATE = 8000

/** Level of one frequency in dB relative to a full-scale sine (0 = full scale, silence below -90). Goertzel over all samples. */
export function toneLevel(samples: Samples, frequency_hz: number, rate = RATE): number {
  const coefficient = 2 * Math.cos((2 * Math.PI * frequency_hz) / rate)
  let s1 = 0
  let s2 = 0
  for (const sample of samples) {
    const s0 = sample + coefficient * s1 - s2
    s2 = s1
    s1 = s0
  }
  const power = s1 * s1 + s2 * s2 - coefficient * s1 * s2
  const amplitude = (2 * Math.sqrt(Math.max(power, 0))) / Math.max(samples.length, 1)
  return 20 * Math.log10(amplitude + 1e-9)
}

/** Strongest frequency between 200 and 3400 Hz, to `step_hz`. */
export function dominantTone(samples: Samples, rate = RATE, step_hz = 5): { hz: number; db: number } {
  let best = { hz: 0, db: -200 }
  for (let hz = 200; hz <= 3400; hz += step_hz) {
    const db = toneLevel(samples, hz, rate)
    if (db > best.db) best = { hz, db }
  }
  return best
}

/** Root mean square in dB relative to full scale. */
export function level(samples: Samples): number {
  let sum = 0
  for (const sample of samples) sum += sample * sample
  return 10 * Math.log10(sum / Math.max(samples.length, 1) + 1e-12)
}

export function sine(frequency_hz: number, duration_ms: number, amplitude = 0.3, rate = RATE): Samples {
  const samples = new Float64Array(Math.round((duration_ms * rate) / 1000))
  for (let i = 0; i < samples.length; i++) samples[i] = amplitude * Math.sin((2 * Math.PI * frequency_hz * i) / rate)
  return samples
}

/**
 * Greatest normalised cross-correlation of `part` within `whole`, over every shift: 1 = the same sound, about 0 = unrelated.
 * Compares the waveforms themselves: both must have one sampling rate, and a clock that drifts spoils long parts.
 */
export function correlation(whole: Samples, part: Samples): { value: number; offset: number } {
  if (part.length === 0 || whole.length < part.length) return { value: 0, offset: 0 }
  let partEnergy = 0
  for (const sample of part) partEnergy += sample * sample
  const dots = crossProducts(whole, part)
  let energy = 0
  for (let i = 0; i < part.length; i++) energy += square(whole[i])
  let best = { value: 0, offset: 0 }
  for (let offset = 0; offset + part.length <= whole.length; offset++) {
    const value = Math.abs(dots[offset] ?? 0) / Math.sqrt(energy * partEnergy + 1e-12)
    if (value > best.value) best = { value, offset }
    energy = Math.max(0, energy - square(whole[offset]) + square(whole[offset + part.length]))
  }
  return best
}

const square = (x: number | undefined) => (x ?? 0) * (x ?? 0)

const PIECE = 1600
const STRETCH = 480

/**
 * How much of `part` is heard in `whole`, from 0 to 1, where playback may have been stretched: a jitter buffer does that to fit the clocks.
 * Pieces of 200 ms are each looked for within 60 ms of their place, and count by their energy. Through a browser the right sentence gives
 * 0.74 to 0.98, another one of the same voice at most 0.46.
 */
export function resemblance(whole: Samples, part: Samples): number {
  const places = whole.length - part.length + 1
  if (part.length < PIECE || places < 1) return 0
  const found = new Float64Array(places)
  let total = 0
  for (let at = 0; at + PIECE <= part.length; at += PIECE / 2) {
    const piece = part.subarray(at, at + PIECE)
    const energy = piece.reduce((sum, sample) => sum + square(sample), 0)
    const near = greatestNear(likeness(whole, piece, energy), STRETCH)
    for (let place = 0; place < places; place++) found[place] = (found[place] ?? 0) + energy * (near[place + at] ?? 0)
    total += energy
  }
  return found.reduce((best, value) => Math.max(best, value), 0) / (total + 1e-12)
}

/** Normalised cross-correlation at every place; where `whole` is nearly silent it is about 0. */
function likeness(whole: Samples, piece: Samples, energy: number): Float64Array {
  const dots = crossProducts(whole, piece)
  const values = new Float64Array(whole.length - piece.length + 1)
  let there = 0
  for (let i = 0; i < piece.length; i++) there += square(whole[i])
  for (let place = 0; place < values.length; place++) {
    values[place] = (dots[place] ?? 0) / Math.sqrt(Math.max(there, energy / 100) * energy + 1e-12)
    there = Math.max(0, there - square(whole[place]) + square(whole[place + piece.length]))
  }
  return values
}

/** For each place the greatest value at most `reach` away. */
function greatestNear(values: Float64Array, reach: number): Float64Array {
  const near = new Float64Array(values.length)
  // places of falling values within reach, the greatest first
  const falling: number[] = []
  let first = 0
  for (let next = 0; next < values.length + reach; next++) {
    const value = values[next]
    if (value !== undefined) {
      while (falling.length > first && (values[falling.at(-1) ?? 0] ?? 0) <= value) falling.pop()
      falling.push(next)
    }
    const place = next - reach
    if (place < 0) continue
    while ((falling[first] ?? 0) < place - reach) first++
    near[place] = values[falling[first] ?? 0] ?? 0
  }
  return near
}

/** Sliding dot product of `part` over `whole` by FFT. */
function crossProducts(whole: Samples, part: Samples): Float64Array {
  let size = 1
  while (size < whole.length + part.length) size *= 2
  const aRe = new Float64Array(size)
  const aIm = new Float64Array(size)
  const bRe = new Float64Array(size)
  const bIm = new Float64Array(size)
  aRe.set(whole)
  for (let i = 0; i < part.length; i++) bRe[i] = part[part.length - 1 - i] ?? 0
  fft(aRe, aIm)
  fft(bRe, bIm)
  for (let i = 0; i < size; i++) {
    const [ar, ai, br, bi] = [aRe[i] ?? 0, aIm[i] ?? 0, bRe[i] ?? 0, bIm[i] ?? 0]
    aRe[i] = ar * br - ai * bi
    // conjugate, so that the forward transform below is the inverse one
    aIm[i] = -(ar * bi + ai * br)
  }
  fft(aRe, aIm)
  return aRe.subarray(part.length - 1).map(x => x / size)
}

/** In-place radix-2 transform; the length is a power of two. */
function fft(re: Float64Array, im: Float64Array): void {
  const n = re.length
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1
    for (; j & bit; bit >>= 1) j ^= bit
    j ^= bit
    if (i < j) {
      ;[re[i], re[j]] = [re[j] ?? 0, re[i] ?? 0]
      ;[im[i], im[j]] = [im[j] ?? 0, im[i] ?? 0]
    }
  }
  for (let length = 2; length <= n; length *= 2) {
    const half = length / 2
    const angle = (-2 * Math.PI) / length
    for (let k = 0; k < half; k++) {
      const wr = Math.cos(angle * k)
      const wi = Math.sin(angle * k)
      for (let i = k; i < n; i += length) {
        const j = i + half
        const xr = (re[j] ?? 0) * wr - (im[j] ?? 0) * wi
        const xi = (re[j] ?? 0) * wi + (im[j] ?? 0) * wr
        re[j] = (re[i] ?? 0) - xr
        im[j] = (im[i] ?? 0) - xi
        re[i] = (re[i] ?? 0) + xr
        im[i] = (im[i] ?? 0) + xi
      }
    }
  }
}

/** One G.711 mu-law byte to a sample. */
export function fromUlawByte(byte: number): number {
  const u = ~byte & 0xff
  const magnitude = (((u & 0x0f) << 3) + 0x84) << ((u >> 4) & 7)
  return ((u & 0x80 ? 0x84 - magnitude : magnitude - 0x84) | 0) / 32768
}

/** One sample to a G.711 mu-law byte. */
export function toUlawByte(sample: number): number {
  let pcm = Math.round(Math.max(-1, Math.min(1, sample)) * 32767)
  const sign = pcm < 0 ? 0x80 : 0
  pcm = Math.min(Math.abs(pcm), 32635) + 0x84
  let exponent = 7
  for (let mask = 0x4000; exponent > 0 && (pcm & mask) === 0; mask >>= 1) exponent--
  return ~(sign | (exponent << 4) | ((pcm >> (exponent + 3)) & 0x0f)) & 0xff
}

export const fromUlaw = (bytes: Uint8Array): Samples => Float64Array.from(bytes, fromUlawByte)
export const toUlaw = (samples: Samples): Uint8Array => Uint8Array.from(samples, toUlawByte)

export interface Wav {
  rate: number
  samples: Samples
}

/** Reads a mono RIFF file of 16-bit PCM or mu-law. Throws on anything else. */
export function parseWav(file: Buffer): Wav {
  if (file.toString('latin1', 0, 4) !== 'RIFF' || file.toString('latin1', 8, 12) !== 'WAVE') throw new Error('no RIFF WAVE file')
  let format = 0
  let channels = 0
  let rate = 0
  let bits = 0
  for (let at = 12; at + 8 <= file.length; ) {
    const id = file.toString('latin1', at, at + 4)
    const size = file.readUInt32LE(at + 4)
    const data = file.subarray(at + 8, at + 8 + size)
    if (id === 'fmt ') {
      format = data.readUInt16LE(0)
      channels = data.readUInt16LE(2)
      rate = data.readUInt32LE(4)
      bits = data.readUInt16LE(14)
    }
    if (id === 'data') {
      if (channels !== 1) throw new Error(`${channels} channels, want 1`)
      if (format === 7) return { rate, samples: fromUlaw(data) }
      if (format !== 1 || bits !== 16) throw new Error(`format ${format} with ${bits} bits, want 16-bit PCM or mu-law`)
      const samples = new Float64Array(data.length >> 1)
      for (let i = 0; i < samples.length; i++) samples[i] = data.readInt16LE(2 * i) / 32768
      return { rate, samples }
    }
    at += 8 + size + (size % 2)
  }
  throw new Error('no data chunk')
}

/** A mono 16-bit PCM RIFF file. */
export function formatWav(samples: Samples, rate = RATE): Buffer {
  const file = Buffer.alloc(44 + samples.length * 2)
  file.write('RIFF', 0, 'latin1')
  file.writeUInt32LE(file.length - 8, 4)
  file.write('WAVEfmt ', 8, 'latin1')
  file.writeUInt32LE(16, 16)
  file.writeUInt16LE(1, 20)
  file.writeUInt16LE(1, 22)
  file.writeUInt32LE(rate, 24)
  file.writeUInt32LE(rate * 2, 28)
  file.writeUInt16LE(2, 32)
  file.writeUInt16LE(16, 34)
  file.write('data', 36, 'latin1')
  file.writeUInt32LE(samples.length * 2, 40)
  samples.forEach((sample, i) => void file.writeInt16LE(Math.round(Math.max(-1, Math.min(1, sample)) * 32767), 44 + 2 * i))
  return file
}

export const readWav = (path: string): Wav => parseWav(readFileSync(path))
export const writeWav = (path: string, samples: Samples, rate = RATE): void => writeFileSync(path, formatWav(samples, rate))
