import { signal } from '@preact/signals'

export type Tab = 'phone' | 'history' | 'events'

/** What a narrow screen shows; a wide one shows everything. */
export const tab = signal<Tab>('phone')
export const dialog = signal<'settings' | 'shortcuts' | null>(null)
/** What stands in the dial field. */
export const dialled = signal('')
export const online = signal(navigator.onLine)

addEventListener('online', () => {
  online.value = true
})
addEventListener('offline', () => {
  online.value = false
})

/** Read out by screen readers, shown to nobody. */
export const announcement = signal('')

export function announce(text: string): void {
  announcement.value = text
}
