import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Caller } from '@voipbin/kernel'
import type { HeaderMap } from './errors.ts'
import type { Identity } from './identity.ts'
import type { Route } from './route.ts'

const wellFormed = /^[A-Za-z0-9][\w.:-]{7,63}$/

/** The caller's own id when it is one that may go into logs and tables, otherwise a new one. */
export function requestIdOf(incoming: IncomingMessage): string {
  const given = incoming.headers['x-request-id']
  return typeof given === 'string' && wellFormed.test(given) ? given : randomUUID()
}

/** Address of the client. Behind `proxies` trusted proxies it is that many entries from the right of X-Forwarded-For. */
export function addressOf(incoming: IncomingMessage, proxies: number): string {
  const peer = incoming.socket.remoteAddress ?? ''
  if (proxies === 0) return peer
  const chain = String(incoming.headers['x-forwarded-for'] ?? '')
    .split(',')
    .map(part => part.trim())
    .filter(Boolean)
  return chain.at(-proxies) ?? peer
}

/** One request on its way through the stages. */
export class Exchange {
  readonly incoming: IncomingMessage
  readonly route: Route
  readonly request_id: string
  readonly address: string
  readonly params: Record<string, string>
  /** Epoch milliseconds. */
  readonly started: number
  /** Headers of the answer, besides the fixed ones. */
  readonly headers: HeaderMap = {}
  identity: Identity | undefined
  #query: URLSearchParams | undefined

  constructor(incoming: IncomingMessage, route: Route, params: Record<string, string>, proxies: number) {
    this.incoming = incoming
    this.route = route
    this.params = params
    this.request_id = requestIdOf(incoming)
    this.address = addressOf(incoming, proxies)
    this.started = Date.now()
  }

  get query(): URLSearchParams {
    if (!this.#query) {
      const url = this.incoming.url ?? ''
      const mark = url.indexOf('?')
      this.#query = new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1))
    }
    return this.#query
  }

  header(name: string): string | undefined {
    const value = this.incoming.headers[name]
    return Array.isArray(value) ? value[0] : value
  }

  /** What travels with the RPC. */
  get caller(): Caller {
    const { identity } = this
    return {
      customer_id: identity?.customer_id ?? '',
      agent_id: identity?.agent_id ?? null,
      actor: identity?.actor ?? { type: 'system', id: 'gateway' },
      permissions: identity?.grants ?? [],
      request_id: this.request_id,
      locale: localeOf(this.header('accept-language')),
      deadline: this.started + this.route.timeout_ms,
      address: this.address,
      user_agent: this.header('user-agent'),
    }
  }
}

/** First language of Accept-Language as BCP 47; `en` when there is none. */
export const localeOf = (header: string | undefined): string => /^[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*/.exec(header ?? '')?.[0] ?? 'en'
