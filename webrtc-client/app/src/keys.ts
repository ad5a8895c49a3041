import { type Call, isEstablished } from '../../src/index.ts'
import { held, pause, resume } from './store/events.ts'
import { answer, decline, focused, incoming, pressTone, toggleHold, toggleMute } from './store/phone.ts'
import { stage } from './store/session.ts'
import { settings } from './store/settings.ts'
import { dialled, dialog, lastKeyAt, tab } from './store/ui.ts'

/** Work in dialogs, too: a caller does not wait until the settings are closed. */
const callerActions: Record<string, () => void> = {
  a: () => {
    const [caller] = incoming.value
    if (caller) void answer(caller.call)
  },
  d: () => {
    const [caller] = incoming.value
    if (caller) decline(caller.call)
  },
}

const actions: Record<string, () => void> = {
  ...callerActions,
  '?': () => {
    dialog.value = 'shortcuts'
  },
  ',': () => {
    dialog.value = 'settings'
  },
  '/': () => dialField(''),
  m: () => talking(toggleMute),
  h: () => talking(toggleHold),
  x: () => focused.value?.call.hangup(),
  p: () => (held.value ? resume() : pause()),
}

/** Single keys work everywhere but in fields, and only while the setting is on (WCAG 2.1.4). */
export function listenForKeys(): void {
  addEventListener('keydown', event => {
    lastKeyAt.value = performance.now()
    const { ctrlKey, metaKey, altKey, repeat, target } = event
    if (ctrlKey || metaKey || altKey || repeat || stage.value !== 'signed_in' || !settings.value.shortcuts || inField(target)) return
    const key = event.key.toLowerCase()
    const action = dialog.value ? callerActions[key] : /^[0-9*#+]$/.test(key) ? () => digit(key) : actions[key]
    if (!action) return
    event.preventDefault()
    action()
  })
  addEventListener('paste', event => {
    const text = event.clipboardData?.getData('text/plain').trim().split('\n')[0]
    if (!text || stage.value !== 'signed_in' || dialog.value || focused.value || inField(event.target)) return
    event.preventDefault()
    dialField(text)
  })
}

const inField = (target: EventTarget | null): boolean =>
  target instanceof Element && target.closest('input:not([type="checkbox"], [type="radio"]), select, textarea, [contenteditable]') !== null

/** A tone in a call, else the first digit of a number: nobody has to look for the field. */
function digit(key: string): void {
  const call = focused.value
  if (!call) dialField(key)
  else if (call.state === 'active' && key !== '+') void pressTone(call.call, key)
}

function dialField(text: string): void {
  tab.value = 'phone'
  dialled.value += text
  requestAnimationFrame(() => document.querySelector<HTMLInputElement>('[data-testid="dial-input"]')?.focus())
}

function talking(work: (call: Call) => unknown): void {
  const view = focused.value
  if (view && isEstablished(view.state)) work(view.call)
}
