import { computed, effect } from '@preact/signals'
import { isEstablished } from '../../../src/index.ts'
import { callWaiting, ring, ringback } from '../tones.ts'
import { calls, incoming, others } from './phone.ts'
import { settings } from './settings.ts'

// How a call makes itself noticed outside of what is drawn: sound, tab, notification, and a screen and a page that stay while it goes on.

const talking = computed(() => others.value.some(({ state }) => isEstablished(state)))

/** One sound at a time. A word, so that other changes do not start it over. */
const sound = computed(() => {
  if (incoming.value.length > 0) return talking.value ? 'waiting' : 'ring'
  return others.value.some(({ state, earlyMedia }) => state === 'ringing' && !earlyMedia) ? 'ringback' : 'none'
})

effect(() => {
  if (sound.value === 'ring') return ring(settings.peek().ringer)
  if (sound.value === 'waiting') return callWaiting()
  return sound.value === 'ringback' ? ringback() : undefined
})

const tabState = computed(() => (incoming.value.length > 0 ? 'ringing' : talking.value ? 'call' : 'idle'))
const icons = { idle: './favicon.svg', ringing: './favicon-ringing.svg', call: './favicon-call.svg' }

effect(() => {
  const icon = document.querySelector<HTMLLinkElement>('link[rel="icon"]')
  if (icon) icon.href = icons[tabState.value]
})

effect(() => {
  const [caller] = incoming.value
  const partner = others.value.find(({ state }) => isEstablished(state))
  const title = partner ? `In call with ${partner.name}` : 'VoIPBIN Softphone'
  document.title = caller ? `${caller.name} is calling` : title
})

/** Calls that have been told already. */
const notified = new Set<string>()
const notifications = new Map<string, Notification>()

effect(() => {
  for (const { id, name } of incoming.value) if (!notified.has(id)) notify(id, name)
  for (const [id, notification] of notifications) if (!incoming.value.some(call => call.id === id)) notification.close()
})

function notify(id: string, name: string): void {
  notified.add(id)
  if (document.hasFocus() || !('Notification' in window) || Notification.permission !== 'granted') return
  try {
    const notification = new Notification('Incoming call', { body: name, tag: id, requireInteraction: true })
    notifications.set(id, notification)
    notification.onclose = () => notifications.delete(id)
    notification.onclick = () => {
      window.focus()
      notification.close()
    }
  } catch {
    // Chrome for Android has the constructor and lets only service workers use what it makes. The page rings all the same.
  }
}

const busy = computed(() => calls.value.length > 0)

effect(() => {
  if (!busy.value) return
  // The browser asks whether to leave: closing or reloading the page hangs up.
  const ask = (event: BeforeUnloadEvent) => event.preventDefault()
  addEventListener('beforeunload', ask)
  return () => removeEventListener('beforeunload', ask)
})

effect(() => {
  // A phone that turns its screen off puts the page to sleep, and the call with it. A computer may lock as it always does.
  if (!talking.value || !('wakeLock' in navigator) || !matchMedia('(pointer: coarse)').matches) return
  const stop = new AbortController()
  const keepAwake = async (): Promise<void> => {
    if (document.visibilityState !== 'visible') return
    // Refused when the battery is low, for example: then the screen goes off.
    const lock = await navigator.wakeLock.request('screen').catch(() => undefined)
    if (stop.signal.aborted) await lock?.release()
    else stop.signal.addEventListener('abort', () => void lock?.release(), { once: true })
  }
  // The browser takes the lock away with the page and does not give it back.
  document.addEventListener('visibilitychange', () => void keepAwake(), { signal: stop.signal })
  void keepAwake()
  return () => stop.abort()
})
