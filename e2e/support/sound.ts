import { type Samples, toneLevel } from '../../voip/testing/audio.ts'

/** Louder than this a tone counts as heard, in dB of full scale; the tones of the tests are sent at -10 dB. */
export const HEARD_DB = -30
/** Below this it counts as gone. */
export const GONE_DB = -50
/** A tone that is there is stronger by this than one that is not, in dB, also where sound has gaps. */
export const APART_DB = 20

/** Level of a tone in the last `window_ms` of 8 kHz samples. */
export const recentLevel = (samples: Samples, hz: number, window_ms = 500): number => toneLevel(samples.subarray(-window_ms * 8), hz)
