import { type Call, isEstablished } from '../../src/index.ts'
import { held, pause, resume } from './store/events.ts'
import { answer, decline, focused, incoming, sendTones, toggleHold, toggleMute } from './store/phone.ts'
import { settings } from './store/settings.ts'
import { dialog, tab } from './store/ui.ts'

const actions: Record<string, () => void> = {
  '?': () => {
    dialog.value = 'shortcuts'
  },
  ',': () => {
    dialog.value = 'settings'
  },
  '/': focusDialField,
  a: () => {
    const [caller] = incoming.value
    if (caller) void answer(caller.call)
  },
  d: () => {
    const [caller] = incoming.value
    if (caller) decline(caller.call)
  },
  m: () => talking(toggleMute),
  h: () => talking(toggleHold),
  x: () => focused.value?.call.hangup(),
  p: () => (held.value ? resume() : pause()),
}

/** Single keys work everywhere but in fields and dialogs, and only while the setting is on (WCAG 2.1.4). */
export function listenForKeys(): void {
  addEventListener('keydown', event => {
    if (event.ctrlKey || event.metaKey || event.altKey || !settings.value.shortcuts || dialog.value) return
    if (event.target instanceof Element && event.target.closest('input, select, textarea, [contenteditable]')) return
    const key = event.key.toLowerCase()
    const call = focused.value
    if (/^[0-9*#]$/.test(key) && call?.state === 'active') {
      void sendTones(call.call, key)
      return
    }
    const action = actions[key]
    if (!action) return
    event.preventDefault()
    action()
  })
}

function focusDialField(): void {
  tab.value = 'phone'
  requestAnimationFrame(() => document.querySelector<HTMLInputElement>('[data-testid="dial-input"]')?.focus())
}

function talking(work: (call: Call) => unknown): void {
  const view = focused.value
  if (view && isEstablished(view.state)) work(view.call)
}
