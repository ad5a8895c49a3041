import { describe, expect, test } from 'vitest'
import { Slots } from './slots.ts'
import { chooseVoice } from './voices.ts'
import { durationOf, wavOf } from './wav.ts'

test.each([
  { language: 'en-US', voice: null, want: 'flite rms en-US' },
  { language: 'EN', voice: 'female', want: 'flite slt en-US' },
  { language: 'en-GB', voice: 'awb', want: 'flite awb en-US' },
  { language: 'en-XX', voice: 'nobody', want: 'flite rms en-US' },
  { language: 'de-DE', voice: null, want: 'espeak-ng de de' },
  { language: 'de-AT', voice: 'female', want: 'espeak-ng de+f2 de' },
  { language: 'pt-BR', voice: 'm7', want: 'espeak-ng pt-br+m7 pt-br' },
  { language: 'pt-PT', voice: 'x; rm -rf /', want: 'espeak-ng pt pt' },
  { language: 'es-MX', voice: null, want: 'espeak-ng es-419 es-419' },
  { language: 'zh-Hans-CN', voice: null, want: 'espeak-ng cmn cmn' },
  { language: 'ko_KR', voice: null, want: 'espeak-ng ko ko' },
  { language: 'xx', voice: null, want: undefined },
  { language: '', voice: null, want: undefined },
  { language: '../de', voice: null, want: undefined },
])('chooseVoice($language, $voice) is $want', ({ language, voice, want }) => {
  const chosen = chooseVoice(language, voice)
  expect(chosen && `${chosen.engine} ${chosen.voice} ${chosen.language}`).toBe(want)
})

test('wavOf makes a file of 8 kHz, 16 bit, mono', () => {
  const samples = Buffer.alloc(16_000, 1)
  const wav = wavOf(samples)
  expect(wav.subarray(0, 4).toString() + wav.subarray(8, 16).toString() + wav.subarray(36, 40).toString()).toBe('RIFFWAVEfmt data')
  expect([
    wav.readUInt32LE(4),
    wav.readUInt16LE(20),
    wav.readUInt16LE(22),
    wav.readUInt32LE(24),
    wav.readUInt32LE(28),
    wav.readUInt16LE(32),
    wav.readUInt16LE(34),
    wav.readUInt32LE(40),
  ]).toEqual([16_036, 1, 1, 8_000, 16_000, 2, 16, 16_000])
  expect(durationOf(samples)).toBe(1_000)
})

describe('Slots', () => {
  const forever = new AbortController().signal
  test('lets so many through, the others in their order', async () => {
    const slots = new Slots(2)
    let now = 0
    let most = 0
    const order: number[] = []
    const work = (n: number) =>
      slots.use(forever, async () => {
        most = Math.max(most, ++now)
        order.push(n)
        await new Promise(resolve => setImmediate(resolve))
        now--
      })
    await Promise.all([1, 2, 3, 4, 5].map(work))
    expect(most).toBe(2)
    expect(order).toEqual([1, 2, 3, 4, 5])
  })
  test('lets nobody wait who does not want to, and loses no slot', async () => {
    const slots = new Slots(1)
    let end: () => void = () => undefined
    const first = slots.use(forever, () => new Promise<void>(resolve => (end = resolve)))
    const impatient = new AbortController()
    const second = slots.use(impatient.signal, async () => 'never')
    impatient.abort(new Error('gone'))
    await expect(second).rejects.toThrow('gone')
    const third = slots.use(forever, async () => 'mine')
    end()
    await first
    expect(await third).toBe('mine')
    await expect(slots.use(forever, () => Promise.reject(new Error('broken')))).rejects.toThrow('broken')
    expect(await slots.use(forever, async () => 'still')).toBe('still')
  })
})
