import { type ClientFrame, clientFrame, type PingFrame, type ResumeFrame } from '@voipbin/generated/realtime/index'
import { AppError, type ErrorDetail, toDetails } from '@voipbin/kernel'
import { asAnswer, errorBody } from '../errors.ts'
import type { Identity } from '../identity.ts'
import { type Client, closeCodes, wireFrame } from './client.ts'
import type { Address, Hub } from './hub.ts'
import type { Resumed } from './sequence.ts'
import { parseTopic, type Topic, TopicIndex, topicName } from './topics.ts'

/** Longest frame a client may send, in bytes. `ws` closes the socket with 1009 beyond it. */
export const maxFrameBytes = 65_536
/** Frames that may wait for their answer; a client that sends faster is closed. */
const maxWaiting = 100

export interface ProtocolOptions {
  hub: Hub
  /** Checks what an `auth` frame carries; rejects with an AppError. */
  authenticate(credential: { token?: string; accesskey?: string }, client: Client): Promise<Identity>
  /** The resources that have events. A topic of any other is a slip of the pen and is told so. */
  resources: readonly string[]
  /** Whether this identity may listen to the topic. Never says whether a foreign id exists. */
  mayListen(identity: Identity, topic: Topic): Promise<boolean>
  /** Number of the customer's last event; what comes after the ack comes without a hole. 0 while Redis is away. */
  join(customer_id: string): Promise<number>
  /** What followed a number. Never rejects. */
  resume(customer_id: string, seq: number): Promise<Resumed>
  /** Whom an event of the history concerns. */
  addressOf(body: string): Address
  onFault(error: unknown, client: Client): void
}

const reject = (reason: string, status: AppError['status'], message: string, details: ErrorDetail[] = []): AppError =>
  new AppError(reason, status, { message, details })
const frameInvalid = (message: string, details: ErrorDetail[]): AppError => reject('FRAME_INVALID', 'INVALID_ARGUMENT', message, details)

/** The id to answer with, even when the rest of the frame is bad. */
const frameId = (frame: unknown): string | undefined => {
  const id = (frame as { id?: unknown } | null)?.id
  return typeof id === 'string' && id.length <= 64 ? id : undefined
}

/** One parsed frame, as the contract describes it; throws FRAME_INVALID naming the fields and the rules. */
function readFrame(frame: unknown): ClientFrame {
  const { success, data, error } = clientFrame.safeParse(frame)
  if (!success) throw frameInvalid('The frame is not valid.', toDetails(error.issues, frame))
  if (data.type === 'auth' && (data.token === undefined) === (data.accesskey === undefined))
    throw frameInvalid('Give one of token and accesskey.', [{ field: '/token', rule: 'required', expected: 'token or accesskey' }])
  return data
}

/** Answers the frames of one socket, one after another, so that answers come in the order of the questions. */
export class Protocol {
  readonly #options: ProtocolOptions
  constructor(options: ProtocolOptions) {
    this.#options = options
  }

  /** `identity` is known already when the URL carried the credentials; that is acknowledged before any frame is answered. */
  attach(client: Client, identity: Identity | undefined): void {
    let last = identity ? this.#welcome(client, identity) : Promise.resolve()
    let waiting = 0
    client.socket.on('message', (data: Buffer, isBinary: boolean) => {
      client.seen = Date.now()
      if (++waiting > maxWaiting) return this.#options.hub.dropSlow(client)
      last = last.then(async () => {
        await this.#answer(client, isBinary ? undefined : data.toString())
        waiting--
      })
    })
    // A broken socket tells itself by `close`; without a listener the error would end the process.
    client.socket.on('error', error => this.#options.onFault(error, client))
  }

  async #answer(client: Client, text: string | undefined): Promise<void> {
    let id: string | undefined
    let type: string | undefined
    try {
      const parsed = parse(text)
      id = frameId(parsed)
      const frame = readFrame(parsed)
      type = frame.type
      if (frame.type === 'ping') return client.send({ type: 'pong', id })
      if (frame.type === 'resume') return await this.#resume(client, frame)
      const extra = await this.#act(client, frame)
      client.send({ type: 'ack', id, request: frame.type, topics: [...client.topics.keys()], ...extra })
    } catch (thrown) {
      const error = asAnswer(thrown)
      if (error.reason === 'INTERNAL') this.#options.onFault(thrown, client)
      client.send({ type: 'error', id, ...errorBody(error, client.request_id) })
      if (type !== 'auth' || client.identity) return
      if (error.status === 'UNAUTHENTICATED') client.close(closeCodes.unauthenticated, error.reason.toLowerCase())
      if (error.status === 'RESOURCE_EXHAUSTED') client.close(closeCodes.tooManySockets, 'too_many_sockets')
    }
  }

  async #welcome(client: Client, identity: Identity): Promise<void> {
    try {
      client.send({ type: 'ack', request: 'auth', topics: [], ...(await this.#identify(client, identity)) })
    } catch (thrown) {
      const error = asAnswer(thrown)
      client.send({ type: 'error', ...errorBody(error, client.request_id) })
      client.close(
        error.status === 'RESOURCE_EXHAUSTED' ? closeCodes.tooManySockets : closeCodes.unauthenticated,
        error.reason.toLowerCase(),
      )
    }
  }

  async #identify(client: Client, identity: Identity): Promise<{ customer_id: string; seq: number }> {
    this.#options.hub.identify(client, identity)
    return { customer_id: identity.customer_id, seq: await this.#options.join(identity.customer_id) }
  }

  /**
   * Subscribes first, so that nothing falls between; live events wait until the missed ones are out. Then says what was missed, or that nobody
   * can tell.
   */
  async #resume(client: Client, { id, topics: names, seq: since }: ResumeFrame): Promise<void> {
    const identity = signedIn(client)
    const topics = this.#readTopics(names)
    const brought = new Set<number>()
    const fresh = client.topics.size === 0
    client.hold()
    try {
      await this.#subscribe(client, identity, topics)
      const { seq, events, gap } = await this.#options.resume(identity.customer_id, since)
      if (gap) client.send({ type: 'gap', id, ...gap })
      else if (fresh) client.skipTo(since)
      await this.#replay(client, topics, events, brought)
      client.send({ type: 'ack', id, request: 'resume', topics: [...client.topics.keys()], seq, resumed: brought.size })
    } finally {
      client.release(brought)
    }
  }

  /** Sends those of the events that the topics cover, as fast as the socket takes them, and notes their numbers. */
  async #replay(client: Client, topics: readonly Topic[], events: Resumed['events'], brought: Set<number>): Promise<void> {
    const { hub, addressOf } = this.#options
    const index = new TopicIndex<Client>()
    for (const topic of topics) index.add(topic, client)
    for (const { seq, body } of events) {
      const { customer_id, agent_ids, resource_type, resource_id } = addressOf(body)
      if (index.listeners([customer_id, ...agent_ids], resource_type, resource_id).size === 0) continue
      if (!(await client.drained(hub.limits.write_timeout_ms))) {
        hub.dropSlow(client)
        return
      }
      client.write(wireFrame(`{"type":"event","seq":${seq},${body.slice(1)}`))
      brought.add(seq)
    }
  }

  /** Does what the frame asks; returns what the ack carries besides the topics. */
  async #act(client: Client, frame: Exclude<ClientFrame, ResumeFrame | PingFrame>): Promise<{ seq: number }> {
    const { hub } = this.#options
    if (frame.type === 'auth') {
      const identity = await this.#options.authenticate(frame, client)
      const before = client.identity
      // A newer token may take the place of the old one; another identity may not, its topics would stay behind.
      if (before && (before.customer_id !== identity.customer_id || before.actor.id !== identity.actor.id))
        throw reject('PERMISSION_DENIED', 'PERMISSION_DENIED', 'This socket belongs to somebody else. Open another one.')
      return this.#identify(client, identity)
    }
    const identity = signedIn(client)
    const topics = this.#readTopics(frame.topics)
    if (frame.type === 'subscribe') await this.#subscribe(client, identity, topics)
    else for (const topic of topics) hub.unsubscribe(client, topic)
    return { seq: await this.#options.join(identity.customer_id) }
  }

  #readTopics(names: readonly string[]): Topic[] {
    const { resources } = this.#options
    return names.map((text, i) => {
      const topic = parseTopic(text)
      if (!topic) throw topicInvalid(i, 'format', topicForm)
      if (!resources.includes(topic.resource)) throw topicInvalid(i, 'enum', `one of these resources: ${resources.join(', ')}`)
      return topic
    })
  }

  /** All or nothing: with one topic refused, none is added. */
  async #subscribe(client: Client, identity: Identity, topics: Topic[]): Promise<void> {
    const { hub } = this.#options
    const names = new Set([...client.topics.keys(), ...topics.map(topicName)])
    if (names.size > hub.limits.topics_per_socket)
      throw reject('TOO_MANY_TOPICS', 'RESOURCE_EXHAUSTED', `A socket may have ${hub.limits.topics_per_socket} topics.`)
    const allowed = await Promise.all(topics.map(topic => this.#options.mayListen(identity, topic)))
    const expected = 'a topic of your own customer or agent, and the permission <resource>_read'
    const details = allowed.flatMap((ok, i) => (ok ? [] : [{ field: `/topics/${i}`, rule: 'permission', expected }]))
    if (details.length > 0) throw reject('TOPIC_DENIED', 'PERMISSION_DENIED', 'These credentials may not listen to this topic.', details)
    // Gone while we asked: an index entry now would never be removed.
    if (client.open) for (const topic of topics) hub.subscribe(client, topic)
  }
}

function signedIn({ identity }: Client): Identity {
  if (!identity) throw reject('UNAUTHENTICATED', 'UNAUTHENTICATED', 'Send an auth frame first.')
  return identity
}

function parse(text: string | undefined): unknown {
  if (text === undefined) throw frameInvalid('Frames are text.', [{ field: '', rule: 'type', expected: 'a text frame with JSON' }])
  try {
    return JSON.parse(text)
  } catch {
    throw frameInvalid('The frame is not JSON.', [{ field: '', rule: 'json', expected: 'a JSON object' }])
  }
}

const topicForm = 'customer_id:<customer id>:<resource>[:<resource id>] or agent_id:<agent id>:<resource>[:<resource id>]'
const topicInvalid = (i: number, rule: string, expected: string): AppError =>
  reject('TOPIC_INVALID', 'INVALID_ARGUMENT', 'The topic is not valid.', [{ field: `/topics/${i}`, rule, expected }])
