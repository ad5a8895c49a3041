import { useEffect, useRef } from 'preact/hooks'
import { causeText, duration } from '../format.ts'
import { Icon } from '../parts/icon.tsx'
import { Keypad } from '../parts/keypad.tsx'
import { audioBlocked, background, dial, focused, lastCall, phoneError, registration, resumeAudio, switchTo } from '../store/phone.ts'
import { dialled } from '../store/ui.ts'
import { InCall } from './in-call.tsx'

/** Dial pad, or the call that is on. */
export function PhonePanel() {
  const view = focused.value
  const section = useRef<HTMLElement>(null)
  useEffect(() => {
    // The button that was pressed is gone with the view it was in: the keyboard goes on from here, not from the top of the page.
    if (document.activeElement === document.body) section.current?.focus({ preventScroll: true })
  }, [view?.id])
  return (
    <section
      class={background.value.length > 0 ? 'panel phone-panel crowded' : 'panel phone-panel'}
      aria-label="Phone"
      tabIndex={-1}
      ref={section}
    >
      <Notices />
      {view ? <InCall key={view.id} view={view} /> : <DialPad />}
      {background.value.length > 0 && (
        <ul class="parked" aria-label="Other calls">
          {background.value.map(other => (
            <li key={other.id}>
              <button type="button" class="button" onClick={() => void switchTo(other.call)}>
                <Icon name={other.state === 'held' ? 'play' : 'phone'} size={16} />
                <span class="truncate">{other.name}</span>
                <span class="muted">{other.state === 'held' ? 'On hold' : other.state}</span>
              </button>
            </li>
          ))}
        </ul>
      )}
    </section>
  )
}

function Notices() {
  return (
    <>
      {audioBlocked.value && (
        <div class="notice" role="alert">
          <span>The browser is holding the sound back.</span>
          <button type="button" class="button small" onClick={() => void resumeAudio()}>
            Turn on
          </button>
        </div>
      )}
      {phoneError.value && (
        <div class="notice danger" role="alert" data-testid="phone-error">
          <span>{phoneError.value}</span>
          <button type="button" class="icon-button small" aria-label="Dismiss" onClick={() => (phoneError.value = '')}>
            <Icon name="close" size={16} />
          </button>
        </div>
      )}
    </>
  )
}

function DialPad() {
  const ready = registration.value === 'registered'
  const submit = (event: Event) => {
    event.preventDefault()
    if (dialled.value.trim()) void dial()
  }
  return (
    <form class="dial" onSubmit={submit}>
      <LastCall />
      <div class="dial-field">
        <input
          data-testid="dial-input"
          aria-label="Number, extension or SIP address"
          placeholder="Number or name"
          inputMode="tel"
          autocomplete="off"
          spellcheck={false}
          class={dialled.value.length > 14 ? 'dial-input long' : 'dial-input'}
          value={dialled.value}
          onInput={event => (dialled.value = event.currentTarget.value)}
        />
        <button
          type="button"
          class="icon-button"
          aria-label="Delete the last character"
          disabled={!dialled.value}
          onClick={() => (dialled.value = dialled.value.slice(0, -1))}
          onDblClick={() => (dialled.value = '')}
        >
          <Icon name="backspace" />
        </button>
      </div>
      <Keypad label="Dial pad" onKey={key => (dialled.value += key)} />
      <button type="submit" class="button call" data-testid="call" disabled={!ready || !dialled.value.trim()}>
        <Icon name="phone" size={22} />
        Call
      </button>
    </form>
  )
}

/** How the last call ended, with the way back to it. */
function LastCall() {
  const view = lastCall.value
  if (!view) return null
  const missed = view.direction === 'incoming' && !view.answeredAt && view.cause !== 'answered_elsewhere'
  const seconds = view.call.durationMs / 1000
  return (
    <div class="last-call" data-testid="last-call">
      <span class="truncate">
        <strong>{view.name}</strong>
        <span class="muted">
          {missed ? 'Missed call' : causeText(view.cause)}
          {seconds > 0 && ` · ${duration(seconds)}`}
        </span>
      </span>
      {view.number && (
        <button type="button" class="button small" onClick={() => void dial(view.call.remote.target)}>
          Call {view.direction === 'incoming' ? 'back' : 'again'}
        </button>
      )}
      <button type="button" class="icon-button small" aria-label="Dismiss" onClick={() => (lastCall.value = null)}>
        <Icon name="close" size={16} />
      </button>
    </div>
  )
}
