import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readWav, type Samples } from '../../voip/testing/audio.ts'
import { run } from '../../voip/testing/inroot.ts'

/** A voice of flite; flows name it, so that what they say can be compared. */
export const VOICE = 'rms'

/** A resemblance above this is the sentence, below it another one: see `resemblance`. */
export const SPOKEN = 0.6

/** The engine's own recording of a sentence at 8 kHz, made apart from the platform. */
export async function spoken(text: string): Promise<Samples> {
  const inst = mkdtempSync(join(tmpdir(), 'voipbin-speech-'))
  // from a file, as several sentences: given as an argument they are one to the engine
  writeFileSync(join(inst, 'text'), `${text}\n`)
  try {
    await must(run(['flite', '-voice', VOICE, '-f', '/srv/text', '-o', '/srv/raw.wav'], { inst }))
    await must(run(['sox', '/srv/raw.wav', '-r', '8000', '-c', '1', '-b', '16', '/srv/speech.wav'], { inst }))
    return trimmed(readWav(join(inst, 'speech.wav')).samples)
  } finally {
    rmSync(inst, { recursive: true, force: true })
  }
}

async function must(running: ReturnType<typeof run>): Promise<void> {
  const { code, stderr } = await running
  if (code !== 0) throw new Error(stderr)
}

/** Without the silence at both ends. */
function trimmed(samples: Samples): Samples {
  const loud = (sample: number) => Math.abs(sample) > 0.02
  return samples.subarray(samples.findIndex(loud), samples.findLastIndex(loud) + 1)
}
