import { expect, test } from 'vitest'
import { estimateMos } from './mos.ts'

const line = { codec: 'PCMU', roundTripTimeMs: 40, jitterMs: 2, loss: 0 }

// Worked out by hand from the formulas of G.107.
test.each([
  { when: 'a clean local line', change: {}, want: 4.386 },
  { when: 'a satellite hop', change: { roundTripTimeMs: 600 }, want: 3.532 },
  { when: '5 % loss', change: { loss: 0.05 }, want: 3.874 },
  { when: '20 % loss', change: { loss: 0.2 }, want: 2.57 },
  { when: 'everything lost', change: { loss: 1 }, want: 1.148 },
  { when: 'an unknown codec', change: { codec: 'X-FOO' }, want: 4.098 },
])('$when is about $want', ({ change, want }) => expect(estimateMos({ ...line, ...change })).toBeCloseTo(want, 2))

test('stays between 1 and 4.5 and falls with loss, delay and jitter', () => {
  for (const field of ['loss', 'roundTripTimeMs', 'jitterMs'] as const) {
    let last = 4.5
    for (let step = 0; step <= 20; step++) {
      const mos = estimateMos({ ...line, [field]: step * (field === 'loss' ? 0.05 : 100) })
      expect(mos).toBeGreaterThanOrEqual(1)
      expect(mos).toBeLessThanOrEqual(last)
      last = mos
    }
  }
})
