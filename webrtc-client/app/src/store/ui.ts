import { signal } from '@preact/signals'

export type Tab = 'phone' | 'history' | 'events'

/** What a narrow screen shows; a wide one shows everything. */
export const tab = signal<Tab>('phone')
export const dialog = signal<'settings' | 'shortcuts' | null>(null)
/** What stands in the dial field. */
export const dialled = signal('')
/** `performance.now()` of the last key, to tell somebody who is typing. */
export const lastKeyAt = signal(Number.NEGATIVE_INFINITY)
export const online = signal(navigator.onLine)

addEventListener('online', () => {
  online.value = true
})
addEventListener('offline', () => {
  online.value = false
})

/** Read out by screen readers, shown to nobody. `number` tells two announcements of the same words apart. */
export const announcement = signal({ text: '', urgent: false, number: 0 })

/** `urgent` interrupts what is being read: a caller does not wait for the end of the sentence. */
export function announce(text: string, { urgent = false } = {}): void {
  announcement.value = { text, urgent, number: announcement.peek().number + 1 }
}
