import { estimateMos } from './mos.ts'

/** Quality of a call now. Counters are totals, `loss` and `mos` are about the time since the last reading. */
export interface CallStats {
  /** e.g. `PCMU`; empty before the first packet. */
  codec: string
  /** e.g. `AEAD_AES_128_GCM`; empty while the key exchange goes on. */
  srtp_cipher: string
  dtls_state: RTCDtlsTransportState
  ice_state: RTCIceTransportState
  round_trip_time_ms: number | null
  jitter_ms: number
  packets_in: number
  packets_out: number
  packets_lost: number
  /** Share of the packets since the last reading that were lost, 0–1. */
  loss: number
  /** 0–1, linear. */
  audio_level_in: number
  audio_level_out: number
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
    const { received, loss, jitter_buffer_ms } = difference(this.#last, totals)
    this.#last = totals
    const round_trip_time_ms = roundTrip === undefined ? null : roundTrip * 1000
    return {
      codec,
      srtp_cipher: transport?.srtpCipher ?? '',
      dtls_state: transport?.dtlsState ?? 'new',
      ice_state: transport?.iceState ?? 'new',
      round_trip_time_ms,
      jitter_ms: jitter,
      packets_in: this.#before.received + totals.received,
      packets_out: outbound?.packetsSent ?? 0,
      packets_lost: this.#before.lost + totals.lost,
      loss,
      audio_level_in: inbound?.audioLevel ?? 0,
      audio_level_out: source?.audioLevel ?? 0,
      mos:
        received > 0
          ? estimateMos({ codec, round_trip_time_ms: round_trip_time_ms ?? 0, jitter_ms: jitter, loss, jitter_buffer_ms })
          : null,
    }
  }
}

function difference(before: Totals, now: Totals): { received: number; loss: number; jitter_buffer_ms: number | undefined } {
  const received = Math.max(0, now.received - before.received)
  // packetsLost is signed (RFC 3550): duplicates and late packets can take it back.
  const lost = Math.max(0, now.lost - before.lost)
  const samples = now.bufferCount - before.bufferCount
  return {
    received,
    loss: received + lost === 0 ? 0 : lost / (received + lost),
    jitter_buffer_ms: samples > 0 ? ((now.bufferDelay - before.bufferDelay) / samples) * 1000 : undefined,
  }
}
