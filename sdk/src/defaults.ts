interface Environment {
  process?: { env?: Record<string, string | undefined> }
}

/** A variable of the environment. Undefined when it is empty, in browsers, which have none, and where Deno does not allow to look. */
export function variable(name: 'VOIPBIN_ACCESS_KEY' | 'VOIPBIN_BASE_URL'): string | undefined {
  try {
    return (globalThis as Environment).process?.env?.[name]?.trim() || undefined
  } catch {
    return undefined
  }
}

/** The hosted platform. */
export const hostedUrl = 'https://api.voipbin.net'

/** Where the platform is, without `/v1.0` or `/ws`: at `baseUrl`, else where the environment says, else the hosted one. */
export const rootOf = (baseUrl: string = variable('VOIPBIN_BASE_URL') ?? hostedUrl): string => baseUrl.replace(/\/(v1\.0|ws)?\/?$/, '')
