import type { Page, PageResult } from '../../generated/sdk/request.ts'

/** What a list answers. */
export interface RawPage<T> {
  result: T[]
  next_page_token: string
}

/** A list that is asked for only when somebody awaits or iterates it. */
export function lazyPage<T>(load: (page_token: string | undefined) => Promise<RawPage<T>>, token?: string): Page<T> {
  let first: Promise<PageResult<T>> | undefined
  const start = (): Promise<PageResult<T>> => (first ??= load(token).then(page => toResult(page, load)))
  return {
    // biome-ignore lint/suspicious/noThenProperty: a page is awaited as well as iterated
    then: (resolve, reject) => start().then(resolve, reject),
    async *[Symbol.asyncIterator]() {
      for (let page: PageResult<T> | undefined = await start(); page; page = await page.next()) yield* page.result
    },
  }
}

const toResult = <T>(page: RawPage<T>, load: (token: string) => Promise<RawPage<T>>): PageResult<T> => ({
  result: page.result,
  next_page_token: page.next_page_token,
  next: async () => (page.next_page_token ? toResult(await load(page.next_page_token), load) : undefined),
})
