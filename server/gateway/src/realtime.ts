import type { Bus, Event, Logger, RedisCache } from '@voipbin/kernel'
import { frameCredential, readCredential } from './credentials.ts'
import type { CredentialStore } from './credentials-store.ts'
import { gatewayCaller } from './credentials-store.ts'
import { fail } from './errors.ts'
import type { Gate } from './gate.ts'
import type { Identity } from './identity.ts'
import type { Owners } from './owners.ts'
import { wireFrame } from './websocket/client.ts'
import { addressOf, type EventView, openEventFeed } from './websocket/events.ts'
import { openHistory } from './websocket/history.ts'
import { Hub, type HubLimits } from './websocket/hub.ts'
import { Protocol } from './websocket/protocol.ts'
import { type Delivery, Sequencer } from './websocket/sequence.ts'
import { openStateFeed, type StateView } from './websocket/states.ts'
import type { Topic } from './websocket/topics.ts'
import { createUpgrade } from './websocket/upgrade.ts'

export interface RealtimeOptions {
  bus: Bus
  cache: RedisCache
  gate: Gate
  store: CredentialStore
  owners: Owners
  log: Logger
  instance: string
  /** The instance's name outlives the process. */
  stable: boolean
  domains: readonly string[]
  views: Readonly<Record<string, EventView>>
  /** Publishers of states. */
  state_publishers: readonly string[]
  states: Readonly<Record<string, StateView>>
  /** Resources a topic may name -> the permission it needs. */
  topicPermissions: ReadonlyMap<string, string>
  origins: readonly string[]
  limits: Partial<HubLimits>
}

/** Sockets and events of one gateway, put together. */
export function openRealtime(options: RealtimeOptions) {
  const { bus, cache, gate, store, owners, log } = options
  const hub = new Hub({
    limits: options.limits,
    recheck: identity => recheck(identity, gate, store),
    onDrop: (client, reason) =>
      log.info('socket dropped', { request_id: client.request_id, customer_id: client.identity?.customer_id, reason }),
  })
  const sequencer = new Sequencer({
    history: openHistory(cache),
    listens: customer_id => hub.listens(customer_id),
    deliver: (event, seq) => deliver(hub, event, seq),
    onGap: (customer_id, gap) => {
      log.warn('events are missing in the history', { customer_id, ...gap })
      hub.tell({ type: 'gap', ...gap }, customer_id)
    },
    onFault: error => log.warn('events go out unnumbered', { err: error }),
  })
  const recovery = setInterval(() => {
    sequencer.recover().catch(error => log.error('events stay unnumbered', { err: error }))
  }, 1_000)
  recovery.unref()

  const protocol = new Protocol({
    hub,
    authenticate: async (frame, client) =>
      checkSession(gate, await gate.identify(frameCredential(frame), client.request_id), client.request_id),
    resources: [...options.topicPermissions.keys()].sort(),
    mayListen: (identity, topic) => mayListen(identity, topic, options.topicPermissions, owners),
    join: customer_id => sequencer.join(customer_id),
    resume: (customer_id, seq) => sequencer.resume(customer_id, seq),
    addressOf: body => addressOf(JSON.parse(body) as Event),
    onFault: (error, client) => log.warn('socket fault', { request_id: client.request_id, err: error }),
  })
  const upgrade = createUpgrade({
    hub,
    protocol,
    origins: options.origins,
    log,
    authenticate: async (incoming, request_id) => {
      const credential = readCredential(incoming.headers, incoming.url ?? '')
      if (!credential) throw fail.unauthenticated()
      return checkSession(gate, await gate.identify(credential, request_id), request_id)
    },
  })
  const feed = openEventFeed({
    bus,
    instance: options.instance,
    stable: options.stable,
    domains: options.domains,
    views: options.views,
    log,
    accept: event => sequencer.accept(event),
    observe: event => observe(event, { hub, store, cache, log }),
    onMissed: async ({ covered, first }) => {
      if (!first) hub.tell({ type: 'gap', from: 0, to: 0, reason: 'missed' })
      if (!covered) await sequencer.forget()
    },
  })
  const states = openStateFeed({ connect: options.state_publishers, views: options.states, hub, log })
  return {
    hub,
    upgrade,
    ready: (timeout_ms: number) => feed.ready(timeout_ms),
    /** Closes sockets, then the consumer. */
    close: async () => {
      clearInterval(recovery)
      await hub.close()
      await Promise.all([feed.close(), states.close()])
    },
  }
}
export type Realtime = ReturnType<typeof openRealtime>

async function checkSession(gate: Gate, identity: Identity, request_id: string): Promise<Identity> {
  await gate.recheck(identity, request_id)
  return identity
}

/** Rejects when the credentials are no longer valid, or no longer what the topics were granted for. */
async function recheck(identity: Identity, gate: Gate, store: CredentialStore): Promise<void> {
  await gate.recheck(identity, 'socket-recheck')
  if (identity.kind !== 'accesskey') return
  const now = await store.accesskeyByHash(identity.hash, gatewayCaller('socket-recheck', Date.now() + 10_000))
  if (now.grants.join(' ') !== identity.grants.join(' ')) throw fail.unauthenticated()
}

/** Sends one event to whoever listens; the frame is built once, and only if somebody does. */
function deliver(hub: Hub, { body, address }: Delivery, seq: number): void {
  const to = address ?? addressOf(JSON.parse(body) as Event)
  hub.publish(to, () => wireFrame(`{"type":"event","seq":${seq},${body.slice(1)}`), seq)
}

/**
 * A topic of another customer is refused without looking whether anything of that name exists. Within the own customer a topic needs the
 * permission to read the resource; an agent's topics are open to that agent, and to whoever may read agents.
 */
async function mayListen(identity: Identity, topic: Topic, permissions: ReadonlyMap<string, string>, owners: Owners): Promise<boolean> {
  const permission = permissions.get(topic.resource)
  if (permission === undefined) return false
  // `…_own_read` reads the rows of the own customer: exactly what its topics tell.
  const own = permission.replace(/_read$/, '_own_read')
  if (topic.scope === 'customer_id')
    return topic.scope_id === identity.customer_id && (identity.permissions.has(permission) || identity.permissions.has(own))
  if (topic.scope_id === identity.agent_id) return true
  if (!identity.permissions.has('agent_read') || !identity.permissions.has(permission)) return false
  const caller = { ...gatewayCaller('socket-subscribe', Date.now() + 10_000), customer_id: identity.customer_id }
  return owners.isOwn(caller, 'agent', topic.scope_id)
}

interface Observers {
  hub: Hub
  store: CredentialStore
  cache: RedisCache
  log: Logger
}
interface CredentialData {
  token_hash?: string
  jti?: string
  status?: string
}

/** What events mean for credentials: an ended session or deleted key closes its sockets here, whichever gateway ended it. */
const credentialRules: Readonly<Record<string, (on: Observers, id: string, data: CredentialData) => void>> = {
  'session.ended': ({ hub, store, cache }, _id, { token_hash, jti }) => {
    if (token_hash !== undefined) {
      store.forgetSession(token_hash)
      void cache.invalidate(`session:${token_hash}`)
    }
    hub.revoke(({ kind, credential_id, hash }) => kind === 'token' && (credential_id === jti || hash === token_hash), 'session_ended')
  },
  'accesskey.updated': ({ hub, store }, id) => {
    store.forgetAccesskey(id)
    hub.recheck(({ kind, credential_id }) => kind === 'accesskey' && credential_id === id)
  },
  'accesskey.deleted': ({ hub, store }, id) => {
    store.forgetAccesskey(id)
    hub.revoke(({ kind, credential_id }) => kind === 'accesskey' && credential_id === id, 'accesskey_deleted')
  },
  'agent.deleted': ({ hub }, id) => void hub.revoke(({ agent_id }) => agent_id === id, 'agent_deleted'),
  'customer.updated': ({ hub, store }, id, { status }) => {
    store.forgetCustomer(id)
    if (status === 'frozen') hub.revoke(identity => identity.home_customer_id === id, 'customer_frozen')
  },
  'customer.deleted': ({ hub, store }, id) => {
    store.forgetCustomer(id)
    hub.revoke(identity => identity.home_customer_id === id, 'customer_deleted')
  },
}

function observe(event: Event, on: Observers): void {
  if (!Object.hasOwn(credentialRules, event.event_type)) return
  on.log.debug('credentials changed', { event_type: event.event_type, resource_id: event.resource_id })
  credentialRules[event.event_type]?.(on, event.resource_id, (event.data ?? {}) as CredentialData)
}
