/** What the server tells the app, in `config.json` beside `index.html`. */
export interface AppConfig {
  /** REST base with version, e.g. `https://host/v1.0`. */
  api_url: string
  /** Base of login and logout, e.g. `https://host/auth`. */
  auth_url: string
  /** Event socket, e.g. `wss://host/ws`. */
  ws_url: string
  sip: { ws_url: string; wss_url: string; domain: string }
}

export async function loadConfig(): Promise<AppConfig> {
  const response = await fetch('./config.json', { headers: { accept: 'application/json' } })
  if (!response.ok) throw new Error(`config.json: ${response.status}`)
  return (await response.json()) as AppConfig
}

/**
 * A page loaded over https may only open wss. A page on http (localhost) takes ws by itself, because a browser refuses a self-signed wss
 * without ever asking; `prefer` is the user's own choice.
 */
export function sipUrl({ ws_url, wss_url }: AppConfig['sip'], protocol: string, prefer: 'auto' | 'ws' | 'wss' = 'auto'): string {
  const secure = protocol === 'https:' || prefer === 'wss'
  return secure ? wss_url || ws_url : ws_url || wss_url
}

/** Sign-in values handed over in the fragment of the address. A fragment never reaches a server or a log. */
export interface Prefill {
  username?: string
  password?: string
  extension?: string
  extension_password?: string
  transport?: 'ws' | 'wss'
}

export function readPrefill(hash: string): Prefill {
  const params = new URLSearchParams(hash.replace(/^#/, ''))
  const prefill: Prefill = {}
  for (const key of ['username', 'password', 'extension', 'extension_password'] as const) {
    const value = params.get(key)
    if (value) prefill[key] = value
  }
  const transport = params.get('transport')
  if (transport === 'ws' || transport === 'wss') prefill.transport = transport
  return prefill
}
