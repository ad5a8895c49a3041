import { computed, signal } from '@preact/signals'
import { type EventFrame, type EventTopic, Realtime, type RealtimeState } from '@voipbin/sdk/realtime'
import type { Call } from '../api.ts'
import { api } from './api.ts'
import { loadHistory, upsert } from './history.ts'

export const events = signal<EventFrame[]>([])
export const realtime = signal<{ state: RealtimeState; detail: string }>({ state: 'closed', detail: '' })
export const filter = signal('')
/** Events that came while the list was held still; null when it runs. */
export const held = signal<EventFrame[] | null>(null)

export const shown = computed(() => {
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean)
  if (words.length === 0) return events.value
  return events.value.filter(event => {
    const text = `${event.event_type} ${event.resource_id} ${JSON.stringify(event.data)}`.toLowerCase()
    return words.every(word => text.includes(word))
  })
})

/** The list keeps the newest 500: it is a window, not an archive. */
const LIMIT = 500
const resources = [
  'call',
  'groupcall',
  'recording',
  'activeflow',
  'flow',
  'extension',
  'agent',
  'number',
  'billing',
  'billing_account',
  'storage_file',
  'webhook',
] as const

let socket: Realtime | undefined

/** Opens the event socket and keeps it open; subscriptions come back with it. */
export function startEvents(url: string, customerId: string): void {
  socket?.close()
  const topics = resources.map(resource => `customer_id:${customerId}:${resource}` as const)
  const current = new Realtime({
    baseUrl: url,
    token: () => api.token,
    maxDelayMs: 15_000,
    onState: state => onState(current, state, topics),
  })
  socket = current
  current.on('*', onEvent)
  // What the socket missed and cannot bring any more is read again.
  current.on('gap', () => void loadHistory())
  // A failure shows as state; the client tries again by itself.
  current.connect().catch(showReason)
}

export function stopEvents(): void {
  socket?.close()
  socket = undefined
  events.value = []
  held.value = null
}

function onState(current: Realtime, state: RealtimeState, topics: EventTopic[]): void {
  if (socket !== current) return
  realtime.value = { state, detail: state === 'open' ? '' : realtime.value.detail }
  if (state === 'open') void subscribe(current, topics)
}

/** One by one: an agent may not see everything, and a refused topic must not take the others along. */
async function subscribe(current: Realtime, topics: EventTopic[]): Promise<void> {
  const answers = await Promise.allSettled(topics.map(topic => current.subscribe(topic)))
  const refused = answers.find(answer => answer.status === 'rejected')
  if (refused && answers.every(answer => answer.status === 'rejected')) showReason(refused.reason)
}

function showReason(error: unknown): void {
  realtime.value = { ...realtime.value, detail: error instanceof Error ? error.message : String(error) }
}

export function pause(): void {
  held.value = []
}

export function resume(): void {
  events.value = [...(held.value ?? []), ...events.value].slice(0, LIMIT)
  held.value = null
}

export function clearEvents(): void {
  events.value = []
  if (held.value) held.value = []
}

function onEvent(event: EventFrame): void {
  if (held.value) held.value = [event, ...held.value].slice(0, LIMIT)
  else events.value = [event, ...events.value].slice(0, LIMIT)
  if (event.event_type.startsWith('call.')) upsert(event.data as Call)
}
