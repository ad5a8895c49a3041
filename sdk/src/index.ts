import createClient, { type Client as ApiClient } from 'openapi-fetch'
import type { RequestOptions } from '../../generated/sdk/request.ts'
import { type Resources, routes } from '../../generated/sdk/resources.ts'
import type { paths } from '../../generated/sdk/types.ts'
import { Answer, Listing, type RawPage, type Received } from './answer.ts'
import { type TokenSource, Tokens } from './credentials.ts'
import { rootOf, variable } from './defaults.ts'
import { ConnectionError, connectionFailed, TimeoutError, toError } from './errors.ts'
import { type Fetch, type RetryInfo, sendWithRetries } from './transport.ts'
import { within } from './within.ts'

export type { GeneralReason, Reason, ReasonMap, Status } from '../../generated/sdk/reasons.ts'
export type { ApiError, ApiPromise, ApiResult, Page, PageResult, RequestOptions } from '../../generated/sdk/request.ts'
export type * from '../../generated/sdk/resources.ts'
// Every schema of the contract by its name: `import type { Call } from '@voipbin/sdk'`.
export type * from '../../generated/sdk/types.ts'
export type { TokenRequest, TokenSource } from './credentials.ts'
export {
  AlreadyExistsError,
  ConnectionError,
  DeadlineExceededError,
  FailedPreconditionError,
  InternalError,
  InvalidArgumentError,
  NotFoundError,
  PayloadTooLargeError,
  PaymentRequiredError,
  PermissionDeniedError,
  RequestTimeoutError,
  ResourceExhaustedError,
  TimeoutError,
  UnauthenticatedError,
  UnavailableError,
  UnsupportedMediaTypeError,
  VoIPBINError,
} from './errors.ts'
export type { Fetch, FetchAnswer, FetchInit, RetryInfo } from './transport.ts'

export interface VoIPBINOptions {
  /** `ak_…` Unless this or `token` is given, `VOIPBIN_ACCESS_KEY` of the environment. */
  accessKey?: string | undefined
  /** A session token, or where to get one. A request that is refused for its token is sent once more with a new one. Null: none, for signing in. */
  token?: TokenSource | null | undefined
  /** Where the platform is, with or without `/v1.0`. Unless given `VOIPBIN_BASE_URL` of the environment, else `https://api.voipbin.net`. */
  baseUrl?: string | undefined
  /** Attempts after the first. Default 2. */
  maxRetries?: number | undefined
  /** Per attempt, in milliseconds: until the whole answer is there, of files and with `asResponse()` until it begins. Default 30,000. */
  timeoutMs?: number | undefined
  /** Told before every further attempt. */
  onRetry?: ((info: RetryInfo) => void) | undefined
  /** In place of the global one: for a proxy, or in tests. */
  fetch?: Fetch | undefined
}

interface Core {
  /** The typed openapi-fetch client underneath, with credentials and retries: any path, results in place of exceptions. */
  readonly api: ApiClient<paths>
  /** The same client with other options. One with the same token source shares its token. */
  withOptions(options: VoIPBINOptions): VoIPBIN
}
/** Client of the platform: `client.calls.create({…})`, `for await (const call of client.calls.list())`. */
export type VoIPBIN = Core & Resources

/** How one request is sent. */
interface Sending extends RequestOptions {
  /** Without credentials. */
  isPublic?: boolean
  stream?: boolean
}

/** 128 random bits. `randomUUID` is missing on pages that came over plain http. */
const randomKey = (): string => Array.from(crypto.getRandomValues(new Uint8Array(16)), byte => byte.toString(16).padStart(2, '0')).join('')

/** A value for the path. An empty one, and dots, would lead to another path: `delete('')` to that of the list. */
function segment(name: string, value: unknown): unknown {
  if (value === undefined || /^\.{0,2}$/.test(String(value))) throw new TypeError(`'${value}' is no ${name}`)
  return value
}

const noToken = (ms: number): Error => new TimeoutError(`No token within ${ms} ms.`)

/** The tokens of clients made by `withOptions`, by their options. */
const shared = new WeakMap<VoIPBINOptions, Tokens>()

class Client implements Core {
  readonly #options: VoIPBINOptions
  readonly #accessKey: string | undefined
  readonly #tokens: Tokens | undefined
  readonly api: ApiClient<paths>

  constructor(options: VoIPBINOptions = {}) {
    const { token, baseUrl, timeoutMs = 30_000 } = options
    const accessKey = options.accessKey || (token === undefined ? variable('VOIPBIN_ACCESS_KEY') : undefined)
    if (!accessKey && !token && token !== null)
      throw new TypeError('VoIPBIN needs an accessKey or a token, or VOIPBIN_ACCESS_KEY in the environment')
    this.#options = options
    this.#accessKey = accessKey
    if (!accessKey && token) this.#tokens = shared.get(options) ?? new Tokens(token, { timeoutMs, late: () => noToken(timeoutMs) })
    this.api = createClient<paths>({
      baseUrl: rootOf(baseUrl),
      fetch: request => this.#send(request, { signal: request.signal }),
    })
    for (const [resource, methods] of Object.entries(routes)) {
      const bound = Object.entries(methods).map(([name, route]) => [name, this.#method(route)])
      Object.assign(this, { [resource]: Object.fromEntries(bound) })
    }
  }

  withOptions(options: VoIPBINOptions): VoIPBIN {
    const { accessKey, token, ...rest } = this.#options
    const isOther = options.accessKey || options.token !== undefined
    const merged = { ...rest, ...(!isOther && { accessKey, token }), ...options }
    if (this.#tokens && !isOther) shared.set(merged, this.#tokens)
    return new VoIPBIN(merged)
  }

  /** A method out of its route: path values first, then query or body, then options. */
  #method(route: string): (...args: unknown[]) => unknown {
    const [verb = '', path = '', flags = ''] = route.split(' ')
    const names = [...path.matchAll(/\{(\w+)\}/g)].map(match => match[1] ?? '')
    const has = (flag: string): boolean => flags.includes(flag)
    return (...args) => {
      const inPath = Object.fromEntries(names.map((name, i) => [name, segment(name, args[i])]))
      const rest = args.slice(names.length)
      const query = has('q') ? (rest.shift() as object | undefined) : undefined
      const body = has('b') ? rest.shift() : undefined
      const options = (rest[0] ?? {}) as RequestOptions
      const headers: Record<string, string> = { ...options.headers }
      if (has('i')) headers['idempotency-key'] = options.idempotencyKey ?? randomKey()
      const run = (raw: boolean, more?: object): Promise<Received<unknown>> => {
        // Files may take longer than `timeoutMs`; only their beginning may not.
        const sending = { ...options, isPublic: has('p'), stream: raw || has('r') }
        const parseAs = raw ? 'stream' : has('r') ? 'blob' : 'json'
        return this.#run(verb, path, { body, headers, parseAs, params: { path: inPath, query: { ...query, ...more } } }, sending)
      }
      if (!has('l')) return new Answer(run, true)
      return new Listing((page_token, raw) => run(raw, page_token ? { page_token } : undefined) as Promise<Received<RawPage<unknown>>>)
    }
  }

  async #run(verb: string, path: string, init: object, sending: Sending): Promise<Received<unknown>> {
    // Routes come from the contract; their types are those of the generated resource interfaces.
    const request = this.api.request as unknown as (
      verb: string,
      path: string,
      init: object,
    ) => Promise<Received<unknown> & { error?: unknown }>
    const fetch = (one: Request): Promise<Response> => this.#send(one, sending)
    try {
      const { data, error, response } = await request(verb, path, { ...init, fetch })
      if (!response.ok) throw toError(error, response)
      return { data, response }
    } catch (error) {
      if (error instanceof SyntaxError) throw new ConnectionError('The answer is no JSON.', { cause: error })
      if (sending.stream && error instanceof TypeError) throw connectionFailed(error)
      throw error
    }
  }

  async #send(request: Request, { isPublic, stream, signal, ...own }: Sending): Promise<Response> {
    const { maxRetries = 2, timeoutMs = 30_000, onRetry, fetch = globalThis.fetch } = this.#options
    const limit = own.timeoutMs ?? timeoutMs
    const options = { fetch, maxRetries: own.maxRetries ?? maxRetries, timeoutMs: limit, onRetry, signal, stream }
    const { headers } = request
    if (this.#accessKey && !isPublic) headers.set('authorization', `AccessKey ${this.#accessKey}`)
    const tokens = this.#tokens
    if (!tokens || isPublic) return sendWithRetries(request, options)
    const late = (): Error => noToken(limit)
    const token = await within(() => tokens.get(), { timeoutMs: limit, late, signal })
    if (token) headers.set('authorization', `Bearer ${token}`)
    const response = await sendWithRetries(request, options)
    if (response.status !== 401) return response
    const fresh = await within(() => tokens.renew(token), { timeoutMs: limit, late, signal })
    if (fresh === token) return response
    headers.set('authorization', `Bearer ${fresh}`)
    return sendWithRetries(request, options)
  }
}

export const VoIPBIN: new (options?: VoIPBINOptions) => VoIPBIN = Client as unknown as new (options?: VoIPBINOptions) => VoIPBIN
