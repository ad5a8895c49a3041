import { readFileSync } from 'node:fs'
import { type Document, type Operation, operationsOf } from './document.ts'

/** What these tests read of `.voipbin/state.json`. */
interface State {
  api_url: string
  auth_url: string
  demo: Account
  demo_other: Account
}
export interface Account {
  customer_id: string
  username: string
  password: string
  accesskey: string
}
export interface Answer {
  status: number
  headers: Headers
  text: string
  // biome-ignore lint/suspicious/noExplicitAny: answers of every shape
  body: any
}

/** The running platform and two customers of it. `VOIPBIN_STATE` names the state file. */
export class World {
  readonly state: State
  readonly origin: string
  readonly document: Document
  readonly operations: readonly Operation[]

  private constructor(state: State, document: Document) {
    this.state = state
    this.origin = originOf(state)
    this.document = document
    this.operations = operationsOf(document)
  }

  static async open(): Promise<World> {
    const file = process.env.VOIPBIN_STATE
    if (!file) throw new Error('VOIPBIN_STATE is not set: it names the state.json of a running platform')
    const state = JSON.parse(readFileSync(file, 'utf8')) as State
    const response = await fetch(`${originOf(state)}/openapi.json`)
    return new World(state, (await response.json()) as Document)
  }

  /** One request. Waits and asks again while the rate limit says so. */
  async request(
    method: string,
    path: string,
    { body, headers = {} }: { body?: string | undefined; headers?: Record<string, string> } = {},
  ): Promise<Answer> {
    const end = Date.now() + 90_000
    for (;;) {
      const response = await fetch(this.origin + path, {
        method,
        headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
        ...(body === undefined ? {} : { body }),
      })
      const text = await response.text()
      if (response.status !== 429 || Date.now() > end)
        return { status: response.status, headers: response.headers, text, body: text.startsWith('{') ? JSON.parse(text) : undefined }
      await new Promise(resolve => setTimeout(resolve, Number(response.headers.get('retry-after') ?? 1) * 1_000))
    }
  }

  async login({ username, password }: Account): Promise<string> {
    const answer = await this.request('POST', '/auth/login', { body: JSON.stringify({ username, password }) })
    if (answer.status !== 200) throw new Error(`login answered ${answer.status}: ${answer.text}`)
    return (answer.body as { token: string }).token
  }

  /** A new access key of the account, with these scopes. */
  async accesskey(account: Account, fields: { scopes: string[]; expire?: number }): Promise<string> {
    const answer = await this.request('POST', '/v1.0/accesskeys', {
      body: JSON.stringify({ name: 'contract test', ...fields }),
      headers: key(account.accesskey),
    })
    if (answer.status !== 201) throw new Error(`createAccesskey answered ${answer.status}: ${answer.text}`)
    return (answer.body as { token: string }).token
  }
}

const originOf = (state: State): string => new URL(state.api_url).origin

export const key = (accesskey: string): Record<string, string> => ({ authorization: `AccessKey ${accesskey}` })
export const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` })

/** Runs `work` for every item, eight at a time, and collects what it finds wrong. */
export async function findings<T>(items: readonly T[], work: (item: T) => Promise<string | undefined>): Promise<string[]> {
  const found: string[] = []
  const left = [...items]
  const worker = async (): Promise<void> => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) {
      const wrong = await work(item)
      if (wrong !== undefined) found.push(wrong)
    }
  }
  await Promise.all(Array.from({ length: 8 }, worker))
  return found.sort()
}
