import type { TokenRequest } from '../credentials.ts'
import { hostedUrl, rootOf } from '../defaults.ts'
import { VoIPBINError } from '../errors.ts'
import { VoIPBIN } from '../index.ts'
import type { RetryInfo } from '../transport.ts'
import type { Io } from './io.ts'
import { type Profile, readProfiles, writeProfile } from './profiles.ts'
import { UsageError } from './usage.ts'

export type Credentials = { accessKey: string } | { token: (request: TokenRequest) => Promise<string> }
export interface Session {
  /** Null when the credentials are those of the environment. */
  profile: string | null
  base_url: string
  credentials: Credentials
  client: VoIPBIN
}

/** A token with less than this left is exchanged before it is used. */
const renewMs = 15 * 60_000

export const profileName = (io: Io, values: ReadonlyMap<string, string[]>): string =>
  values.get('profile')?.at(-1) ?? (io.env.VOIPBIN_PROFILE || 'default')

/** What the user said where the platform is, by flag or environment. */
export function givenUrl(io: Io, values: ReadonlyMap<string, string[]>): string | undefined {
  const url = values.get('base_url')?.at(-1) ?? io.env.VOIPBIN_BASE_URL
  if (!url) return undefined
  if (!/^https?:\/\/[^/]/.test(url) || !URL.canParse(url)) throw new UsageError(`'${url}' is no http or https URL.`)
  return rootOf(url)
}

interface Source {
  name: string
  base_url: string
  /** Of the environment. */
  key: string | undefined
  stored: Profile | undefined
}

/**
 * Credentials and the place they are for come from one source, because no place is to see what was meant for another: the profile that `--profile` names,
 * else the environment, else the profile that is signed in.
 */
function sourceOf(io: Io, values: ReadonlyMap<string, string[]>): Source {
  const name = profileName(io, values)
  const stored = readProfiles(io.env)[name]
  const isNamed = values.has('profile')
  const key = isNamed ? undefined : io.env.VOIPBIN_ACCESS_KEY?.trim()
  const given = isNamed && !values.has('base_url') ? undefined : givenUrl(io, values)
  const base_url = given ?? (key ? undefined : stored?.base_url) ?? hostedUrl
  return { name, base_url, key, stored }
}

/** A client without credentials, for operations that need none. */
export const publicClient = (io: Io, values: ReadonlyMap<string, string[]>): VoIPBIN =>
  new VoIPBIN({ token: null, baseUrl: sourceOf(io, values).base_url, onRetry: info => tellRetry(io, info) })

/** Throws UsageError when there are no credentials, or they are for another place. */
export function openSession(io: Io, values: ReadonlyMap<string, string[]>): Session {
  const { name, base_url, key, stored } = sourceOf(io, values)
  if (!key && !stored) throw new UsageError(noCredentials(name))
  if (!key && stored && stored.base_url !== base_url)
    throw new UsageError(
      `The profile '${name}' is for ${stored.base_url}, not for ${base_url}. Sign in there, or set VOIPBIN_ACCESS_KEY for this command.`,
    )
  const accessKey = key || stored?.access_key
  const credentials = accessKey ? { accessKey } : { token: tokenSource(io, name) }
  const client = new VoIPBIN({ ...credentials, baseUrl: base_url, onRetry: info => tellRetry(io, info) })
  return { profile: key ? null : name, base_url, credentials, client }
}

/** A pause that one would take for a hang. */
function tellRetry({ err, errIsTty }: Io, { delayMs, status }: RetryInfo): void {
  if (!errIsTty || delayMs < 1000) return
  err(`${status === undefined ? 'No answer' : `HTTP ${status}`}; trying again in ${Math.ceil(delayMs / 1000)} s …\n`)
}

const noCredentials = (name: string): string =>
  name === 'default'
    ? 'You are not signed in. Run `voipbin login`, or set VOIPBIN_ACCESS_KEY.'
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
    const client = new VoIPBIN({ token: profile.token, baseUrl: profile.base_url })
    try {
      const { token } = await client.auth.refresh({ signal: io.signal })
      writeProfile(io.env, name, { ...profile, token })
      last = token
    } catch (error) {
      if (!(error instanceof VoIPBINError) || error.httpStatus !== 401) throw error
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
