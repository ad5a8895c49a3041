import { setTimeout as delay } from 'node:timers/promises'

/** One answer, or what came instead. */
export interface Answer {
  request: string
  /** `in_progress`: 409 IDEMPOTENCY_IN_PROGRESS for a key whose first request broke off; right until that gateway's claim runs out. */
  status: number | 'refused' | 'hung' | 'in_progress'
  ms: number
}

/** Longest that any request may take, in milliseconds. */
const LIMIT_MS = 45_000

/**
 * Sends requests all the time, in turn to each gateway. A gateway that is not there is passed over, as a load balancer does; everything else is kept.
 * Creates are repeated with their key until they are answered for good.
 */
export class Pump {
  readonly answers: Answer[] = []
  /** Names of what was created, as the answers said. */
  readonly created: string[] = []
  readonly #origins: readonly string[]
  readonly #headers: Record<string, string>
  readonly #paths: readonly string[]
  #running = true
  #done: Promise<void>[] = []

  constructor(api_urls: readonly string[], accesskey: string, paths: readonly string[]) {
    this.#origins = api_urls
    this.#headers = { authorization: `AccessKey ${accesskey}`, 'content-type': 'application/json' }
    this.#paths = paths
    this.#done = [this.#read(), this.#create()]
  }

  async stop(): Promise<Answer[]> {
    this.#running = false
    await Promise.all(this.#done)
    return this.answers
  }

  async #read(): Promise<void> {
    for (let n = 0; this.#running; n++) {
      await this.#send('GET', this.#paths[n % this.#paths.length] ?? '', n)
      await delay(25)
    }
  }

  async #create(): Promise<void> {
    for (let n = 0; this.#running; n++) {
      const name = `pump-${crypto.randomUUID()}`
      const body = JSON.stringify({ name, actions: [{ type: 'hangup' }] })
      const headers = { 'idempotency-key': crypto.randomUUID() }
      let broken = false
      for (let attempt = 0; attempt < 200; attempt++) {
        const status = await this.#send('POST', '/flows', n + attempt, { body, headers, broken })
        broken ||= status === 'refused'
        if (status === 201) {
          this.created.push(name)
          break
        }
        await delay(100)
      }
      await delay(50)
    }
  }

  async #send(
    method: string,
    path: string,
    turn: number,
    { broken = false, ...init }: { body?: string; headers?: Record<string, string>; broken?: boolean } = {},
  ): Promise<number | string> {
    const origin = this.#origins[turn % this.#origins.length] ?? ''
    const began = performance.now()
    const keep = (status: Answer['status']) => {
      this.answers.push({ request: `${method} ${path}`, status, ms: Math.round(performance.now() - began) })
      return status
    }
    try {
      const signal = AbortSignal.timeout(LIMIT_MS)
      const answer = await fetch(origin + path, { method, signal, ...init, headers: { ...this.#headers, ...init.headers } })
      const text = await answer.text()
      return keep(broken && answer.status === 409 && text.includes('"IDEMPOTENCY_IN_PROGRESS"') ? 'in_progress' : answer.status)
    } catch (error) {
      return keep(error instanceof DOMException ? 'hung' : 'refused')
    }
  }
}
