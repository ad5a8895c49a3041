import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { VoIPBIN } from '@voipbin/sdk'

/** What journeys read of `.voipbin/state.json` (`docs/state-json.md`). */
export interface State {
  status: string
  api_url: string
  auth_url: string
  ws_url: string
  softphone_url: string
  sip: { udp: string; tcp: string; ws_url: string; wss_url: string; domain: string; carrier: string }
  ports: Record<string, number>
  processes: Record<string, { pid: number; started: string; log: string; health_url: string | null; metrics_url: string | null }>
  demo: Account
  demo_other: Account
  /** The file this was read from. */
  file: string
}
export interface Account {
  customer_id: string
  username: string
  password: string
  accesskey: string
  webhook_secret: string
  extensions: { extension: string; username: string; password: string; domain: string }[]
  number: string
}

export const readState = (file: string): State => ({ ...(JSON.parse(readFileSync(file, 'utf8')) as State), file })

/** The platform under test: the one that `VOIPBIN_STATE` names. */
export function platform(): State {
  const file = process.env.VOIPBIN_STATE
  if (!file) throw new Error('VOIPBIN_STATE is not set: it names the state.json of a running platform')
  return readState(file)
}

/** A client with an access key; waits through rate limits. */
export const clientOf = (state: State, account: Account): VoIPBIN =>
  new VoIPBIN({ accessKey: account.accesskey, baseUrl: state.api_url, maxRetries: 6 })

/** What the installation keeps beside its state file; only root reads it. */
export const secretsOf = (state: State): { super_admin_password: string; ari_password: string; kamailio_control_token: string } =>
  JSON.parse(readFileSync(join(dirname(state.file), 'secrets.json'), 'utf8'))

/** A client of the operator's super admin, who owns carriers and routes. */
export async function operatorClient(state: State): Promise<VoIPBIN> {
  const credentials = { username: 'admin@voipbin.example', password: secretsOf(state).super_admin_password }
  return new VoIPBIN({ token: await login(state, credentials), baseUrl: state.api_url, maxRetries: 6 })
}

export async function login(state: State, credentials: { username: string; password: string }): Promise<string> {
  const { username, password } = credentials
  const answer = await fetch(`${state.auth_url}/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ username, password }),
  })
  const body = (await answer.json()) as { token?: string }
  if (body.token === undefined) throw new Error(`login of ${username}: ${answer.status}`)
  return body.token
}

/** The extension of an account by its number. */
export function extensionOf(account: Account, extension: string): Account['extensions'][number] {
  const found = account.extensions.find(one => one.extension === extension)
  if (!found) throw new Error(`the demo customer has no extension ${extension}`)
  return found
}

/** `ip:port` of the SIP edge. */
export const edgeOf = (state: State): string => state.sip.udp

/** Every row of a list, newest first. */
export async function all<T>(page: AsyncIterable<T>): Promise<T[]> {
  const rows: T[] = []
  for await (const row of page) rows.push(row)
  return rows
}
