import { signal } from '@preact/signals'
import { UnauthenticatedError } from '@voipbin/sdk'
import type { AuthToken, Extension } from '../api.ts'
import { type AppConfig, loadConfig, type Prefill, readPrefill, sipUrl } from '../config.ts'
import { errorText } from '../errors.ts'
import { api, openApi } from './api.ts'
import { startEvents, stopEvents } from './events.ts'
import { clearHistory, loadHistory } from './history.ts'
import { startPhone, stopPhone } from './phone.ts'
import { set, settings } from './settings.ts'

/** What survives a reload of this tab, and nothing else: it goes with the tab or with signing out. */
interface Saved {
  token: string
  username: string
  customer_id: string
  tm_expire: string
  extension: Extension | null
  sip_password: string
}

const KEY = 'voipbin.softphone.session'

/** `loading` → `signed_out` → `choosing` an extension → `signed_in`. */
export const stage = signal<'loading' | 'broken' | 'signed_out' | 'choosing' | 'signed_in'>('loading')
export const stageError = signal('')
export const busy = signal(false)
export const prefill = signal<Prefill>({})
export const account = signal<Pick<Saved, 'username' | 'customer_id' | 'tm_expire'>>({ username: '', customer_id: '', tm_expire: '' })
export const extensions = signal<Extension[]>([])
export const extension = signal<Extension | null>(null)

let config: AppConfig
let sipPassword = ''

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
  enter(saved.extension, saved.sip_password)
}

/** Signs in; goes straight on when the extension and its password are known already. */
export async function signIn(username: string, password: string): Promise<void> {
  await working(async () => {
    account.value = await api.login(username, password)
    extensions.value = await api.listExtensions()
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
  sessionStorage.removeItem(KEY)
  clearTimeout(renewal)
  stopEvents()
  clearHistory()
  await Promise.all([stopPhone(), api.logout()])
  extension.value = null
  sipPassword = ''
  stage.value = 'signed_out'
}

/** Registers again, with the transport of the settings. */
export function reconnectPhone(): void {
  const row = extension.value
  if (!row) return
  startPhone({
    ws_url: sipUrl(config.sip, location.protocol, settings.value.transport),
    domain: row.domain || config.sip.domain,
    username: row.username,
    password: sipPassword,
    display_name: row.name,
  })
}

function enter(row: Extension | null, password: string): void {
  extension.value = row
  sipPassword = password
  save()
  keepFresh()
  stage.value = 'signed_in'
  reconnectPhone()
  void loadHistory()
  startEvents(config.ws_url, account.value.customer_id)
}

function save(): void {
  const { username, customer_id, tm_expire } = account.value
  const saved: Saved = { token: api.token, username, customer_id, tm_expire, extension: extension.value, sip_password: sipPassword }
  sessionStorage.setItem(KEY, JSON.stringify(saved))
}

const EARLY_MS = 5 * 60_000
const RETRY_MS = 20_000
let renewal: ReturnType<typeof setTimeout> | undefined

/** Renews the token five minutes before its end. A server that is away is asked again; only a refusal ends the session. */
function keepFresh(delay = Date.parse(account.value.tm_expire) - Date.now() - EARLY_MS): void {
  clearTimeout(renewal)
  if (Number.isNaN(delay)) return
  renewal = setTimeout(
    () =>
      void api.refresh().then(
        (auth: AuthToken) => {
          account.value = auth
          save()
          keepFresh()
        },
        (error: unknown) => {
          if (error instanceof UnauthenticatedError) expired()
          else keepFresh(RETRY_MS)
        },
      ),
    Math.max(0, delay),
  )
}

function expired(): void {
  if (stage.value !== 'signed_in') return
  stageError.value = 'Your session has ended. Please sign in again.'
  void signOut()
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
  const text = sessionStorage.getItem(KEY)
  return text ? (JSON.parse(text) as Saved) : undefined
}

function randomPassword(): string {
  const alphabet = 'abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789'
  return Array.from(crypto.getRandomValues(new Uint8Array(24)), byte => alphabet[byte % alphabet.length]).join('')
}
