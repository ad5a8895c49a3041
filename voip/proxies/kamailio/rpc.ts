/** Kamailio refused or did not answer. */
export class KamailioError extends Error {
  constructor(method: string, message: string, options?: ErrorOptions) {
    super(`${method}: ${message}`, options)
    this.name = 'KamailioError'
  }
}

export interface KamailioRpc {
  /** Asks; rejects with KamailioError on refusal, silence for 5 s, or no connection. */
  call(method: string, params?: readonly unknown[]): Promise<unknown>
  /** Reads the carriers' addresses anew. */
  reloadAddresses(): Promise<void>
  /** Reads the Asterisks anew. */
  reloadDispatcher(): Promise<void>
}

const timeout_ms = 5_000

/** JSON-RPC to one edge. `control`: its control listener, `http://ip:port`; `token`: its `CONTROL_TOKEN`. */
export function openKamailioRpc(control: string, token: string): KamailioRpc {
  let count = 0
  async function call(method: string, params: readonly unknown[] = []): Promise<unknown> {
    const id = ++count
    const body = JSON.stringify({ jsonrpc: '2.0', method, params, id })
    const answer = await post(method, { url: new URL('/rpc', control), token, body })
    if (answer.error !== undefined) throw new KamailioError(method, `${answer.error.code} ${answer.error.message}`)
    if (answer.id !== id) throw new KamailioError(method, 'answered another request')
    return answer.result
  }
  return {
    call,
    reloadAddresses: async () => void (await call('permissions.addressReload')),
    reloadDispatcher: async () => void (await call('dispatcher.reload')),
  }
}

interface Answer {
  id?: number
  result?: unknown
  error?: { code: number; message: string }
}

async function post(method: string, { url, token, body }: { url: URL; token: string; body: string }): Promise<Answer> {
  try {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` }
    const response = await fetch(url, { method: 'POST', headers, body, signal: AbortSignal.timeout(timeout_ms) })
    return (await response.json()) as Answer
  } catch (error) {
    throw new KamailioError(method, 'no answer', { cause: error })
  }
}
