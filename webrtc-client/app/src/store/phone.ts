import { computed, signal } from '@preact/signals'
import { type Call, type CallStats, isEstablished, Phone, PhoneError, type PhoneOptions } from '../../../src/index.ts'
import { phoneErrorText } from '../errors.ts'
import { causeText } from '../format.ts'
import { audioContext, keyTone } from '../tones.ts'
import { type CallView, viewOf } from './call-view.ts'
import { settings } from './settings.ts'
import { announce, dialled, tab } from './ui.ts'

export type Registration = 'off' | 'connecting' | 'registered' | 'reconnecting' | 'refused' | 'failed'

export const registration = signal<Registration>('off')
export const registrationError = signal('')
export const calls = signal<readonly CallView[]>([])
/** Call that ended last, shown until the next one or until it is put away. */
export const lastCall = signal<CallView | null>(null)
export const phoneError = signal('')
export const audioBlocked = signal(false)
/** Last minute of the shown call, one reading a second. */
export const quality = signal<CallStats[]>([])

/** Tones sent in the shown call. */
export const tonesSent = signal('')

const focusedId = signal('')
const declined = new WeakSet<Call>()

export const incoming = computed(() => calls.value.filter(call => call.direction === 'incoming' && call.state === 'ringing'))
/** Calls that do not wait for an answer. */
export const others = computed(() => calls.value.filter(call => !incoming.value.includes(call)))
/** The call on the screen; the rest are listed beside it. */
export const focused = computed(() => others.value.find(({ id }) => id === focusedId.value) ?? others.value.at(-1) ?? null)
export const background = computed(() => others.value.filter(call => call !== focused.value))

let phone: Phone | undefined

/** Registers with these credentials; an earlier registration is given up first. */
export function startPhone(options: PhoneOptions): void {
  void stopPhone()
  const { microphone, speaker } = settings.value
  const audio: MediaTrackConstraints = microphone ? { deviceId: { ideal: microphone } } : {}
  const current = new Phone({ ...options, audio })
  phone = current
  registrationError.value = ''
  current.on('connection', ({ state }) => {
    if (phone !== current) return
    if (state === 'connecting') registration.value = 'connecting'
    if (state === 'reconnecting') registration.value = 'reconnecting'
  })
  current.on('registered', () => {
    registration.value = 'registered'
    registrationError.value = ''
    announce('Phone registered')
  })
  current.on('registrationFailed', error => {
    registration.value = error.reason === 'registration_refused' ? 'refused' : 'failed'
    registrationError.value = error.message
    announce(error.message, { urgent: true })
  })
  current.on('incoming', follow)
  current.on('calls', list => {
    calls.value = list.map(viewOf)
  })
  // Failures arrive as events.
  current.start().catch(() => undefined)
  if (speaker) void current.setSpeaker(speaker)
}

export async function stopPhone(): Promise<void> {
  const old = phone
  phone = undefined
  registration.value = 'off'
  await old?.stop()
}

/** Calls what stands in the dial field, or this target. */
export async function dial(target = dialled.value): Promise<void> {
  phoneError.value = ''
  audioContext()
  try {
    if (!phone) throw new PhoneError('not_started')
    await holdOthers()
    const call = phone.call(target)
    follow(call)
    focus(call)
    dialled.value = ''
    tab.value = 'phone'
  } catch (error) {
    phoneError.value = phoneErrorText(error)
  }
}

/** Takes the call and holds the one that is talking. */
export async function answer(call: Call): Promise<void> {
  audioContext()
  focus(call)
  tab.value = 'phone'
  await attempt(async () => {
    await holdOthers(call)
    await call.answer()
  })
}

/** Sends the caller away; the call is not shown again. */
export function decline(call: Call): void {
  declined.add(call)
  call.reject(486)
}

export async function toggleHold(call: Call): Promise<void> {
  await attempt(() => (call.state === 'held' ? call.unhold() : call.hold()))
}

export function toggleMute(call: Call): void {
  if (call.muted) call.unmute()
  else call.mute()
}

/** One key of the pad or of the keyboard in a call. */
export async function pressTone(call: Call, key: string): Promise<void> {
  if (settings.value.key_tones) keyTone(key)
  tonesSent.value += key
  await attempt(() => call.sendDtmf(key))
}

/** Brings another call to the front: holds the talking one and goes on with this one. */
export async function switchTo(call: Call): Promise<void> {
  await attempt(async () => {
    await holdOthers(call)
    focus(call)
    if (call.state === 'held') await call.unhold()
  })
}

export async function useDevices(microphone: string, speaker: string): Promise<void> {
  await attempt(async () => {
    await phone?.setMicrophone(microphone)
    await phone?.setSpeaker(speaker)
  })
}

export async function resumeAudio(): Promise<void> {
  audioBlocked.value = false
  await Promise.all(calls.value.map(({ call }) => call.resumeAudio()))
}

async function holdOthers(except?: Call): Promise<void> {
  for (const { call, state } of others.value) if (call !== except && state === 'active') await call.hold()
}

function focus(call: Call): void {
  focusedId.value = call.id
  quality.value = []
  tonesSent.value = ''
  lastCall.value = null
}

function follow(call: Call): void {
  if (call.direction === 'incoming') {
    announce(`Incoming call from ${viewOf(call).name}`, { urgent: true })
  }
  call.on('change', () => {
    calls.value = (phone?.calls ?? []).map(viewOf)
  })
  call.on('audioBlocked', () => {
    audioBlocked.value = true
  })
  call.on('microphoneLost', ({ label }) => {
    phoneError.value = label
      ? `The microphone was unplugged. ${label} is used now.`
      : 'The microphone was unplugged. Nobody hears you until there is one.'
  })
  call.on('state', state => {
    if (state === 'ringing' && call.direction === 'outgoing') announce('Ringing')
    if (state === 'active') announce(`Connected to ${viewOf(call).name}`)
    if (state === 'held') announce('On hold')
  })
  call.on('ended', ({ cause }) => {
    if (call.error) phoneError.value = phoneErrorText(call.error)
    if (!declined.has(call)) lastCall.value = viewOf(call)
    audioBlocked.value = false
    announce(causeText(cause))
  })
}

async function attempt(work: () => Promise<void>): Promise<void> {
  phoneError.value = ''
  try {
    await work()
  } catch (error) {
    phoneError.value = phoneErrorText(error)
  }
}

const READINGS = 60
setInterval(async () => {
  const view = focused.value
  const stats = view && isEstablished(view.state) ? await view.call.stats() : undefined
  if (stats && view?.id === focused.value?.id) quality.value = [...quality.value, stats].slice(-READINGS)
}, 1_000)
