import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import path from 'node:path'
import type { Io } from './io.ts'
import { UsageError } from './usage.ts'

/** One installation and how to get in. */
export interface Profile {
  base_url: string
  access_key?: string
  /** A session token, which lives for an hour and is exchanged while it is used. */
  token?: string
  username?: string
}
interface Config {
  profiles: Record<string, Profile>
  forward_secret?: string
}

/** Where profiles are kept: `voipbin/config.json` under `XDG_CONFIG_HOME`, else under `~/.config`. */
export const configFile = (env: Io['env']): string =>
  path.join(env.XDG_CONFIG_HOME || path.join(env.HOME || homedir(), '.config'), 'voipbin/config.json')

export const readProfiles = (env: Io['env']): Record<string, Profile> => ({ ...readConfig(env).profiles })

function readConfig(env: Io['env']): Config {
  const file = configFile(env)
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { profiles: {} }
    throw error
  }
  try {
    return JSON.parse(text) as Config
  } catch (error) {
    throw new UsageError(`${file} is not valid JSON. Correct it, or delete it and sign in again.`, { cause: error })
  }
}

/** Keeps a profile, or forgets it. */
export function writeProfile(env: Io['env'], name: string, profile: Profile | undefined): void {
  const config = readConfig(env)
  const { [name]: _, ...others } = config.profiles
  writeConfig(env, { ...config, profiles: { ...others, ...(profile && { [name]: profile }) } })
}

/** What `voipbin listen` signs with: made up once, so that a program that verifies needs it once. */
export function forwardSecret(env: Io['env']): string {
  const config = readConfig(env)
  if (config.forward_secret) return config.forward_secret
  const forward_secret = `whsec_${Buffer.from(crypto.getRandomValues(new Uint8Array(24))).toString('base64')}`
  writeConfig(env, { ...config, forward_secret })
  return forward_secret
}

/** The file is never there half written, and nobody else can read it. */
function writeConfig(env: Io['env'], config: Config): void {
  const file = configFile(env)
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 })
  const next = `${file}.${process.pid}`
  writeFileSync(next, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600 })
  // A file left by a run that was broken off keeps its mode.
  chmodSync(next, 0o600)
  renameSync(next, file)
}
