import { useState } from 'preact/hooks'
import type { Extension } from '../api.ts'
import { Icon } from '../parts/icon.tsx'
import {
  account,
  boot,
  busy,
  extensions,
  prefill,
  resetAndUse,
  signIn,
  signOut,
  stage,
  stageError,
  useExtension,
} from '../store/session.ts'
import { audioContext } from '../tones.ts'
import { Brand } from './brand.tsx'

/** Everything before the phone: the broken start, signing in, choosing an extension. */
export function SignIn() {
  return (
    <main class="sign-in">
      <div class="sign-in-card">
        <Brand />
        {stage.value === 'broken' && <Broken />}
        {stage.value === 'signed_out' && <Credentials />}
        {stage.value === 'choosing' && <Choose />}
      </div>
      <p class="sign-in-foot">
        <Icon name="lock" size={14} /> Calls are encrypted from this browser to the platform.
      </p>
    </main>
  )
}

function Broken() {
  return (
    <div class="stack">
      <h1>The softphone cannot start</h1>
      <p class="muted">Its configuration could not be loaded from the server ({stageError.value}).</p>
      <button type="button" class="button primary" onClick={() => void boot()}>
        Try again
      </button>
    </div>
  )
}

function Credentials() {
  const [username, setUsername] = useState(prefill.value.username ?? '')
  const [password, setPassword] = useState(prefill.value.password ?? '')
  const submit = (event: Event) => {
    event.preventDefault()
    // This click is the gesture that lets the browser play ringing later.
    audioContext()
    void signIn(username.trim(), password)
  }
  return (
    <form class="stack" onSubmit={submit}>
      <div>
        <h1>Sign in</h1>
        <p class="muted">Make and take calls in this browser.</p>
      </div>
      <label class="field">
        <span>User name</span>
        <input
          data-testid="username"
          name="username"
          autocomplete="username"
          autocapitalize="none"
          spellcheck={false}
          required
          value={username}
          onInput={event => setUsername(event.currentTarget.value)}
        />
      </label>
      <label class="field">
        <span>Password</span>
        <input
          data-testid="password"
          name="password"
          type="password"
          autocomplete="current-password"
          required
          value={password}
          onInput={event => setPassword(event.currentTarget.value)}
        />
      </label>
      {prefill.value.extension_password && (
        <p class="hint">
          <Icon name="phone" size={16} /> Connects as extension <strong>{prefill.value.extension}</strong>.
        </p>
      )}
      <Failure />
      <button type="submit" class="button primary large" data-testid="sign-in" disabled={busy.value}>
        {busy.value ? 'Signing in…' : 'Sign in'}
      </button>
    </form>
  )
}

function Choose() {
  const wanted = prefill.value.extension
  const [chosen, setChosen] = useState<Extension | undefined>(extensions.value.find(row => row.extension === wanted) ?? extensions.value[0])
  const [password, setPassword] = useState('')
  if (!chosen) {
    return (
      <div class="stack">
        <h1>No extension yet</h1>
        <p class="muted">A softphone registers as an extension. Create one with POST /v1.0/extensions, then come back.</p>
        <button type="button" class="button" onClick={() => void signOut()}>
          Use another account
        </button>
      </div>
    )
  }
  const submit = (event: Event) => {
    event.preventDefault()
    audioContext()
    if (password) useExtension(chosen, password)
  }
  return (
    <form class="stack" onSubmit={submit}>
      <div>
        <h1>Choose your extension</h1>
        <p class="muted">Signed in as {account.value.username}</p>
      </div>
      <fieldset class="choices">
        <legend class="visually-hidden">Extension</legend>
        {extensions.value.map(row => (
          <label key={row.id} class="choice">
            <input type="radio" name="extension" checked={row === chosen} onChange={() => setChosen(row)} />
            <span class="choice-number">{row.extension}</span>
            <span class="choice-name">{row.name}</span>
          </label>
        ))}
      </fieldset>
      <label class="field">
        <span>Softphone password</span>
        <input
          data-testid="extension-password"
          type="password"
          autocomplete="off"
          value={password}
          onInput={event => setPassword(event.currentTarget.value)}
        />
      </label>
      <Failure />
      <button type="submit" class="button primary large" data-testid="connect" disabled={!password || busy.value}>
        Connect
      </button>
      <div class="alternative">
        <p class="muted">Not known? A new one can be made. Other phones on this extension then need it too.</p>
        <button
          type="button"
          class="button"
          data-testid="reset-password"
          disabled={busy.value}
          onClick={() => {
            audioContext()
            void resetAndUse(chosen)
          }}
        >
          Make a new password and connect
        </button>
        <button type="button" class="button" onClick={() => void signOut()}>
          Use another account
        </button>
      </div>
    </form>
  )
}

function Failure() {
  return (
    <div role="alert" class="failure">
      {stageError.value}
    </div>
  )
}
