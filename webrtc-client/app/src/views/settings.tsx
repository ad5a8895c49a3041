import { useEffect, useState } from 'preact/hooks'
import { type AudioDevice, listAudioDevices } from '../../../src/index.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Icon } from '../parts/icon.tsx'
import { calls, registration, useDevices } from '../store/phone.ts'
import { account, chooseExtension, extension, reconnectPhone, signOut } from '../store/session.ts'
import { set, settings, type Theme } from '../store/settings.ts'
import { dialog } from '../store/ui.ts'
import { ringOnce } from '../tones.ts'

export function SettingsDialog() {
  return (
    <Dialog title="Settings" onClose={() => (dialog.value = null)}>
      <div class="settings">
        <Appearance />
        <Devices />
        <Behaviour />
        <Account />
      </div>
    </Dialog>
  )
}

const themes: { id: Theme; label: string }[] = [
  { id: 'auto', label: 'Automatic' },
  { id: 'light', label: 'Light' },
  { id: 'dark', label: 'Dark' },
]

function Appearance() {
  return (
    <fieldset class="field">
      <legend>Appearance</legend>
      <div class="segments">
        {themes.map(({ id, label }) => (
          <label key={id}>
            <input type="radio" name="theme" checked={settings.value.theme === id} onChange={() => set('theme', id)} />
            <span>{label}</span>
          </label>
        ))}
      </div>
    </fieldset>
  )
}

function Devices() {
  const [devices, setDevices] = useState<{ microphones: AudioDevice[]; speakers: AudioDevice[] }>({ microphones: [], speakers: [] })
  const load = () => void listAudioDevices().then(setDevices, () => undefined)
  /** Browsers name devices only to pages that may use them. */
  const allowMicrophone = async (): Promise<void> => {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true }).catch(() => undefined)
    for (const track of stream?.getTracks() ?? []) track.stop()
    load()
  }
  useEffect(() => {
    load()
    navigator.mediaDevices?.addEventListener('devicechange', load)
    return () => navigator.mediaDevices?.removeEventListener('devicechange', load)
  }, [])
  const { microphone, speaker, ringer } = settings.value
  const unnamed = devices.microphones.length > 0 && devices.microphones.every(({ label }) => !label)
  return (
    <>
      {unnamed && (
        <button type="button" class="button" onClick={() => void allowMicrophone()}>
          Allow the microphone to choose devices
        </button>
      )}
      <DeviceField label="Microphone" devices={devices.microphones} value={microphone} onChange={id => choose('microphone', id)} />
      {devices.speakers.length > 0 && (
        <DeviceField label="Speaker" devices={devices.speakers} value={speaker} onChange={id => choose('speaker', id)} />
      )}
      <div class="field">
        <label for="ringer">Ringer volume</label>
        <span class="inline">
          <Icon name="volume" size={18} />
          <input
            id="ringer"
            type="range"
            min="0"
            max="1"
            step="0.05"
            value={ringer}
            onChange={event => {
              set('ringer', event.currentTarget.valueAsNumber)
              ringOnce(event.currentTarget.valueAsNumber)
            }}
          />
        </span>
      </div>
    </>
  )
}

function choose(which: 'microphone' | 'speaker', id: string): void {
  set(which, id)
  void useDevices(settings.value.microphone, settings.value.speaker)
}

interface DeviceFieldProps {
  label: string
  devices: AudioDevice[]
  value: string
  onChange: (id: string) => void
}

function DeviceField({ label, devices, value, onChange }: DeviceFieldProps) {
  return (
    <label class="field">
      <span>{label}</span>
      <select value={value} onChange={event => onChange(event.currentTarget.value)}>
        <option value="">Default</option>
        {devices
          .filter(({ deviceId }) => deviceId && deviceId !== 'default')
          .map(({ deviceId, label: name }, index) => (
            <option key={deviceId} value={deviceId}>
              {name || `${label} ${index + 1}`}
            </option>
          ))}
      </select>
    </label>
  )
}

function Behaviour() {
  const [permission, setPermission] = useState('Notification' in window ? Notification.permission : 'denied')
  return (
    <div class="checks">
      <label class="switch">
        <input type="checkbox" checked={settings.value.key_tones} onChange={event => set('key_tones', event.currentTarget.checked)} />
        Sound on key press
      </label>
      <label class="switch">
        <input type="checkbox" checked={settings.value.shortcuts} onChange={event => set('shortcuts', event.currentTarget.checked)} />
        Keyboard shortcuts
      </label>
      {permission === 'default' && (
        <button type="button" class="button" onClick={() => void Notification.requestPermission().then(setPermission)}>
          Notify me of calls when this tab is hidden
        </button>
      )}
    </div>
  )
}

function Account() {
  return (
    <div class="account">
      <dl class="facts">
        <div>
          <dt>Signed in as</dt>
          <dd>{account.value.username}</dd>
        </div>
        <div>
          <dt>Extension</dt>
          <dd>
            {extension.value?.extension} · {registration.value}
          </dd>
        </div>
      </dl>
      <label class="field">
        <span>Connection to the phone server</span>
        <select
          value={settings.value.transport}
          disabled={calls.value.length > 0}
          onChange={event => {
            set('transport', event.currentTarget.value === 'wss' ? 'wss' : event.currentTarget.value === 'ws' ? 'ws' : 'auto')
            reconnectPhone()
          }}
        >
          <option value="auto">Automatic</option>
          <option value="wss">Encrypted (WSS)</option>
          <option value="ws">Plain (WS)</option>
        </select>
      </label>
      <div class="account-actions">
        {calls.value.length === 0 && (
          <button
            type="button"
            class="button"
            onClick={() => {
              dialog.value = null
              void chooseExtension()
            }}
          >
            Other extension
          </button>
        )}
        <button type="button" class="button" data-testid="sign-out" onClick={() => void signOut()}>
          <Icon name="sign_out" size={18} />
          {calls.value.length > 0 ? 'Hang up and sign out' : 'Sign out'}
        </button>
      </div>
    </div>
  )
}
