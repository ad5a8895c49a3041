import { useEffect, useState } from 'preact/hooks'
import { type Call, isEstablished } from '../../../src/index.ts'
import { duration } from '../format.ts'
import { Avatar } from '../parts/avatar.tsx'
import { Icon, type IconName } from '../parts/icon.tsx'
import { Keypad } from '../parts/keypad.tsx'
import type { CallView } from '../store/call-view.ts'
import { pressTone, toggleHold, toggleMute, tonesSent } from '../store/phone.ts'
import { Quality } from './quality.tsx'

const stateText = {
  connecting: 'Calling…',
  ringing: 'Ringing…',
  answering: 'Connecting…',
  held: 'On hold',
  active: '',
  ended: 'Call ended',
} as const

const TONES_SHOWN = 16

/** The call on the screen. */
export function InCall({ view }: { view: CallView }) {
  const { call, state, name, number } = view
  const [pad, setPad] = useState(false)
  const established = isEstablished(state)
  return (
    <div class={pad ? 'in-call with-pad' : 'in-call'} data-testid="in-call" data-state={state}>
      <div class="in-call-head">
        {!pad && <Avatar name={name} size={88} pulse={!established} />}
        <h2 class="in-call-name" title={name}>
          {name}
        </h2>
        {number && number !== name && <p class="in-call-number">{number}</p>}
        <p class="in-call-state" role="timer" aria-live="off">
          {view.interrupted && <span class="in-call-broken">No audio, repairing… · </span>}
          {state === 'active' && view.remoteHeld ? 'You are on hold · ' : ''}
          {stateText[state]}
          {state === 'held' && ' · '}
          {view.answeredAt && <Timer call={call} />}
        </p>
      </div>
      {pad ? (
        <div class="in-call-pad">
          <output class="tones" aria-label="Tones sent">
            {tonesSent.value.slice(-TONES_SHOWN) || ' '}
          </output>
          <Keypad label="Tones" onKey={key => void pressTone(call, key)} tones />
        </div>
      ) : (
        established && <Quality held={state === 'held'} />
      )}
      <div class="controls">
        <Control
          icon={view.muted ? 'mic_off' : 'mic'}
          label={view.muted ? 'Unmute' : 'Mute'}
          testid="mute"
          on={view.muted}
          off={false}
          onClick={() => toggleMute(call)}
        />
        <Control icon="keypad" label="Keypad" testid="keypad" on={pad} off={state !== 'active'} onClick={() => setPad(!pad)} />
        <Control
          icon={state === 'held' ? 'play' : 'pause'}
          label={state === 'held' ? 'Resume' : 'Hold'}
          testid="hold"
          on={state === 'held'}
          off={!established}
          onClick={() => void toggleHold(call)}
        />
      </div>
      <button type="button" class="button hangup" data-testid="hangup" onClick={() => call.hangup()}>
        <Icon name="hangup" size={24} />
        {established ? 'Hang up' : 'Cancel'}
      </button>
    </div>
  )
}

interface ControlProps {
  icon: IconName
  label: string
  testid: string
  on: boolean
  off: boolean
  onClick: () => void
}

function Control({ icon, label, testid, on, off, onClick }: ControlProps) {
  return (
    <button type="button" class="control" data-testid={testid} aria-pressed={on} disabled={off} onClick={onClick}>
      <span class="control-disc">
        <Icon name={icon} size={24} />
      </span>
      {label}
    </button>
  )
}

function Timer({ call }: { call: Call }) {
  const [seconds, setSeconds] = useState(call.durationMs / 1000)
  useEffect(() => {
    const timer = setInterval(() => setSeconds(call.durationMs / 1000), 500)
    return () => clearInterval(timer)
  }, [call])
  return <span class="timer">{duration(seconds)}</span>
}
