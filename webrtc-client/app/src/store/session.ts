import { effect, signal } from '@preact/signals'
import { UnauthenticatedError } from '@voipbin/sdk'
import type { AuthToken, Extension } from '../api.ts'
import { type AppConfig, loadConfig, type Prefill, readPrefill, sipUrl } from '../config.ts'
import { errorText } from '../errors.ts'
import { api, openApi } from './api.ts'
import { startEvents, stopEvents } from './events.ts'
import { clearHistory, loadHistory } from './history.ts'
import { calls, registrationError, startPhone, stopPhone } from './phone.ts'
import { set, settings } from './settings.ts'
import { dialog } from './ui.ts'

/** What survives a reload of this tab, and nothing else: it goes with the tab or with signing out. */
interface Saved {
  token: string
  username: string
  customer_id: string
  /** When the token is to be renewed, by the clock of this machine. */
  renew_at: number
  extension: Extension | null
  sip_password: string
}

const KEY = 'voipbin.softphone.session'

/** `loading` → `signed_out` → `choosing` an extension → `signed_in`. */
export const stage = signal<'loading' | 'broken' | 'signed_out' | 'choosing' | 'signed_in'>('loading')
export const stageError = signal('')
export const busy = signal(false)
export const prefill = signal<Prefill>({})
export const account = signal<Pick<Saved, 'username' | 'customer_id'>>({ username: '', customer_id: '' })
export const extensions = signal<Extension[]>([])
export const extension = signal<Extension | null>(null)
/** The server takes the token no longer. A call that is up goes on; after it the phone asks to sign in. */
export const sessionOver = signal(false)

let config: AppConfig
let sipPassword = ''
let renewAt = Number.POSITIVE_INFINITY

/** Reads the configuration and goes on with the session of this tab if there is one. */
export async function boot(): Promise<void> {
  prefill.value = readPrefill(location.hash)
  // Passwords must not stay in the address bar, the history or a screenshot.
  if (location.hash) history.replaceState(null, '', location.pathname + location.search)
  if (prefill.value.transport) set('transport', prefill.value.transport)
  try {
    config = await loadConfig()
  } catch (error) {
    stageError.value = error instanceof Error ? error.message : String(error)
    stage.value = 'broken'
    return
  }
  openApi({ api_url: config.api_url, onUnauthenticated: expired })
  const saved = readSaved()
  if (!saved || prefill.value.username) {
    stage.value = 'signed_out'
    return
  }
  api.token = saved.token
  account.value = saved
  renewAt = saved.renew_at
  enter(saved.extension, saved.sip_password)
}

/** Signs in; goes straight on when the extension and its password are known already. */
export async function signIn(username: string, password: string): Promise<void> {
  await working(async () => {
    accept(await api.login(username, password))
    extensions.value = await api.listExtensions()
    // What was filled in for one user is no business of another.
    if (prefill.value.username !== username) prefill.value = {}
    const { extension: wanted, extension_password = '' } = prefill.value
    const match = extensions.value.find(row => row.extension === wanted)
    if (match && extension_password) enter(match, extension_password)
    else stage.value = 'choosing'
  })
}

/** Uses this extension with the password somebody knows. */
export function useExtension(row: Extension, password: string): void {
  enter(row, password)
}

/** Gives the extension a new random password and uses it. */
export async function resetAndUse(row: Extension): Promise<void> {
  await working(async () => {
    const password = randomPassword()
    await api.setExtensionPassword(row.id, password)
    enter(row, password)
  })
}

export async function signOut(): Promise<void> {
  await leave({ prefill: { username: account.value.username }, reason: '' })
}

/** Back to the choice of extension and password, without signing out. */
export async function chooseExtension(): Promise<void> {
  await working(async () => {
    extensions.value = await api.listExtensions()
    prefill.value = { username: account.value.username, extension: extension.value?.extension ?? '' }
    const reason = registrationError.value
    stopEvents()
    clearHistory()
    await stopPhone()
    stageError.value = reason
    stage.value = 'choosing'
  })
}

async function leave({ prefill: filled, reason }: { prefill: Prefill; reason: string }): Promise<void> {
  forget()
  dialog.value = null
  clearInterval(renewal)
  stopEvents()
  clearHistory()
  await Promise.all([stopPhone(), api.logout()])
  prefill.value = filled
  extension.value = null
  sipPassword = ''
  sessionOver.value = false
  stageError.value = reason
  stage.value = 'signed_out'
}

/** Registers again, with the transport of the settings. */
export function reconnectPhone(): void {
  const row = extension.value
  if (!row) return
  startPhone({
    wsUrl: sipUrl(config.sip, location.protocol, settings.value.transport),
    domain: row.domain || config.sip.domain,
    username: row.username,
    password: sipPassword,
    displayName: row.name,
  })
}

function enter(row: Extension | null, password: string): void {
  extension.value = row
  sipPassword = password
  prefill.value = {}
  save()
  clearInterval(renewal)
  renewal = setInterval(() => void renew(), CHECK_MS)
  stage.value = 'signed_in'
  reconnectPhone()
  void loadHistory()
  startEvents(config.ws_url, account.value.customer_id)
}

const EARLY_MS = 5 * 60_000
const CHECK_MS = 20_000
let renewal: ReturnType<typeof setInterval> | undefined

function accept(auth: AuthToken): void {
  account.value = auth
  renewAt = Date.now() + lifetime(auth) - EARLY_MS
}

/** Milliseconds that a new token lives. Its own two times are those of one clock; that of this machine may be hours away from the server's. */
function lifetime({ token, tm_expire }: AuthToken): number {
  try {
    const { iat, exp } = JSON.parse(atob((token.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/'))) as {
      iat: number
      exp: number
    }
    if (exp > iat) return (exp - iat) * 1000
  } catch {
    // Not a token that can be read: its end has to do.
  }
  return Date.parse(tm_expire) - Date.now()
}

/** Renews the token five minutes before its end. A server that is away is asked again; only a refusal ends the session. */
async function renew(): Promise<void> {
  if (Date.now() < renewAt) return
  const due = renewAt
  // Not twice at a time, and not without end with a clock that is wrong.
  renewAt = Date.now() + 3 * CHECK_MS
  try {
    accept(await api.refresh())
    renewAt = Math.max(renewAt, Date.now() + 3 * CHECK_MS)
    save()
  } catch (error) {
    if (error instanceof UnauthenticatedError) expired()
    else renewAt = due
  }
}

function expired(): void {
  if (stage.value === 'signed_in') sessionOver.value = true
}

effect(() => {
  if (!sessionOver.value || calls.value.length > 0) return
  // In memory only: whoever signs in again as the same user goes on with the same phone.
  const filled = { username: account.peek().username, extension: extension.peek()?.extension ?? '', extension_password: sipPassword }
  void leave({ prefill: filled, reason: 'Your session has ended. Please sign in again.' })
})

function save(): void {
  const { username, customer_id } = account.value
  const saved: Saved = { token: api.token, username, customer_id, renew_at: renewAt, extension: extension.value, sip_password: sipPassword }
  try {
    sessionStorage.setItem(KEY, JSON.stringify(saved))
  } catch {
    // Storage is blocked: the session then lasts as long as the page.
  }
}

function forget(): void {
  try {
    sessionStorage.removeItem(KEY)
  } catch {
    // Nothing was kept.
  }
}

async function working(work: () => Promise<void>): Promise<void> {
  busy.value = true
  stageError.value = ''
  try {
    await work()
  } catch (error) {
    stageError.value = errorText(error)
  } finally {
    busy.value = false
  }
}

function readSaved(): Saved | undefined {
  try {
    const saved = JSON.parse(sessionStorage.getItem(KEY) ?? 'null') as Saved | null
    return saved?.token ? saved : undefined
  } catch {
    return undefined
  }
}

function randomPassword(): string {
  const alphabet = 'abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789'
  return Array.from(crypto.getRandomValues(new Uint8Array(24)), byte => alphabet[byte % alphabet.length]).join('')
}
