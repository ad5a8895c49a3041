import { hostedUrl } from '../defaults.ts'
import { VoIPBINError } from '../errors.ts'
import { VoIPBIN } from '../index.ts'
import type { Arguments } from './arguments.ts'
import type { Io } from './io.ts'
import { printOne } from './output.ts'
import { configFile, type Profile, readProfiles, writeProfile } from './profiles.ts'
import { givenUrl, openSession, profileName } from './session.ts'
import { UsageError } from './usage.ts'

/** `voipbin login`: tries the credentials and keeps them. */
export async function login(io: Io, { positionals, values }: Arguments): Promise<number> {
  // Not repeated: it may be a key.
  if (positionals.length > 0)
    throw new UsageError('`voipbin login` takes no words; keys and passwords are asked for, or read from standard input.')
  const name = profileName(io, values)
  const known = readProfiles(io.env)[name]
  const base_url = givenUrl(io, values) ?? (await askUrl(io, known?.base_url ?? hostedUrl))
  const profile = values.get('access_key')?.at(-1) === 'true' ? await byKey(io, base_url) : await byPassword(io, base_url, values, known)
  writeProfile(io.env, name, profile)
  io.err(
    `Signed in to ${base_url}${profile.username ? ` as ${profile.username}` : ''}. Kept in ${configFile(io.env)}, profile '${name}'.\n`,
  )
  return 0
}

async function askUrl(io: Io, usual: string): Promise<string> {
  if (!io.inIsTty) return usual
  const url = (await io.ask(`Address of the platform [${usual}]: `)).trim()
  return url === '' ? usual : (givenUrl(io, new Map([['base_url', [url]]])) ?? usual)
}

async function byKey(io: Io, base_url: string): Promise<Profile> {
  const access_key = io.env.VOIPBIN_ACCESS_KEY || (await io.ask('Access key: ', true)).trim()
  if (!access_key.startsWith('ak_')) throw new UsageError('An access key begins with `ak_`.')
  await whoIs(new VoIPBIN({ accessKey: access_key, baseUrl: base_url }), io)
  return { base_url, access_key }
}

async function byPassword(io: Io, base_url: string, values: Arguments['values'], known: Profile | undefined): Promise<Profile> {
  const usual = known?.username ? ` [${known.username}]` : ''
  let username = values.get('username')?.at(-1) ?? ''
  if (username === '' && io.inIsTty) username = (await io.ask(`User name${usual}: `)).trim() || (known?.username ?? '')
  if (username === '') throw new UsageError('`voipbin login` needs --username when nobody can be asked.')
  const password = await io.ask('Password: ', true)
  if (password === '') throw new UsageError('There is no password on standard input.')
  const client = new VoIPBIN({ token: null, baseUrl: base_url })
  const { token } = await client.auth.login({ username, password }, { signal: io.signal })
  return { base_url, username, token }
}

/** `voipbin logout`: ends the session and forgets the profile. An access key stays valid. */
export async function logout(io: Io, { values }: Arguments): Promise<number> {
  const name = profileName(io, values)
  const profile = readProfiles(io.env)[name]
  if (!profile) throw new UsageError(`There is no profile '${name}'.`)
  if (profile.token) {
    const client = new VoIPBIN({ token: profile.token, baseUrl: profile.base_url })
    const { error } = await client.auth.logout({ signal: io.signal }).asResult()
    // One that has ended by itself is as good.
    if (error && error.httpStatus !== 401) throw error
  }
  writeProfile(io.env, name, undefined)
  io.err(
    `Forgot the profile '${name}'.${profile.access_key ? ' Its access key is still valid; `voipbin accesskeys delete` ends it.' : ''}\n`,
  )
  return 0
}

/** `voipbin whoami` */
export async function whoami(io: Io, { values }: Arguments): Promise<number> {
  const session = openSession(io, values)
  const kind = 'accessKey' in session.credentials ? 'access key' : 'session'
  const who = await whoIs(session.client, io)
  printOne(io, { base_url: session.base_url, profile: session.profile, credentials: kind, ...who }, values)
  return 0
}

/** Whose credentials they are. An access key has no agent, and may not be allowed to read its customer. */
async function whoIs(client: VoIPBIN, { signal }: Io): Promise<Record<string, unknown>> {
  const me = await client.me.get({ signal }).asResult()
  if (me.data) {
    const { customer_id, id, username, name, permissions } = me.data
    return { customer_id, agent_id: id, username, name, permissions }
  }
  if (me.error.reason !== 'AGENT_REQUIRED') throw me.error
  const own = await client.customers.getOwn({ signal }).asResult()
  if (own.data) return { customer_id: own.data.id, name: own.data.name }
  if (own.error instanceof VoIPBINError && own.error.httpStatus === 403) return {}
  throw own.error
}
