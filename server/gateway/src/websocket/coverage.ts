import type { Bus, Logger, Session } from '@voipbin/kernel'
import { uuid7 } from '@voipbin/kernel'

/** Where gateways ask each other whether somebody has listened all along. Bound to every gateway's queue. */
export const helloExchange = 'gateway.hello'
/** How long the others may take to answer, in milliseconds. They answer after all events that lie before the question. */
const answer_ms = 2_000

interface Hello {
  /** Somebody asks: is every event before this one numbered, or about to be? */
  hello?: string
  /** Yes. */
  covered?: string
}

export interface CoverageOptions {
  bus: Bus
  log: Logger
  /** Resolves once all events taken so far are numbered. */
  settled(): Promise<unknown>
}

/**
 * Finds out whether any gateway listened to the events before this one did. If none did, those events are in no history, and every `resume`
 * across that time must be told so.
 */
export class Coverage {
  readonly #options: CoverageOptions
  readonly #session: Session
  readonly #waiting = new Map<string, () => void>()
  readonly #returned = new Set<string>()
  /** This gateway's own past is whole, so it may vouch for it. */
  #whole = false

  constructor(options: CoverageOptions) {
    this.#options = options
    const { bus } = options
    this.#session = bus.publishing.open({
      confirm: true,
      setup: async channel => {
        await channel.assertExchange(bus.named(helloExchange), 'fanout', { durable: true })
        channel.on('return', message => this.#returned.add(String(message.properties.messageId)))
      },
    })
  }

  /** From here on this gateway hears everything. */
  begin(): void {
    this.#whole = true
  }

  /** Whether any other gateway's queue is there at all: asked before the own one is bound. Assumes so when the broker does not say. */
  async anybody(): Promise<boolean> {
    const id = uuid7()
    await this.#send({}, id)
    return !this.#returned.delete(id)
  }

  /** Whether another gateway has numbered, or will number, everything up to now. Asked after the own queue is bound. */
  async ask(): Promise<boolean> {
    const id = uuid7()
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const timer = setTimeout(() => resolve(false), answer_ms)
    this.#waiting.set(id, () => resolve(true))
    try {
      await this.#send({ hello: id }, id)
      return await promise
    } finally {
      clearTimeout(timer)
      this.#waiting.delete(id)
    }
  }

  /** Takes a message of the exchange. */
  receive(content: Buffer): void {
    const { hello, covered } = JSON.parse(content.toString()) as Hello
    if (covered !== undefined) this.#waiting.get(covered)?.()
    // The own question comes back as well.
    if (hello === undefined || this.#waiting.has(hello) || !this.#whole) return
    this.#options
      .settled()
      .then(() => this.#send({ covered: hello }, uuid7()))
      .catch(error => this.#options.log.debug('hello not answered', { err: error }))
  }

  close(): Promise<void> {
    return this.#session.close()
  }

  async #send(message: Hello, messageId: string): Promise<void> {
    const channel = await this.#session.ready(5_000)
    const options = { mandatory: true, messageId, expiration: String(answer_ms) }
    await new Promise<void>((resolve, reject) => {
      channel.publish(this.#options.bus.named(helloExchange), '', Buffer.from(JSON.stringify(message)), options, error =>
        error ? reject(error as Error) : resolve(),
      )
    })
  }
}
