import { errorBody, of } from '../errors.ts'
import type { Identity } from '../identity.ts'
import { type Client, closeCodes, type WireFrame } from './client.ts'
import { type Topic, TopicIndex, topicName } from './topics.ts'

export interface HubLimits {
  /** Bytes that may wait for one socket before it is dropped as too slow. */
  max_buffered: number
  topics_per_socket: number
  /** On this gateway. */
  sockets_per_customer: number
  ping_ms: number
  pong_wait_ms: number
  write_timeout_ms: number
  /** How long a socket may stay without credentials. */
  auth_wait_ms: number
  /** How often the credentials of an open socket are looked up again, in case the news of their end was missed. */
  recheck_ms: number
}
export const hubLimits: HubLimits = {
  max_buffered: 1_048_576,
  topics_per_socket: 100,
  sockets_per_customer: 1_000,
  ping_ms: 30_000,
  pong_wait_ms: 60_000,
  write_timeout_ms: 10_000,
  auth_wait_ms: 10_000,
  recheck_ms: 60_000,
}

/** Where an event goes: whom it belongs to and which agents it concerns. */
export interface Address {
  customer_id: string
  agent_ids: readonly string[]
  resource_type: string
  resource_id: string
}

interface HubOptions {
  limits?: Partial<HubLimits>
  now?: () => number
  /** Looks the credentials up again; rejects with an AppError when they are no longer valid. */
  recheck?: (identity: Identity) => Promise<unknown>
  /** Told when a socket is dropped, with the reason. */
  onDrop?: (client: Client, reason: string) => void
}

/** All sockets of this gateway and what they listen to. Closing it closes the sockets. */
export class Hub {
  readonly limits: HubLimits
  readonly clients = new Set<Client>()
  readonly #index = new TopicIndex<Client>()
  readonly #perCustomer = new Map<string, number>()
  readonly #options: HubOptions
  readonly #now: () => number
  #lastPing = 0
  readonly #timer: NodeJS.Timeout

  constructor(options: HubOptions = {}) {
    this.#options = options
    this.limits = { ...hubLimits, ...options.limits }
    this.#now = options.now ?? Date.now
    this.#lastPing = this.#now()
    // One timer for all sockets: a timer each would cost more than the sockets themselves.
    this.#timer = setInterval(
      () => this.sweep(),
      Math.min(1_000, this.limits.ping_ms, this.limits.write_timeout_ms, this.limits.auth_wait_ms),
    )
    this.#timer.unref()
  }

  add(client: Client): void {
    this.clients.add(client)
    client.socket.on('pong', () => {
      client.seen = this.#now()
    })
    client.socket.on('close', () => this.#remove(client))
  }

  /** Ties a socket to its credentials. Throws TOO_MANY_SOCKETS when the customer has too many sockets here. */
  identify(client: Client, identity: Identity): void {
    const count = this.#perCustomer.get(identity.customer_id) ?? 0
    if (!client.identity) {
      if (count >= this.limits.sockets_per_customer) throw of('TOO_MANY_SOCKETS')
      this.#perCustomer.set(identity.customer_id, count + 1)
    }
    client.identity = identity
    client.checked = this.#now()
  }

  subscribe(client: Client, topic: Topic): void {
    client.topics.set(topicName(topic), topic)
    this.#index.add(topic, client)
  }

  unsubscribe(client: Client, topic: Topic): void {
    client.topics.delete(topicName(topic))
    this.#index.delete(topic, client)
  }

  /** True when somebody here listens to something of this customer. */
  listens(customer_id: string): boolean {
    return (this.#perCustomer.get(customer_id) ?? 0) > 0
  }

  /**
   * Sends one frame to everybody who listens, each socket once. `build` runs only when somebody does. `seq` is the event's number, 0 if it has
   * none; states have none and overtake events that are held back. Returns how many.
   */
  publish(address: Address, build: () => WireFrame, seq?: number): number {
    const listeners = this.#index.listeners([address.customer_id, ...address.agent_ids], address.resource_type, address.resource_id)
    if (listeners.size === 0) return 0
    const frame = build()
    let sent = 0
    for (const client of listeners) {
      // An agent's topics belong to a customer too; an id that turned up in a foreign event must not open a door.
      if (client.identity?.customer_id !== address.customer_id) continue
      if (client.buffered > this.limits.max_buffered) {
        this.dropSlow(client)
        continue
      }
      if (seq === undefined) client.write(frame)
      else client.deliver(frame, seq)
      sent++
    }
    return sent
  }

  /** Tells all sockets, or those of one customer, that they may have missed something. */
  tell(message: object, customer_id?: string): void {
    for (const client of this.clients)
      if (client.identity && (customer_id === undefined || client.identity.customer_id === customer_id)) client.send(message)
  }

  /** Drops a socket that does not keep up. What it has not read yet comes first, then the reason, if it reads on before the write timeout. */
  dropSlow(client: Client): void {
    if (!client.open) return
    client.send({ type: 'error', ...errorBody(of('SOCKET_TOO_SLOW'), client.request_id) })
    this.#drop(client, closeCodes.tooSlow, 'too_slow', this.limits.write_timeout_ms)
  }

  /** Looks the credentials of these sockets up again with the next sweep. */
  recheck(matches: (identity: Identity) => boolean): void {
    for (const client of this.clients) if (client.identity && matches(client.identity)) client.checked = 0
  }

  /** Closes every socket whose credentials match. Returns how many. */
  revoke(matches: (identity: Identity) => boolean, reason: string): number {
    let closed = 0
    for (const client of this.clients) {
      if (!client.identity || !matches(client.identity)) continue
      client.close(closeCodes.unauthenticated, reason)
      closed++
    }
    return closed
  }

  /** Pings, and drops who is dead, stuck, unknown or expired. Runs every second; tests call it with their own clock. */
  sweep(): void {
    const now = this.#now()
    const ping = now - this.#lastPing >= this.limits.ping_ms
    if (ping) this.#lastPing = now
    for (const client of this.clients) {
      if (now - client.seen > this.limits.pong_wait_ms) this.#cut(client, 'no pong')
      else if (!client.identity && now - client.checked > this.limits.auth_wait_ms)
        this.#drop(client, closeCodes.unauthenticated, 'no_credentials')
      else if (client.identity && client.identity.expires <= now)
        this.#drop(client, closeCodes.unauthenticated, `${client.identity.kind}_expired`)
      else if (this.#isStuck(client, now)) this.#cut(client, 'write timeout')
      else {
        if (ping && client.open) client.socket.ping()
        if (client.identity && now - client.checked > this.limits.recheck_ms) this.#recheck(client, client.identity, now)
      }
    }
  }

  /** Ends all sockets politely; those that do not close within a second are cut. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    const open = [...this.clients]
    for (const client of open) client.close(closeCodes.goingAway, 'going_away')
    const closed = Promise.all(open.map(client => new Promise<void>(resolve => client.socket.once('close', () => resolve()))))
    const cut = setTimeout(() => {
      for (const client of open) client.socket.terminate()
    }, 1_000)
    await closed
    clearTimeout(cut)
  }

  #isStuck(client: Client, now: number): boolean {
    if (client.buffered === 0) client.blockedSince = 0
    else if (client.blockedSince === 0) client.blockedSince = now
    return client.blockedSince !== 0 && now - client.blockedSince > this.limits.write_timeout_ms
  }

  #recheck(client: Client, identity: Identity, now: number): void {
    client.checked = now
    const answer = this.#options.recheck?.(identity)
    // Only a definite "no" closes: while the lookup itself fails, nobody is thrown out.
    answer?.catch((error: { status?: string }) => {
      if (error.status === 'UNAUTHENTICATED') this.#drop(client, closeCodes.unauthenticated, 'revoked')
    })
  }

  #drop(client: Client, code: number, reason: string, linger_ms?: number): void {
    this.#options.onDrop?.(client, reason)
    client.close(code, reason, linger_ms)
    // A slow reader would not see the close frame behind what is queued; it is cut a little later by `ws`.
    this.#forget(client)
  }

  #cut(client: Client, reason: string): void {
    this.#options.onDrop?.(client, reason)
    client.socket.terminate()
  }

  #forget(client: Client): void {
    for (const topic of client.topics.values()) this.#index.delete(topic, client)
    client.topics.clear()
  }

  #remove(client: Client): void {
    if (!this.clients.delete(client)) return
    this.#forget(client)
    const customer_id = client.identity?.customer_id
    if (customer_id === undefined) return
    const count = (this.#perCustomer.get(customer_id) ?? 1) - 1
    if (count > 0) this.#perCustomer.set(customer_id, count)
    else this.#perCustomer.delete(customer_id)
  }
}
