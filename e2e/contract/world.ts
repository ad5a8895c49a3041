import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
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
  /** Every refusal this world has had so far, as `operation REASON`: told by the request's own method and path and by what came back. */
  readonly refusals = new Set<string>()
  readonly #patterns: readonly { id: string; method: string; pattern: RegExp }[]
  #operator: Promise<string> | undefined

  private constructor(state: State, document: Document) {
    this.state = state
    this.origin = originOf(state)
    this.document = document
    this.operations = operationsOf(document)
    // Fixed segments before parameters.
    this.#patterns = [...this.operations]
      .sort((a, b) => a.path.split('{').length - b.path.split('{').length)
      .map(({ id, method, path }) => ({
        id,
        method,
        pattern: new RegExp(`^${path.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}$`),
      }))
  }

  static async open(): Promise<World> {
    const state = JSON.parse(readFileSync(stateFile(), 'utf8')) as State
    const response = await fetch(`${originOf(state)}/openapi.json`)
    return new World(state, (await response.json()) as Document)
  }

  /** One request. Waits and asks again while the rate limit says so. */
  async request(
    method: string,
    path: string,
    { body, headers = {}, timeout_ms = 60_000 }: { body?: string | undefined; headers?: Record<string, string>; timeout_ms?: number } = {},
  ): Promise<Answer> {
    const end = Date.now() + 90_000
    for (;;) {
      const answer = await this.ask(method, path, { body, headers, timeout_ms })
      if (answer.status !== 429 || Date.now() > end) return answer
      await new Promise(resolve => setTimeout(resolve, Number(answer.headers.get('retry-after') ?? 1) * 1_000))
    }
  }

  /** One request and its answer, whatever it is. */
  async ask(
    method: string,
    path: string,
    { body, headers = {}, timeout_ms = 60_000 }: { body?: string | undefined; headers?: Record<string, string>; timeout_ms?: number } = {},
  ): Promise<Answer> {
    const response = await fetch(this.origin + path, {
      method,
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body }),
      signal: AbortSignal.timeout(timeout_ms),
    })
    const text = await response.text()
    const answer: Answer = {
      status: response.status,
      headers: response.headers,
      text,
      body: text.startsWith('{') ? JSON.parse(text) : undefined,
    }
    this.note(method, path, answer)
    return answer
  }

  /** Remembers the refusal, if it is one. */
  note(method: string, path: string, { status, body }: Pick<Answer, 'status' | 'body'>): void {
    const reason = status < 400 ? undefined : (body?.error?.reason as string | undefined)
    const [pathname = ''] = path.split('?')
    const operation = this.#patterns.find(one => one.method === method && one.pattern.test(pathname))
    if (reason !== undefined && operation) this.refusals.add(`${operation.id} ${reason}`)
  }

  async login({ username, password }: Pick<Account, 'username' | 'password'>): Promise<string> {
    const answer = await this.request('POST', '/auth/login', { body: JSON.stringify({ username, password }) })
    if (answer.status !== 200) throw new Error(`login answered ${answer.status}: ${answer.text}`)
    return (answer.body as { token: string }).token
  }

  /** Headers of the operator's super admin, who may name the customer to act for. */
  async operator(customer_id?: string): Promise<Record<string, string>> {
    this.#operator ??= this.login({ username: 'admin@voipbin.example', password: superAdminPassword() })
    const token = await this.#operator
    return customer_id === undefined ? bearer(token) : { ...bearer(token), 'x-voipbin-customer-id': customer_id }
  }

  /** A customer with an administrator, an extension and credit, so that what a test does to it disturbs no other. Its limits are never reached. */
  async customer({ credit = 1_000_000_000 } = {}): Promise<Account> {
    const unique = randomUUID()
    const most = 1_000_000
    const { id } = await this.make('/v1.0/customers', await this.operator(), {
      name: 'Contract test',
      email: `${unique}@contract.example`,
      rate_limits: { api: most, call_create: most, message_create: most, login: most },
    })
    const username = `${unique}@contract.example`
    const password = 'correct horse battery'
    const acting = await this.operator(id)
    const fields = { username, password, name: 'Administrator', permissions: ['customer_admin'], addresses: [] }
    await this.make('/v1.0/agents', acting, fields)
    const mine = bearer(await this.login({ username, password }))
    const { token } = await this.make('/v1.0/accesskeys', mine, { name: 'contract test', scopes: ['customer_admin'] })
    if (credit > 0) {
      const account = await this.request('GET', '/v1.0/billing_account', { headers: mine })
      const fields = { amount: credit, detail: 'Credit of a test' }
      await this.make(`/v1.0/billing_accounts/${account.body.id}/balance_add`, await this.operator(), fields)
    }
    await this.make('/v1.0/extensions', mine, { extension: '1001', password: unique.slice(0, 20) })
    return { customer_id: id, username, password, accesskey: token ?? '' }
  }

  /** Creates a row. Throws when that is refused. */
  async make(path: string, headers: Record<string, string>, fields: object): Promise<{ id: string; token?: string }> {
    const answer = await this.request('POST', path, { body: JSON.stringify(fields), headers })
    if (answer.status !== 201) throw new Error(`POST ${path} answered ${answer.status}: ${answer.text}`)
    return answer.body as { id: string; token?: string }
  }

  /** A new access key of the account, with these scopes. */
  async accesskey(account: Account, fields: { scopes: string[]; expire?: number }): Promise<string> {
    return (await this.make('/v1.0/accesskeys', key(account.accesskey), { name: 'contract test', ...fields })).token ?? ''
  }
}

function stateFile(): string {
  const file = process.env.VOIPBIN_STATE
  if (!file) throw new Error('VOIPBIN_STATE is not set: it names the state.json of a running platform')
  return file
}

const superAdminPassword = (): string =>
  (JSON.parse(readFileSync(join(dirname(stateFile()), 'secrets.json'), 'utf8')) as { super_admin_password: string }).super_admin_password

/** What is wrong with a refusal: a reason that the contract does not declare for the operation. Undefined when nothing is. */
export function undeclared({ id, reasons }: Operation, { status, body, text }: Answer): string | undefined {
  if (status < 400) return undefined
  const reason = body?.error?.reason as string | undefined
  return reason !== undefined && reasons.has(reason) ? undefined : `${id}: ${status} ${reason ?? text.slice(0, 100)} is not declared`
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
