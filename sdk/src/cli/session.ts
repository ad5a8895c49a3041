import type { TokenRequest } from '../credentials.ts'
import { VoIPBINError } from '../errors.ts'
import { VoIPBIN } from '../index.ts'
import type { RetryInfo } from '../transport.ts'
import type { Io } from './io.ts'
import { readProfiles, writeProfile } from './profiles.ts'
import { UsageError } from './usage.ts'

export type Credentials = { accessKey: string } | { token: (request: TokenRequest) => Promise<string> }
export interface Session {
  profile: string
  api_url: string
  ws_url: string
  credentials: Credentials
  client: VoIPBIN
}

export const defaultUrl = 'https://api.voipbin.net'
/** A token with less than this left is exchanged before it is used. */
const renewMs = 15 * 60_000

export const profileName = (io: Io, values: ReadonlyMap<string, string[]>): string =>
  values.get('profile')?.at(-1) ?? (io.env.VOIPBIN_PROFILE || 'default')

/** What the user said where the platform is, by flag or environment. */
export function givenUrl(io: Io, values: ReadonlyMap<string, string[]>): string | undefined {
  const url = values.get('api_url')?.at(-1) ?? io.env.VOIPBIN_API_URL
  if (!url) return undefined
  if (!/^https?:\/\/[^/]/.test(url) || !URL.canParse(url)) throw new UsageError(`'${url}' is no http or https URL.`)
  return plainUrl(url)
}

const plainUrl = (url: string): string => url.replace(/\/(v1\.0\/?)?$/, '')

/** Credentials of the environment, else of the profile. Throws UsageError when there are none and some are needed. */
export function openSession(io: Io, values: ReadonlyMap<string, string[]>, isPublic = false): Session {
  const name = profileName(io, values)
  const stored = readProfiles(io.env)[name]
  const url = givenUrl(io, values)
  const api_url = url ?? stored?.api_url ?? defaultUrl
  const key = io.env.VOIPBIN_ACCESSKEY
  const ws_url = `${api_url.replace(/^http/, 'ws')}/ws`
  const session = (credentials: Credentials): Session => {
    const client = new VoIPBIN({ ...credentials, baseUrl: api_url, onRetry: info => tellRetry(io, info) })
    return { profile: name, api_url, ws_url, credentials, client }
  }
  // Public operations send none.
  if (isPublic) return session({ accessKey: 'none' })
  if (!key && !stored) throw new UsageError(noCredentials(name))
  // What was stored for one place must not be shown to another.
  if (!key && stored && stored.api_url !== api_url)
    throw new UsageError(
      `The profile '${name}' is for ${stored.api_url}, not for ${api_url}. Sign in there, or set VOIPBIN_ACCESSKEY for this command.`,
    )
  const accessKey = key || stored?.accesskey
  return session(accessKey ? { accessKey } : { token: tokenSource(io, name) })
}

/** A pause that one would take for a hang. */
function tellRetry({ err, errIsTty }: Io, { delay_ms, status }: RetryInfo): void {
  if (!errIsTty || delay_ms < 1000) return
  err(`${status === undefined ? 'No answer' : `HTTP ${status}`}; trying again in ${Math.ceil(delay_ms / 1000)} s …\n`)
}

const noCredentials = (name: string): string =>
  name === 'default'
    ? 'You are not signed in. Run `voipbin login`, or set VOIPBIN_ACCESSKEY.'
    : `There is no profile '${name}'. Run \`voipbin login --profile ${name}\`.`

/** The token of a profile, exchanged for a new one in time. Another command may have done that meanwhile: the file is read again. */
function tokenSource(io: Io, name: string): (request: TokenRequest) => Promise<string> {
  let last = ''
  return async ({ refresh }) => {
    const profile = readProfiles(io.env)[name]
    if (!profile?.token) throw new UsageError(noCredentials(name))
    const isRefused = refresh && profile.token === last
    last = profile.token
    if (!isRefused && endOf(profile.token) - Date.now() > renewMs) return last
    const client = new VoIPBIN({ token: profile.token, baseUrl: profile.api_url })
    try {
      const { token } = await client.auth.refresh({ signal: io.signal })
      writeProfile(io.env, name, { ...profile, token })
      last = token
    } catch (error) {
      if (!(error instanceof VoIPBINError) || error.http_status !== 401) throw error
      throw new UsageError(`The session of the profile '${name}' has ended. Run \`voipbin login\` again.`, { cause: error })
    }
    return last
  }
}

/** When a JWT ends, in milliseconds; 0 when it does not say. */
function endOf(token: string): number {
  try {
    const { exp } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8')) as { exp?: number }
    return (exp ?? 0) * 1000
  } catch {
    // Not for us to read: then it is exchanged every time.
    return 0
  }
}
