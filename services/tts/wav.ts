/** Samples per second of everything a call hears. */
export const rate = 8_000
const bytesPerSample = 2

/** A WAV file (RIFF, PCM, 8 kHz, 16 bit, mono) around raw little-endian samples. */
export function wavOf(samples: Buffer): Buffer {
  const header = Buffer.alloc(44)
  header.write('RIFF', 0)
  header.writeUInt32LE(36 + samples.length, 4)
  header.write('WAVEfmt ', 8)
  header.writeUInt32LE(16, 16)
  header.writeUInt16LE(1, 20)
  header.writeUInt16LE(1, 22)
  header.writeUInt32LE(rate, 24)
  header.writeUInt32LE(rate * bytesPerSample, 28)
  header.writeUInt16LE(bytesPerSample, 32)
  header.writeUInt16LE(bytesPerSample * 8, 34)
  header.write('data', 36)
  header.writeUInt32LE(samples.length, 40)
  return Buffer.concat([header, samples])
}

export const durationOf = (samples: Buffer): number => Math.round((samples.length / bytesPerSample / rate) * 1_000)
