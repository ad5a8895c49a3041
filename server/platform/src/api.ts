// The platform's own public API, as the launcher uses it to seed and to look at the self-test call.

import { setTimeout as delay } from 'node:timers/promises'
import { VoIPBIN as Client, UnauthenticatedError, type VoIPBIN } from '@voipbin/sdk'

export interface Login {
  username: string
  password: string
}

/** A client with an agent's session; it signs in at the first request. */
export function signedIn(baseUrl: string, login: Login): VoIPBIN {
  let token: Promise<string> | undefined
  return new Client({ baseUrl, token: () => (token ??= signIn(baseUrl, login)) })
}

export const withAccessKey = (baseUrl: string, accessKey: string): VoIPBIN => new Client({ baseUrl, accessKey })

/** Signs in; rejects with UnauthenticatedError when the user name or the password is wrong. */
export async function signIn(baseUrl: string, login: Login): Promise<string> {
  const { token } = await new Client({ baseUrl, token: 'none yet' }).auth.login(login)
  return token
}

/** Signs in as somebody whom the platform is just making. Tries for `within_ms`. */
export async function signInSoon(baseUrl: string, login: Login, within_ms: number): Promise<string> {
  const end = Date.now() + within_ms
  for (;;) {
    try {
      return await signIn(baseUrl, login)
    } catch (error) {
      if (!(error instanceof UnauthenticatedError) || Date.now() > end) throw error
      await delay(1000)
    }
  }
}

/** Whether these credentials are good. */
export async function isAccepted(request: PromiseLike<unknown>): Promise<boolean> {
  try {
    await request
    return true
  } catch (error) {
    if (error instanceof UnauthenticatedError) return false
    throw error
  }
}
