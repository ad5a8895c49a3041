import type { ApiPromise, ApiResult, Page, PageResult } from '../../generated/sdk/request.ts'
import { VoIPBINError } from './errors.ts'

/** What a request brought: the parsed body and the answer it came in. */
export interface Received<T> {
  data: T
  response: Response
}
/** Sends the request. `raw` leaves the body of the answer unread. */
export type Send<T> = (raw: boolean) => Promise<Received<T>>

/** The answer to a request that is on its way. */
export class Answer<T> implements ApiPromise<T> {
  readonly [Symbol.toStringTag] = 'ApiPromise'
  readonly #send: Send<T>
  #received: Promise<Received<T>> | undefined

  /** An eager one is sent even if nobody looks at the answer: after the current step, in which `asResponse` may be said. */
  constructor(send: Send<T>, eager: boolean) {
    this.#send = send
    if (eager) queueMicrotask(() => void this.#start())
  }

  #start(raw = false): Promise<Received<T>> {
    this.#received ??= this.#send(raw)
    return this.#received
  }

  // biome-ignore lint/suspicious/noThenProperty: it is awaited like a promise
  then<A = T, B = never>(
    resolve?: ((data: T) => A | PromiseLike<A>) | null,
    reject?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#start()
      .then(({ data }) => data)
      .then(resolve, reject)
  }

  catch<B = never>(reject?: ((error: unknown) => B | PromiseLike<B>) | null): Promise<T | B> {
    return this.then(null, reject)
  }

  finally(done?: (() => void) | null): Promise<T> {
    return this.then().finally(done)
  }

  async asResponse(): Promise<Response> {
    return (await this.#start(true)).response
  }

  async withResponse(): Promise<Received<T> & { request_id: string }> {
    const received = await this.#start()
    return { ...received, request_id: received.response.headers.get('x-request-id') ?? '' }
  }

  async asResult<R extends string>(): Promise<ApiResult<T, R>> {
    try {
      return { data: await this }
    } catch (error) {
      if (error instanceof VoIPBINError) return { error } as unknown as ApiResult<T, R>
      throw error
    }
  }
}

/** What a list answers. */
export interface RawPage<T> {
  result: T[]
  next_page_token: string
}
export type LoadPage<T> = (page_token: string | undefined, raw: boolean) => Promise<Received<RawPage<T>>>

/** A list that is asked for only when somebody awaits or iterates it. */
export class Listing<T> extends Answer<PageResult<T>> implements Page<T> {
  constructor(load: LoadPage<T>) {
    super(async raw => {
      const { data, response } = await load(undefined, raw)
      return { data: toResult(data, load), response }
    }, false)
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void> {
    for (let page: PageResult<T> | undefined = await this; page; page = await page.next()) yield* page.result
  }
}

const toResult = <T>({ result, next_page_token }: RawPage<T>, load: LoadPage<T>): PageResult<T> => ({
  result,
  next_page_token,
  next: async () => (next_page_token ? toResult((await load(next_page_token, false)).data, load) : undefined),
})
