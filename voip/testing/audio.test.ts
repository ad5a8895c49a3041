import { describe, expect, test } from 'vitest'
import {
  correlation,
  dominantTone,
  formatWav,
  fromUlaw,
  fromUlawByte,
  level,
  parseWav,
  resemblance,
  sine,
  toneLevel,
  toUlaw,
  toUlawByte,
} from './audio.ts'

/** Noise that is the same in every run. */
function noise(length: number, seed: number): Float64Array {
  let state = seed
  return Float64Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32 - 0.5
  })
}

describe('tones', () => {
  test('a sine is found at its frequency and level, and nowhere else', () => {
    const samples = sine(440, 1000, 0.5)
    expect(toneLevel(samples, 440)).toBeCloseTo(20 * Math.log10(0.5), 1)
    expect(toneLevel(samples, 620)).toBeLessThan(-50)
    expect(dominantTone(samples).hz).toBe(440)
  })
  test('silence has no tone', () => {
    expect(toneLevel(new Float64Array(8000), 440)).toBeLessThan(-90)
    expect(level(new Float64Array(8000))).toBeLessThan(-90)
  })
  test('the level of a full-scale sine is -3 dB', () => expect(level(sine(1000, 1000, 1))).toBeCloseTo(-3.01, 1))
})

describe('mu-law', () => {
  test.each([
    [0xff, 0],
    [0x7f, 0],
    [0x80, 32124 / 32768],
    [0x00, -32124 / 32768],
    [0xf0, 120 / 32768],
  ])('byte %i is %f (G.711 table)', (byte, sample) => expect(fromUlawByte(byte)).toBeCloseTo(sample, 6))
  test('every byte but the second zero survives the way there and back', () => {
    for (let byte = 0; byte < 256; byte++) if (byte !== 0x7f) expect(toUlawByte(fromUlawByte(byte))).toBe(byte)
  })
  test('a tone survives with its frequency and level', () => {
    const samples = fromUlaw(toUlaw(sine(700, 500)))
    expect(dominantTone(samples).hz).toBe(700)
    expect(toneLevel(samples, 700)).toBeCloseTo(toneLevel(sine(700, 500), 700), 1)
  })
})

/** A file with one 16-bit field of its header changed. */
function patched(offset: number, value: number): Buffer {
  const file = formatWav(sine(440, 10))
  file.writeUInt16LE(value, offset)
  return file
}

describe('wav', () => {
  test('samples survive the file', () => {
    const samples = noise(1000, 7)
    const read = parseWav(formatWav(samples, 16_000))
    expect(read.rate).toBe(16_000)
    expect(read.samples.length).toBe(1000)
    read.samples.forEach((sample, i) => void expect(Math.abs(sample - (samples[i] ?? 9))).toBeLessThan(1e-4))
  })
  test('chunks that are not asked for are passed over', () => {
    const plain = formatWav(sine(440, 100))
    const extra = Buffer.concat([plain.subarray(0, 36), Buffer.from('LIST\x03\0\0\0abc\0', 'latin1'), plain.subarray(36)])
    expect(parseWav(extra).samples.length).toBe(800)
  })
  test.each([
    ['no RIFF', Buffer.alloc(60), /no RIFF/],
    ['two channels', patched(22, 2), /2 channels/],
    ['8 bits', patched(34, 8), /8 bits/],
  ])('%s is refused', (_, file, message) => expect(() => parseWav(file)).toThrow(message))
})

describe('correlation', () => {
  const part = noise(4000, 1)
  test('a part is found where it is, also quieter, with noise and through mu-law', () => {
    const whole = noise(20_000, 2).map(x => x * 0.05)
    whole.set(
      part.map((x, i) => (whole[7000 + i] ?? 0) + 0.3 * x),
      7000,
    )
    const found = correlation(fromUlaw(toUlaw(whole)), part)
    expect(found.offset).toBe(7000)
    expect(found.value).toBeGreaterThan(0.9)
  })
  test('another sound stays low', () => expect(correlation(noise(20_000, 3), part).value).toBeLessThan(0.15))
  test('a part longer than the whole is not in it', () => expect(correlation(part.subarray(0, 100), part)).toEqual({ value: 0, offset: 0 }))
})

describe('resemblance', () => {
  const part = noise(8000, 1)
  /** Playback with 20 ms left out and 20 ms played twice, as jitter buffers do it. */
  const stretched = () => {
    const whole = noise(20_000, 2).map(x => x * 0.05)
    whole.set(part.subarray(0, 3000), 5000)
    whole.set(part.subarray(3160, 6000), 8000)
    whole.set(part.subarray(5840), 10_840)
    return whole
  }
  test('a part that was stretched is found, where the plain comparison of waveforms loses it', () => {
    expect(correlation(stretched(), part).value).toBeLessThan(0.7)
    expect(resemblance(stretched(), part)).toBeGreaterThan(0.8)
  })
  test('the same sound is 1, half of it a half, another one low, silence nothing', () => {
    expect(resemblance(part, part)).toBeCloseTo(1, 3)
    expect(resemblance(part.with(0, 0).fill(0, 4000), part)).toBeCloseTo(0.5, 1)
    expect(resemblance(noise(20_000, 3), part)).toBeLessThan(0.2)
    expect(resemblance(new Float64Array(20_000), part)).toBe(0)
    expect(resemblance(part.subarray(1), part)).toBe(0)
  })
})
