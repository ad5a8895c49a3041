import { cipherText, qualityText } from '../format.ts'
import { Sparkline } from '../parts/sparkline.tsx'
import { quality } from '../store/phone.ts'

const bars: Record<ReturnType<typeof qualityText> | 'On hold' | 'No audio', number> = {
  Excellent: 4,
  Good: 3,
  Fair: 2,
  Poor: 1,
  Measuring: 0,
  'On hold': 0,
  'No audio': 0,
}

/** How good the line is now and over the last minute. */
export function Quality({ held }: { held: boolean }) {
  const now = quality.value.at(-1)
  const mos = now?.mos ?? null
  // Nothing for three seconds is a fact, not a pause of the measurement. The other side may be on hold or muted by the platform, too.
  const silent = quality.value.length > 3 && quality.value.slice(-3).every(reading => reading.mos === null)
  const word = held ? 'On hold' : silent ? 'No audio' : qualityText(mos)
  return (
    <section
      class="quality"
      data-testid="quality"
      data-level={word === 'On hold' ? 'measuring' : word === 'No audio' ? 'poor' : word.toLowerCase()}
      aria-label="Call quality"
    >
      <header class="quality-head">
        <span class="bars" aria-hidden="true">
          {[1, 2, 3, 4].map(bar => (
            <i key={bar} class={bar <= bars[word] ? 'on' : ''} />
          ))}
        </span>
        <strong>{word}</strong>
        <span class="muted" title="Estimated mean opinion score (ITU-T G.107)">
          {held || mos === null ? '' : `MOS ${mos.toFixed(1)}`}
        </span>
      </header>
      <Sparkline
        values={quality.value.map(reading => reading.mos)}
        min={1}
        max={4.5}
        label={`Quality of the last minute, now ${mos?.toFixed(1) ?? 'unknown'}`}
      />
      <dl class="facts">
        <Fact name="Codec" value={now?.codec || '–'} testid="codec" />
        <Fact name="Encryption" value={now?.srtpCipher ? cipherText(now.srtpCipher) : '–'} title={now?.srtpCipher} testid="cipher" />
        <Fact name="Round trip" value={now?.roundTripTimeMs == null ? '–' : `${now.roundTripTimeMs.toFixed(0)} ms`} />
        <Fact name="Jitter" value={now ? `${now.jitterMs.toFixed(0)} ms` : '–'} />
        <Fact name="Loss" value={now ? `${(now.loss * 100).toFixed(1)} %` : '–'} />
        <Fact name="Packets" value={now ? `${now.packetsIn} / ${now.packetsOut}` : '–'} title="received / sent" />
      </dl>
    </section>
  )
}

function Fact({ name, value, title, testid }: { name: string; value: string; title?: string | undefined; testid?: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd title={title || undefined} data-testid={testid}>
        {value}
      </dd>
    </div>
  )
}
