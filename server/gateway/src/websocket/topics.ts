/** A subscription: everything of one resource type of a customer or an agent, or of one row of it. */
export interface Topic {
  scope: 'customer_id' | 'agent_id'
  scope_id: string
  resource: string
  /** `*` for all rows. */
  resource_id: string
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const resource = /^[a-z][a-z0-9_]{0,63}$/
const resourceId = /^[A-Za-z0-9_.-]{1,64}$/

/** Reads `customer_id:<id>:<resource>[:<resource_id>|:*]` or `agent_id:<id>:…`; `undefined` when it is anything else. */
export function parseTopic(text: string): Topic | undefined {
  const [scope, scope_id, name, row = '*', ...rest] = text.split(':')
  if (rest.length > 0 || (scope !== 'customer_id' && scope !== 'agent_id')) return undefined
  if (scope_id === undefined || !uuid.test(scope_id) || name === undefined || !resource.test(name)) return undefined
  if (row !== '*' && !resourceId.test(row)) return undefined
  return { scope, scope_id, resource: name, resource_id: row }
}

/** The one spelling of a topic, so that `…:call` and `…:call:*` are the same subscription. */
export const topicName = (topic: Topic): string => `${topic.scope}:${topic.scope_id}:${topic.resource}:${topic.resource_id}`

/** Who listens to what: scope id -> resource -> row (or `*`) -> listeners. Ids of customers and agents never collide (UUIDv7). */
export class TopicIndex<L> {
  readonly #scopes = new Map<string, Map<string, Map<string, Set<L>>>>()

  add(topic: Topic, listener: L): void {
    const resources = getOrAdd(this.#scopes, topic.scope_id, () => new Map<string, Map<string, Set<L>>>())
    const rows = getOrAdd(resources, topic.resource, () => new Map<string, Set<L>>())
    getOrAdd(rows, topic.resource_id, () => new Set<L>()).add(listener)
  }

  delete(topic: Topic, listener: L): void {
    const resources = this.#scopes.get(topic.scope_id)
    const rows = resources?.get(topic.resource)
    const listeners = rows?.get(topic.resource_id)
    if (!resources || !rows || !listeners) return
    listeners.delete(listener)
    // Empty levels go, otherwise every customer that ever connected stays in memory.
    if (listeners.size === 0) rows.delete(topic.resource_id)
    if (rows.size === 0) resources.delete(topic.resource)
    if (resources.size === 0) this.#scopes.delete(topic.scope_id)
  }

  /** Everybody who listens to this row in one of these scopes, each once. Not to be changed: it may be the index's own set. */
  listeners(scope_ids: readonly string[], resource: string, resource_id: string): ReadonlySet<L> {
    const found: Set<L>[] = []
    for (const scope_id of scope_ids) {
      const rows = this.#scopes.get(scope_id)?.get(resource)
      for (const name of ['*', resource_id]) {
        const set = rows?.get(name)
        if (set) found.push(set)
      }
    }
    // Mostly all listen to the same: then nothing is copied, however many they are.
    const [first = new Set<L>(), ...rest] = found
    return rest.length === 0 ? first : new Set([...first, ...rest.flatMap(set => [...set])])
  }

  has(scope_id: string): boolean {
    return this.#scopes.has(scope_id)
  }
}

function getOrAdd<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const found = map.get(key)
  if (found !== undefined) return found
  const made = make()
  map.set(key, made)
  return made
}
