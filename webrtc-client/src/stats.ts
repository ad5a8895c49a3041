import { estimateMos } from './mos.ts'

/** Quality of a call now. Counters are totals, `loss` and `mos` are about the time since the last reading. */
export interface CallStats {
  /** e.g. `PCMU`; empty before the first packet. */
  codec: string
  /** e.g. `AEAD_AES_128_GCM`; empty while the key exchange goes on. */
  srtpCipher: string
  dtlsState: RTCDtlsTransportState
  iceState: RTCIceTransportState
  roundTripTimeMs: number | null
  jitterMs: number
  packetsIn: number
  packetsOut: number
  packetsLost: number
  /** Share of the packets since the last reading that were lost, 0–1. */
  loss: number
  /** 0–1, linear. */
  audioLevelIn: number
  audioLevelOut: number
  /** Estimated mean opinion score 1.0–4.4 (`estimateMos`); null before the first packet and while nothing is received. */
  mos: number | null
}

interface Totals {
  received: number
  lost: number
  bufferDelay: number
  bufferCount: number
}

/** Fields that lib.dom leaves out. */
type Inbound = RTCInboundRtpStreamStats & { jitterBufferDelay?: number; jitterBufferEmittedCount?: number }
type Transport = RTCTransportStats & { srtpCipher?: string; iceState?: RTCIceTransportState }
type Source = RTCStats & { kind?: string; audioLevel?: number }
type RemoteInbound = RTCStats & { kind?: string; roundTripTime?: number }

/** Reads one connection over and over and remembers the last totals. */
export class StatsReader {
  #last: Totals = { received: 0, lost: 0, bufferDelay: 0, bufferCount: 0 }
  /** What earlier streams of the call had counted: browsers start from zero after a hold. */
  #before = { received: 0, lost: 0 }

  async read(connection: RTCPeerConnection): Promise<CallStats> {
    const report = await connection.getStats()
    const find = <T extends RTCStats>(type: string, matches: (stats: T) => boolean = () => true): T | undefined => {
      for (const stats of report.values() as IterableIterator<T>) if (stats.type === type && matches(stats)) return stats
      return undefined
    }
    const isAudio = ({ kind }: { kind?: string }) => kind === 'audio'
    const inbound = find<Inbound>('inbound-rtp', isAudio)
    const outbound = find<RTCOutboundRtpStreamStats>('outbound-rtp', isAudio)
    const remote = find<RemoteInbound>('remote-inbound-rtp', isAudio)
    const source = find<Source>('media-source', isAudio)
    const transport = find<Transport>('transport')
    const pair = find<RTCIceCandidatePairStats>('candidate-pair', ({ nominated }) => nominated === true)
    const codecId = inbound?.codecId ?? outbound?.codecId
    const codec = find<RTCStats & { mimeType?: string }>('codec', ({ id }) => id === codecId)?.mimeType?.split('/')[1] ?? ''

    const roundTrip = remote?.roundTripTime ?? pair?.currentRoundTripTime
    const jitter = (inbound?.jitter ?? 0) * 1000
    const totals: Totals = {
      received: inbound?.packetsReceived ?? 0,
      lost: inbound?.packetsLost ?? 0,
      bufferDelay: inbound?.jitterBufferDelay ?? 0,
      bufferCount: inbound?.jitterBufferEmittedCount ?? 0,
    }
    if (totals.received < this.#last.received) {
      this.#before = { received: this.#before.received + this.#last.received, lost: this.#before.lost + this.#last.lost }
      this.#last = { received: 0, lost: 0, bufferDelay: 0, bufferCount: 0 }
    }
    const { received, loss, jitterBufferMs } = difference(this.#last, totals)
    this.#last = totals
    const roundTripTimeMs = roundTrip === undefined ? null : roundTrip * 1000
    return {
      codec,
      srtpCipher: transport?.srtpCipher ?? '',
      dtlsState: transport?.dtlsState ?? 'new',
      iceState: transport?.iceState ?? 'new',
      roundTripTimeMs,
      jitterMs: jitter,
      packetsIn: this.#before.received + totals.received,
      packetsOut: outbound?.packetsSent ?? 0,
      packetsLost: this.#before.lost + totals.lost,
      loss,
      audioLevelIn: inbound?.audioLevel ?? 0,
      audioLevelOut: source?.audioLevel ?? 0,
      mos: received > 0 ? estimateMos({ codec, roundTripTimeMs: roundTripTimeMs ?? 0, jitterMs: jitter, loss, jitterBufferMs }) : null,
    }
  }
}

function difference(before: Totals, now: Totals): { received: number; loss: number; jitterBufferMs: number | undefined } {
  const received = Math.max(0, now.received - before.received)
  // packetsLost is signed (RFC 3550): duplicates and late packets can take it back.
  const lost = Math.max(0, now.lost - before.lost)
  const samples = now.bufferCount - before.bufferCount
  return {
    received,
    loss: received + lost === 0 ? 0 : lost / (received + lost),
    jitterBufferMs: samples > 0 ? ((now.bufferDelay - before.bufferDelay) / samples) * 1000 : undefined,
  }
}
