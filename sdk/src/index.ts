import createClient, { type Client as ApiClient } from 'openapi-fetch'
import type { RequestOptions } from '../../generated/sdk/request.ts'
import { type Resources, routes } from '../../generated/sdk/resources.ts'
import type { paths } from '../../generated/sdk/types.ts'
import { toError } from './errors.ts'
import { lazyPage, type RawPage } from './page.ts'
import { type RetryInfo, retryingFetch } from './transport.ts'

export type { Reason } from '../../generated/sdk/reasons.ts'
export type { Page, PageResult, RequestOptions } from '../../generated/sdk/request.ts'
export type * from '../../generated/sdk/resources.ts'
// Every schema of the contract by its name: `import type { Call } from '@voipbin/sdk'`.
export type * from '../../generated/sdk/types.ts'
export {
  ConflictError,
  ConnectionError,
  InvalidArgumentError,
  NotFoundError,
  PaymentRequiredError,
  PermissionDeniedError,
  RateLimitError,
  ServerError,
  TimeoutError,
  UnauthenticatedError,
  VoIPBINError,
} from './errors.ts'
export type { RetryInfo } from './transport.ts'

export interface VoIPBINOptions {
  /** `ak_…` Either this or `token`. */
  accessKey?: string
  /** A session token, or where to get one: asked before every request. */
  token?: string | (() => string | Promise<string>)
  /** Where the platform is, with or without `/v1.0`. */
  baseUrl?: string
  /** Attempts after the first. Default 2. */
  maxRetries?: number
  /** Per attempt until the answer begins, in milliseconds. Default 30,000. */
  timeout_ms?: number
  onRetry?: (info: RetryInfo) => void
  fetch?: typeof fetch
}

interface Core {
  /** The typed openapi-fetch client underneath, with credentials and retries: raw responses, any path. */
  readonly api: ApiClient<paths>
  /** The same client with other options. */
  withOptions(options: Partial<VoIPBINOptions>): VoIPBIN
}
/** Client of the platform: `client.calls.create({…})`, `for await (const call of client.calls.list())`. */
export type VoIPBIN = Core & Resources

class Client implements Core {
  readonly #options: VoIPBINOptions
  readonly api: ApiClient<paths>

  constructor(options: VoIPBINOptions) {
    if (!options.accessKey && !options.token) throw new TypeError('VoIPBIN needs an accessKey or a token')
    this.#options = options
    const { baseUrl = 'https://api.voipbin.net', maxRetries = 2, timeout_ms = 30_000, onRetry, fetch = globalThis.fetch } = options
    const send = retryingFetch({ fetch, maxRetries, timeout_ms, onRetry })
    this.api = createClient<paths>({ baseUrl: baseUrl.replace(/\/(v1\.0\/?)?$/, ''), fetch: send })
    this.api.use({ onRequest: async ({ request }) => request.headers.set('authorization', await this.#authorization()) })
    for (const [resource, methods] of Object.entries(routes)) {
      const bound = Object.entries(methods).map(([name, route]) => [name, this.#method(route)])
      Object.assign(this, { [resource]: Object.fromEntries(bound) })
    }
  }

  withOptions(options: Partial<VoIPBINOptions>): VoIPBIN {
    return new VoIPBIN({ ...this.#options, ...options })
  }

  async #authorization(): Promise<string> {
    const { accessKey, token } = this.#options
    if (accessKey) return `AccessKey ${accessKey}`
    return `Bearer ${typeof token === 'function' ? await token() : token}`
  }

  /** A method out of its route: path values first, then query or body, then options. */
  #method(route: string): (...args: unknown[]) => unknown {
    const [verb = '', path = '', flags = ''] = route.split(' ')
    const names = [...path.matchAll(/\{(\w+)\}/g)].map(match => match[1] ?? '')
    return (...args) => {
      const inPath = Object.fromEntries(names.map((name, i) => [name, args[i]]))
      const rest = args.slice(names.length)
      const query = flags.includes('q') ? (rest.shift() as { page_token?: string } | undefined) : undefined
      const body = flags.includes('b') ? rest.shift() : undefined
      const options = (rest[0] ?? {}) as RequestOptions
      const headers: Record<string, string> = { ...options.headers }
      if (flags.includes('i')) headers['idempotency-key'] = options.idempotency_key ?? crypto.randomUUID()
      const init = { body, headers, signal: options.signal, ...(flags.includes('r') && { parseAs: 'blob' }) }
      const run = (more?: object): Promise<unknown> =>
        this.#run(verb, path, { ...init, params: { path: inPath, query: { ...query, ...more } } })
      if (!flags.includes('l')) return run()
      return lazyPage(async page_token => (await run(page_token === undefined ? undefined : { page_token })) as RawPage<unknown>)
    }
  }

  async #run(verb: string, path: string, init: object): Promise<unknown> {
    // Routes come from the contract; their types are those of the generated resource interfaces.
    const request = this.api.request as (
      verb: string,
      path: string,
      init: object,
    ) => Promise<{ data?: unknown; error?: unknown; response: Response }>
    const { data, error, response } = await request(verb.toLowerCase(), path, init)
    if (!response.ok) throw toError(response.status, error)
    return data
  }
}

export const VoIPBIN: new (options: VoIPBINOptions) => VoIPBIN = Client as unknown as new (options: VoIPBINOptions) => VoIPBIN
