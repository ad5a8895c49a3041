import { expect, test } from 'vitest'
import { StatsReader } from './stats.ts'

/** As much of a connection as the reader looks at; the numbers are what Chromium reports. */
const connection = (stats: Record<string, unknown>[]) =>
  ({
    getStats: async () => new Map(stats.map((entry, index) => [String(index), { id: String(index), ...entry }])),
  }) as unknown as RTCPeerConnection

const inbound = (packetsReceived: number, packetsLost: number) => ({
  type: 'inbound-rtp',
  kind: 'audio',
  codecId: '0',
  packetsReceived,
  packetsLost,
  jitter: 0.004,
})
const rest = [
  { type: 'codec', mimeType: 'audio/PCMU' },
  { type: 'transport', dtlsState: 'connected', iceState: 'connected', srtpCipher: 'AEAD_AES_128_GCM' },
  { type: 'outbound-rtp', kind: 'audio', packetsSent: 100 },
  { type: 'remote-inbound-rtp', kind: 'audio', roundTripTime: 0.03 },
]

test('reads totals, and loss and quality of the time since the last reading', async () => {
  const reader = new StatsReader()
  const first = await reader.read(connection([...rest, inbound(100, 0)]))
  expect(first).toMatchObject({
    codec: 'PCMU',
    srtpCipher: 'AEAD_AES_128_GCM',
    dtlsState: 'connected',
    roundTripTimeMs: 30,
    jitterMs: 4,
    loss: 0,
  })
  const second = await reader.read(connection([...rest, inbound(190, 10)]))
  expect(second).toMatchObject({ packetsIn: 190, packetsLost: 10, loss: 0.1 })
  expect(second.mos).toBeLessThan(first.mos ?? 0)
})

test('goes on counting when a hold starts the counters again', async () => {
  const reader = new StatsReader()
  await reader.read(connection([...rest, inbound(100, 5)]))
  expect(await reader.read(connection([...rest, inbound(0, 0)]))).toMatchObject({ packetsIn: 100, packetsLost: 5, loss: 0, mos: null })
  expect(await reader.read(connection([...rest, inbound(40, 0)]))).toMatchObject({ packetsIn: 140, packetsLost: 5, loss: 0 })
})

test('before the first packet there is nothing to judge', async () => {
  expect(await new StatsReader().read(connection([]))).toMatchObject({
    codec: '',
    dtlsState: 'new',
    roundTripTimeMs: null,
    packetsIn: 0,
    mos: null,
  })
})
