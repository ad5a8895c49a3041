import { type AuthToken, type Call, type Extension, type PageResult, UnauthenticatedError, VoIPBIN } from '@voipbin/sdk'

export type { AuthToken, Call, Extension }

/** REST as the softphone needs it, over the SDK. Errors are the SDK's. */
export class Api {
  token = ''
  readonly #client: VoIPBIN
  readonly #login: VoIPBIN
  readonly #onUnauthenticated: () => void

  /** `onUnauthenticated` is called when the server no longer takes the token. */
  constructor({ api_url, onUnauthenticated = () => undefined }: { api_url: string; onUnauthenticated?: () => void }) {
    this.#onUnauthenticated = onUnauthenticated
    this.#client = new VoIPBIN({
      baseUrl: api_url,
      token: () => this.token,
      maxRetries: 1,
      timeoutMs: 15_000,
      fetch: (input, init) => {
        const request = new Request(input, init)
        if (!this.token) request.headers.delete('authorization')
        return fetch(request)
      },
    })
    // Somebody waits in front of the form: a full rate limit is told at once and not waited out.
    this.#login = this.#client.withOptions({ maxRetries: 0 })
  }

  login(username: string, password: string): Promise<AuthToken> {
    return this.#take(this.#login.auth.login({ username, password }))
  }

  /** Exchanges the token for one with a new hour; the old one is worth nothing from then on. */
  refresh(): Promise<AuthToken> {
    return this.#take(this.#client.auth.refresh())
  }

  /** Ends the session on the server. A server that cannot be reached does not keep anybody from signing out. */
  async logout(): Promise<void> {
    if (this.token) await this.#login.auth.logout().catch(() => undefined)
    this.token = ''
  }

  /** The extensions of the customer, newest first, at most 500. */
  async listExtensions(): Promise<Extension[]> {
    const extensions: Extension[] = []
    await this.#checked(async () => {
      for await (const extension of this.#client.extensions.list({ page_size: 100 })) {
        extensions.push(extension)
        if (extensions.length === 500) break
      }
    })
    return extensions
  }

  /** Gives an extension a new SIP password. Phones that use the old one are refused at their next registration. */
  setExtensionPassword(id: string, password: string): Promise<Extension> {
    return this.#checked(() => this.#client.extensions.update(id, { password }))
  }

  /** The newest calls; `next()` of the answer gives the page before. */
  listCalls({ page_size = 25 }: { page_size?: number } = {}): Promise<PageResult<Call>> {
    return this.#checked(async () => await this.#client.calls.list({ page_size }))
  }

  async #take(answer: Promise<AuthToken>): Promise<AuthToken> {
    const auth = await answer
    this.token = auth.token
    return auth
  }

  async #checked<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    try {
      return await ask()
    } catch (error) {
      if (error instanceof UnauthenticatedError) this.#onUnauthenticated()
      throw error
    }
  }
}
