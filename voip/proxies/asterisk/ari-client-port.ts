import { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe } from 'node:diagnostics_channel'
import { type Client, connect, type Operation } from 'ari-client'
import type { AriEvent, AriOperation } from './ari-types.ts'
import { EventsSocket } from './events-socket.ts'
import {
  AriError,
  AriUnavailable,
  type AsteriskPort,
  type Params,
  type PortListener,
  type PortOptions,
  REQUEST_TIMEOUT_MS,
  type Result,
  refusalText,
} from './port.ts'

const DESCRIPTION_TIMEOUT_MS = 5_000

/** One request under way. */
interface Asked {
  operation: string
  /** As soon as Asterisk has answered. */
  status?: number
  fail(reason: string): void
}

/**
 * `ari-client`: requests over HTTP, events over a WebSocket. It knows the operations of the Asterisk at hand from that one's own description,
 * which is read at every connect. Its credentials are kept for the whole process: one Asterisk for each process.
 */
export function openAriClientPort(options: PortOptions): AsteriskPort {
  return new AriClientPort(options)
}

class AriClientPort implements AsteriskPort {
  #options: PortOptions
  #events = new EventsSocket(use => this.#dial(use))
  #client: Client | undefined
  #listener: PortListener | undefined
  #asked = new Set<Asked>()

  constructor(options: PortOptions) {
    this.#options = options
  }

  get connected(): boolean {
    return this.#events.open !== undefined
  }

  start(listener: PortListener): void {
    this.#listener = listener
    this.#events.start({
      connected: () => listener.connected(),
      disconnected: reason => {
        for (const asked of this.#asked) asked.fail('connection to Asterisk lost')
        listener.disconnected(reason)
      },
    })
  }

  async request<O extends AriOperation>(operation: O, params: Params<O>): Promise<Result<O>> {
    const client = this.#client
    if (client === undefined || !this.connected) throw new AriUnavailable(`${operation}: not connected to Asterisk`)
    const [resource = '', name = ''] = operation.split('.')
    const call = (client[resource] as Record<string, Operation> | undefined)?.[name]
    if (call === undefined) throw new AriError(operation, 501, 'this Asterisk has no such operation')
    // The operation table says what this is; Asterisk's answers are trusted.
    return plain(await this.#ask(operation, () => call(wireParams(params)))) as Result<O>
  }

  pause(): void {
    this.#events.pause()
  }

  resume(): void {
    this.#events.resume()
  }

  stop(): Promise<void> {
    return this.#events.stop()
  }

  /** A client for each connection, because Asterisk may be another one after a restart and ari-client fails at events it was not told of. */
  async #dial(use: (socket: Client['_ws']) => void): Promise<void> {
    const { url, user, password, app } = this.#options
    const client = await within(DESCRIPTION_TIMEOUT_MS, describe(url, user, password))
    client.on('*', event => this.#listener?.event(event as AriEvent))
    void client.start(app, true)
    this.#client = client
    // ari-client would dial again itself, ten times, and cannot be stopped meanwhile; so each end looks to it like one on purpose
    const onPurpose = () => {
      client._wsClosed = true
    }
    client._ws.prependListener('error', onPurpose)
    client._ws.prependListener('close', onPurpose)
    use(client._ws)
  }

  async #ask(operation: string, call: () => PromiseLike<unknown>): Promise<unknown> {
    const asked: Asked = { operation, fail: () => undefined }
    const failed = new Promise<never>((_, reject) => {
      asked.fail = reason => reject(new AriUnavailable(`${operation}: ${reason}`))
    })
    const timer = setTimeout(() => asked.fail(`no answer within ${REQUEST_TIMEOUT_MS} ms`), REQUEST_TIMEOUT_MS)
    this.#asked.add(asked)
    try {
      return await Promise.race([failed, askingFor.run(asked, call)])
    } catch (error) {
      if (error instanceof AriUnavailable) throw error
      throw new AriError(operation, asked.status ?? 400, refusalText(error instanceof Error ? error.message : String(error)))
    } finally {
      clearTimeout(timer)
      this.#asked.delete(asked)
    }
  }
}

// ari-client keeps the status of a refusal to itself, and leaves a request for ever that got no answer. Node tells both of every HTTP request.
const askingFor = new AsyncLocalStorage<Asked>()
const askedBy = new WeakMap<object, Asked>()
subscribe('http.client.request.created', message => {
  const asked = askingFor.getStore()
  if (asked !== undefined) askedBy.set((message as { request: object }).request, asked)
})
subscribe('http.client.response.finish', message => {
  const { request, response } = message as { request: object; response: { statusCode: number } }
  const asked = askedBy.get(request)
  if (asked !== undefined) asked.status = response.statusCode
})
subscribe('http.client.request.error', message => {
  const { request, error } = message as { request: object; error: Error }
  askedBy.get(request)?.fail(error.message)
})

// swagger-client announces through this global, on stdout and at each connect, that Asterisk's descriptions are old, and keeps all it ever said.
Reflect.set(globalThis, 'log', () => undefined)

/** Rejects when Asterisk does not let itself be described: of an answer other than 200 ari-client makes an exception nobody can catch. */
async function describe(url: string, user: string, password: string): Promise<Client> {
  const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
  const signal = AbortSignal.timeout(DESCRIPTION_TIMEOUT_MS)
  const answer = await fetch(new URL('/ari/api-docs/resources.json', url), { headers: { authorization }, signal })
  await answer.body?.cancel()
  if (!answer.ok) throw new Error(`Asterisk answered ${answer.status} to the question what it can do`)
  return connect(url, user, password)
}

/** ari-client waits for ever for an answer that does not come. */
async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms)
  })
  try {
    return await Promise.race([late, work])
  } finally {
    clearTimeout(timer)
  }
}

/** Lists go into the query, where a comma parts; objects into the body, where ari-client expects the channel variables one level deeper. */
function wireParams(params: object): Record<string, unknown> {
  const given = Object.entries(params).filter(([, value]) => value !== undefined)
  const wire = given.map(([name, value]): [string, unknown] => {
    if (Array.isArray(value)) return [name, value.map(item => String(item).replace(/[\\",()[\]]/g, '\\$&')).join(',')]
    return [name, name === 'variables' ? { variables: value } : value]
  })
  return Object.fromEntries(wire)
}

/** ari-client makes objects with methods of its own out of what Asterisk answered; this is what Asterisk answered. */
function plain(result: unknown): unknown {
  if (Array.isArray(result)) return result.map(plain)
  if (typeof result !== 'object' || result === null || !('_client' in result)) return result
  return Object.fromEntries(Object.entries(result).filter(([name, value]) => !name.startsWith('_') && typeof value !== 'function'))
}
