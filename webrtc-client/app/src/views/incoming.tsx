import { useEffect, useRef } from 'preact/hooks'
import { Avatar } from '../parts/avatar.tsx'
import { Icon } from '../parts/icon.tsx'
import type { CallView } from '../store/call-view.ts'
import { answer, decline, incoming, others } from '../store/phone.ts'
import { lastKeyAt } from '../store/ui.ts'

/** Somebody who is typing keeps the focus: a space or Enter must not take a call by accident. */
const TYPING_MS = 1_000

/** Cards of those who are calling, above everything. */
export function Incoming() {
  if (incoming.value.length === 0) return null
  return (
    <div class="incoming-layer">
      {incoming.value.map(view => (
        <Card key={view.id} view={view} />
      ))}
    </div>
  )
}

function Card({ view }: { view: CallView }) {
  const { call, name, number } = view
  const button = useRef<HTMLButtonElement>(null)
  useEffect(() => {
    const before = document.activeElement
    const typing = before instanceof HTMLInputElement || performance.now() - lastKeyAt.value < TYPING_MS
    if (typing) return
    const own = button.current
    own?.focus()
    return () => {
      // Only what this card has taken is given back.
      const left = document.activeElement === document.body || document.activeElement === own
      if (left && before instanceof HTMLElement && before.isConnected) before.focus()
    }
  }, [])
  return (
    <div class="incoming" role="alertdialog" aria-labelledby={`in-${call.id}`} aria-describedby={`num-${call.id}`} data-testid="incoming">
      <Avatar name={name} size={64} pulse />
      <div class="incoming-who">
        <p class="incoming-label">Incoming call</p>
        <h2 id={`in-${call.id}`} class="truncate">
          {name}
        </h2>
        <p id={`num-${call.id}`} class="muted truncate">
          {number === name || !number ? call.remote.uri.replace(/^sip:/, '') : number}
        </p>
      </div>
      <div class="incoming-actions">
        <button type="button" class="button hangup" data-testid="decline" onClick={() => decline(call)}>
          <Icon name="hangup" size={20} />
          Decline
        </button>
        <button type="button" class="button call" data-testid="answer" ref={button} onClick={() => void answer(call)}>
          <Icon name="phone" size={20} />
          {others.value.some(({ state }) => state === 'active') ? 'Hold & answer' : 'Answer'}
        </button>
      </div>
    </div>
  )
}
