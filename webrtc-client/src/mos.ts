export interface NetworkQuality {
  codec: string
  /** Round trip of RTCP, both ways together. */
  roundTripTimeMs: number
  jitterMs: number
  /** Share of packets of the last interval that did not arrive, 0–1. */
  loss: number
  /** What the jitter buffer adds. When unknown, twice the jitter is a good guess for an adaptive one. */
  jitterBufferMs?: number | undefined
}

/**
 * Equipment impairment `Ie` and loss robustness `Bpl` (ITU-T G.113). G.711 with concealment has Bpl 25.1; browsers always conceal. G.113 has no value
 * for Opus in the narrowband model: 0 / 20 keeps it near G.711, and the model's ceiling of 4.41 hides that wideband sounds better.
 */
const codecs: Record<string, { ie: number; bpl: number }> = {
  PCMU: { ie: 0, bpl: 25.1 },
  PCMA: { ie: 0, bpl: 25.1 },
  G722: { ie: 0, bpl: 20 },
  OPUS: { ie: 0, bpl: 20 },
}

const PACKET_AND_CODEC_MS = 25

/**
 * Estimated mean opinion score, 1.0 (bad) to 4.4 (as good as a telephone gets), by the E-model of ITU-T G.107 with its default values: R = 93.2 − Id − Ie,eff.
 * Delay impairment Id is the usual simplification 0.024·d + 0.11·(d − 177.3) past 177.3 ms; packet loss is taken as random (BurstR 1).
 */
export function estimateMos({ codec, roundTripTimeMs, jitterMs, loss, jitterBufferMs = 2 * jitterMs }: NetworkQuality): number {
  const { ie, bpl } = codecs[codec.toUpperCase()] ?? { ie: 10, bpl: 10 }
  const delay = roundTripTimeMs / 2 + jitterBufferMs + PACKET_AND_CODEC_MS
  const delayImpairment = 0.024 * delay + (delay > 177.3 ? 0.11 * (delay - 177.3) : 0)
  const lossPercent = Math.min(1, Math.max(0, loss)) * 100
  const equipment = ie + (95 - ie) * (lossPercent / (lossPercent + bpl))
  return mosOfR(93.2 - delayImpairment - equipment)
}

/** ITU-T G.107 Annex B. */
function mosOfR(r: number): number {
  if (r <= 0) return 1
  if (r >= 100) return 4.5
  return Math.max(1, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6)
}
