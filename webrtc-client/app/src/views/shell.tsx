import { Icon, type IconName } from '../parts/icon.tsx'
import { IconButton } from '../parts/icon-button.tsx'
import { realtime } from '../store/events.ts'
import { calls, registration, registrationError } from '../store/phone.ts'
import { chooseExtension, extension, reconnectPhone, sessionOver } from '../store/session.ts'
import { announcement, dialog, online, type Tab, tab } from '../store/ui.ts'
import { soundBlocked } from '../tones.ts'
import { Brand } from './brand.tsx'
import { EventLog } from './event-log.tsx'
import { History } from './history.tsx'
import { Incoming } from './incoming.tsx'
import { PhonePanel } from './phone-panel.tsx'
import { SettingsDialog } from './settings.tsx'
import { ShortcutsDialog } from './shortcuts.tsx'

/** The signed-in app: everything side by side on a desk, one tab at a time on a phone. */
export function Shell() {
  return (
    <div class="shell" data-tab={tab.value}>
      <Header />
      <Banner />
      <main class="panels">
        <PhonePanel />
        <History />
        <EventLog />
      </main>
      <Tabs />
      {/* A modal dialog makes everything outside of it unreachable, so it shows the callers itself. */}
      {dialog.value === null && <Incoming />}
      {dialog.value === 'settings' && <SettingsDialog />}
      {dialog.value === 'shortcuts' && <ShortcutsDialog />}
      <Announcements />
    </div>
  )
}

/** The key makes a new element of every announcement, so that the same words are read again. */
function Announcements() {
  const { text, urgent, number } = announcement.value
  return (
    <>
      <div class="visually-hidden" role="status">
        {!urgent && <span key={number}>{text}</span>}
      </div>
      <div class="visually-hidden" role="alert">
        {urgent && <span key={number}>{text}</span>}
      </div>
    </>
  )
}

const registrationText = {
  off: 'Offline',
  connecting: 'Connecting…',
  registered: 'Ready',
  reconnecting: 'Reconnecting…',
  refused: 'Refused',
  failed: 'Trying again…',
} as const

function Header() {
  const state = registration.value
  return (
    <header class="header">
      <h1 class="visually-hidden">Softphone</h1>
      <Brand />
      <span class="pill" data-testid="registration" data-state={state} title={registrationError.value || undefined}>
        <span class="dot" aria-hidden="true" />
        <span class="pill-text">{registrationText[state]}</span>
        {extension.value && <span class="pill-extension">{extension.value.extension}</span>}
      </span>
      <span class="grow" />
      <IconButton icon="help" label="Keyboard shortcuts" onClick={() => (dialog.value = 'shortcuts')} />
      <IconButton icon="settings" label="Settings" testid="open-settings" onClick={() => (dialog.value = 'settings')} />
    </header>
  )
}

/** What keeps the phone from working, in one place and in words. */
function Banner() {
  if (sessionOver.value)
    return (
      <div class="banner warn" role="status">
        Your session has ended. The call goes on; sign in again after it.
      </div>
    )
  if (registration.value === 'refused') {
    return (
      <div class="banner danger" role="alert">
        <span>The server refused the password of extension {extension.value?.extension}.</span>
        <button type="button" class="button small" onClick={() => void chooseExtension()}>
          Enter another
        </button>
      </div>
    )
  }
  // Browsers say so also where only this machine can be reached, which may be all that is needed: only when nothing is.
  if (!online.value && registration.value !== 'registered')
    return (
      <div class="banner warn" role="status">
        This computer is offline. Running calls go on as soon as it is back.
      </div>
    )
  if (registration.value === 'reconnecting' || registration.value === 'failed') {
    return (
      <div class="banner warn" role="status">
        <span>The connection to the phone server is lost. Trying again…</span>
        {calls.value.length === 0 && (
          <button type="button" class="button small" onClick={reconnectPhone}>
            Try now
          </button>
        )}
      </div>
    )
  }
  if (soundBlocked.value) {
    return (
      <div class="banner warn" role="status">
        Click anywhere or press a key: before that the browser does not let this page ring.
      </div>
    )
  }
  return null
}

const tabs: { id: Tab; icon: IconName; label: string }[] = [
  { id: 'phone', icon: 'keypad', label: 'Phone' },
  { id: 'history', icon: 'clock', label: 'Calls' },
  { id: 'events', icon: 'activity', label: 'Events' },
]

function Tabs() {
  return (
    <nav class="tabs" aria-label="Sections">
      {tabs.map(({ id, icon, label }) => (
        <button
          key={id}
          type="button"
          class="tab"
          data-testid={`tab-${id}`}
          aria-current={tab.value === id ? 'page' : undefined}
          onClick={() => (tab.value = id)}
        >
          <Icon name={icon} size={22} />
          {label}
          {id === 'phone' && calls.value.length > 0 && <Badge text="call running" />}
          {id === 'events' && realtime.value.state === 'reconnecting' && <Badge warn text="not connected" />}
        </button>
      ))}
    </nav>
  )
}

function Badge({ text, warn = false }: { text: string; warn?: boolean }) {
  return (
    <span class={warn ? 'tab-badge warn' : 'tab-badge'}>
      <span class="visually-hidden">{text}</span>
    </span>
  )
}
