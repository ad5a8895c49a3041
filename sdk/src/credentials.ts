import { within } from './within.ts'

/** Why a token source is asked. */
export interface TokenRequest {
  /** The platform no longer takes the last token, or it is about to end: a new one is needed. */
  refresh: boolean
}
/**
 * A session token, or where to get one. A function that answers at once is asked before every request; the answer of one that gives a promise is kept until
 * the platform refuses it. Requests that are refused together ask once.
 */
export type TokenSource = string | ((request: TokenRequest) => string | Promise<string>)

export interface TokenLimits {
  /** How long the source may take, in milliseconds. */
  timeoutMs: number
  /** What to reject with when it takes longer. */
  late: () => Error
}

/** The token of one client. */
export class Tokens {
  readonly #source: TokenSource
  readonly #limits: TokenLimits
  #kept: Promise<string> | undefined
  #last: string | undefined
  #refreshing: Promise<string> | undefined

  constructor(source: TokenSource, limits: TokenLimits) {
    this.#source = source
    this.#limits = limits
  }

  async get(): Promise<string> {
    return this.#refreshing ?? this.#kept ?? this.#ask(false)
  }

  /** Another token than the refused one; the same again when there is none. */
  async renew(refused: string): Promise<string> {
    if (this.#refreshing) return this.#refreshing
    // Somebody was faster.
    if (this.#last !== undefined && this.#last !== refused) return this.#last
    this.#refreshing = this.#ask(true)
    try {
      return await this.#refreshing
    } finally {
      this.#refreshing = undefined
    }
  }

  async #ask(refresh: boolean): Promise<string> {
    if (typeof this.#source === 'string') return this.#source
    const given = this.#source({ refresh })
    if (typeof given === 'string') {
      this.#last = given
      return given
    }
    // A source may hang; who waits for it does not, and the next request asks again.
    const answer = within(() => given, this.#limits)
    this.#kept = answer
    answer.catch(() => {
      if (this.#kept === answer) this.#kept = undefined
    })
    this.#last = await answer
    return this.#last
  }
}
