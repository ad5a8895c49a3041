import { effect, signal } from '@preact/signals'

export type Theme = 'auto' | 'light' | 'dark'

export interface Settings {
  theme: Theme
  microphone: string
  speaker: string
  /** 0–1 */
  ringer: number
  shortcuts: boolean
  key_tones: boolean
  transport: 'auto' | 'ws' | 'wss'
}

const KEY = 'voipbin.softphone.settings'
const defaults: Settings = { theme: 'auto', microphone: '', speaker: '', ringer: 0.7, shortcuts: true, key_tones: true, transport: 'auto' }

export const settings = signal<Settings>({ ...defaults, ...stored() })

export function set<Name extends keyof Settings>(name: Name, value: Settings[Name]): void {
  settings.value = { ...settings.value, [name]: value }
}

function stored(): Partial<Settings> {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? '{}') as Partial<Settings>
  } catch {
    // Storage that is blocked or broken means defaults, not a blank page.
    return {}
  }
}

effect(() => {
  const { theme } = settings.value
  if (theme === 'auto') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = theme
  try {
    localStorage.setItem(KEY, JSON.stringify(settings.value))
  } catch {
    // Settings then last as long as the page.
  }
})
