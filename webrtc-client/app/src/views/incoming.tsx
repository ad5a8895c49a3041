import { useEffect, useRef } from 'preact/hooks'
import { Avatar } from '../parts/avatar.tsx'
import { Icon } from '../parts/icon.tsx'
import type { CallView } from '../store/call-view.ts'
import { answer, decline, focused, incoming } from '../store/phone.ts'

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
    // Somebody who is typing keeps the caret: a space or Enter must not take a call by accident.
    if (!(before instanceof HTMLInputElement)) button.current?.focus()
    return () => before instanceof HTMLElement && before.isConnected && before.focus()
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
          {number === name ? call.remote.uri.replace(/^sip:/, '') : number}
        </p>
      </div>
      <div class="incoming-actions">
        <button type="button" class="button hangup" data-testid="decline" onClick={() => decline(call)}>
          <Icon name="hangup" size={20} />
          Decline
        </button>
        <button type="button" class="button call" data-testid="answer" ref={button} onClick={() => void answer(call)}>
          <Icon name="phone" size={20} />
          {focused.value ? 'Hold & answer' : 'Answer'}
        </button>
      </div>
    </div>
  )
}
