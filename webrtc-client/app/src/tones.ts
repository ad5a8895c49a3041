import { signal } from '@preact/signals'

/** Ringing, made here: no sound file, no licence, no download. */

let context: AudioContext | undefined

/** The browser lets nothing be heard before somebody has clicked or typed in the page, after a reload for example. */
export const soundBlocked = signal(false)
const STARTS_WITHIN_MS = 500

/** One context for all. Creating it in a click is what makes the browser allow sound later. */
export function audioContext(): AudioContext {
  if (!context) {
    const created = new AudioContext()
    const look = () => {
      soundBlocked.value = created.state === 'suspended'
    }
    setTimeout(look, STARTS_WITHIN_MS)
    created.addEventListener('statechange', look)
    context = created
  }
  if (context.state === 'suspended') void context.resume()
  return context
}

for (const gesture of ['pointerdown', 'keydown']) addEventListener(gesture, () => context?.state === 'suspended' && audioContext())

interface Note {
  hz: number
  at: number
  seconds: number
}

function play(notes: Note[], volume: number, shape: OscillatorType = 'sine'): () => void {
  const audio = audioContext()
  const master = audio.createGain()
  master.gain.value = volume
  master.connect(audio.destination)
  for (const { hz, at, seconds } of notes) {
    const start = audio.currentTime + at
    const oscillator = audio.createOscillator()
    const envelope = audio.createGain()
    oscillator.type = shape
    oscillator.frequency.value = hz
    envelope.gain.setValueAtTime(0, start)
    envelope.gain.linearRampToValueAtTime(1, start + 0.02)
    envelope.gain.setValueAtTime(1, start + seconds * 0.4)
    envelope.gain.exponentialRampToValueAtTime(0.001, start + seconds)
    oscillator.connect(envelope).connect(master)
    oscillator.start(start)
    oscillator.stop(start + seconds)
  }
  return () => master.disconnect()
}

function repeat(notes: Note[], everyMs: number, volume: number): () => void {
  let stop = play(notes, volume)
  const timer = setInterval(() => {
    stop()
    stop = play(notes, volume)
  }, everyMs)
  return () => {
    clearInterval(timer)
    stop()
  }
}

const chime = [659.25, 783.99, 987.77, 783.99].map((hz, index) => ({ hz, at: index * 0.18, seconds: 0.5 }))

/** A soft chime every 2.4 s until the returned function is called. `volume` 0–1. */
export const ring = (volume: number): (() => void) => repeat(chime, 2_400, volume * 0.35)

/** One chime, for the settings. */
export const ringOnce = (volume: number): (() => void) => play(chime, volume * 0.35)

/** What the caller hears while the other side rings (440 + 480 Hz, 2 s in 6). */
export const ringback = (): (() => void) =>
  repeat(
    [440, 480].map(hz => ({ hz, at: 0, seconds: 2 })),
    6_000,
    0.06,
  )

/** A second caller, heard beside the one who is talking: two short tones every 5 s. */
export const callWaiting = (): (() => void) =>
  repeat(
    [0, 0.35].map(at => ({ hz: 440, at, seconds: 0.25 })),
    5_000,
    0.05,
  )

const rows = [697, 770, 852, 941]
const columns = [1209, 1336, 1477]
const keys = ['123', '456', '789', '*0#']

/** The sound of a key. */
export function keyTone(key: string): void {
  const row = keys.findIndex(line => line.includes(key))
  const column = keys[row]?.indexOf(key) ?? -1
  const [low, high] = [rows[row], columns[column]]
  if (low && high)
    play(
      [low, high].map(hz => ({ hz, at: 0, seconds: 0.14 })),
      0.05,
    )
}
