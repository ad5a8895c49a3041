import type { Cache, Caller } from '@voipbin/kernel'
import { LRUCache } from 'lru-cache'
import type { Ref } from './route.ts'

/** Asks the service that owns the resource; null when there is no such row. */
export type OwnerLookup = (caller: Caller, resource: string, id: string) => Promise<string | null>

/** Owners never change, so what is known stays true; the bound is memory. In seconds. */
const cached_s = 3_600

/**
 * Answers whether a row belongs to a customer (`DECISIONS.md` 22): in-process first, then Redis, then an RPC. Only "yes" is answered from a
 * cache. A foreign row and a missing one both take the whole way, so that the time of the answer does not tell them apart.
 */
export class Owners {
  readonly #known = new LRUCache<string, string>({ max: 50_000 })
  readonly #asking = new Map<string, Promise<string | null>>()
  readonly #cache: Cache
  readonly #lookup: OwnerLookup

  constructor(cache: Cache, lookup: OwnerLookup) {
    this.#cache = cache
    this.#lookup = lookup
  }

  isOwn(caller: Caller, resource: string, id: string): Promise<boolean> {
    return this.#is(caller, { resource, id, fits: owner => owner === caller.customer_id })
  }

  /** Whether there is such a row, whoever has it: for operators. */
  isThere(caller: Caller, resource: string, id: string): Promise<boolean> {
    return this.#is(caller, { resource, id, fits: () => true })
  }

  async #is(caller: Caller, { resource, id, fits }: { resource: string; id: string; fits(owner: string): boolean }): Promise<boolean> {
    const key = `owner:${resource}:${id}`
    const known = this.#known.get(key)
    if (known !== undefined && fits(known)) return true
    const cached = await this.#cache.get<string>(key)
    if (cached !== undefined && fits(cached)) {
      this.#known.set(key, cached)
      return true
    }
    const owner = await this.#ask(key, caller, resource, id)
    if (owner === null) return false
    this.#known.set(key, owner)
    await this.#cache.set(key, owner, cached_s)
    return fits(owner)
  }

  /** Remembers what an answer just told. */
  learn(resource: string, id: string, customer_id: string): void {
    this.#known.set(`owner:${resource}:${id}`, customer_id)
  }

  forget(resource: string, id: string): void {
    this.#known.delete(`owner:${resource}:${id}`)
  }

  /** Requests for the same row at the same moment share one RPC. */
  #ask(key: string, caller: Caller, resource: string, id: string): Promise<string | null> {
    const running = this.#asking.get(key)
    if (running) return running
    const asked = this.#lookup(caller, resource, id).finally(() => this.#asking.delete(key))
    this.#asking.set(key, asked)
    return asked
  }
}

/** The ids a reference points to in a flat input, without those left out or null. */
export function idsAt(input: Record<string, unknown>, ref: Ref): string[] {
  const steps = ref.in === 'body' ? ref.path.split('/').slice(1) : [ref.path.replace(/^\//, '')]
  let values: unknown[] = [input]
  for (const step of steps) values = values.flatMap(value => child(value, step.replaceAll('~1', '/').replaceAll('~0', '~')))
  return values.flat().filter((value): value is string => typeof value === 'string' && value !== '')
}

function child(value: unknown, step: string): unknown[] {
  if (typeof value !== 'object' || value === null) return []
  if (step === '*') return Array.isArray(value) ? value : Object.values(value)
  return Object.hasOwn(value, step) ? [(value as Record<string, unknown>)[step]] : []
}

/**
 * Checks all references at once and returns the resource of the first one (in the contract's order) that is not the caller's, or undefined.
 * `skip` holds resources that belong to the platform and may be named by anybody.
 */
export async function firstForeign(
  owners: Owners,
  caller: Caller,
  input: Record<string, unknown>,
  { refs, skip }: { refs: readonly Ref[]; skip: ReadonlySet<string> },
): Promise<string | undefined> {
  return firstNot(wantedBy(input, refs, skip), ({ resource, id }) => owners.isOwn(caller, resource, id))
}

/** As `firstForeign` for operators, who may name everybody's rows: the resource of the first reference to a row that is not there. */
export const firstMissing = (
  owners: Owners,
  caller: Caller,
  input: Record<string, unknown>,
  refs: readonly Ref[],
): Promise<string | undefined> => firstNot(wantedBy(input, refs), ({ resource, id }) => owners.isThere(caller, resource, id))

interface Wanted {
  resource: string
  id: string
}

function wantedBy(input: Record<string, unknown>, refs: readonly Ref[], skip: ReadonlySet<string> = new Set()): Wanted[] {
  const wanted = new Map<string, Wanted>()
  for (const ref of refs) {
    if (skip.has(ref.resource)) continue
    for (const id of idsAt(input, ref)) wanted.set(`${ref.resource}:${id}`, { resource: ref.resource, id })
  }
  return [...wanted.values()]
}

async function firstNot(rows: readonly Wanted[], fits: (row: Wanted) => Promise<boolean>): Promise<string | undefined> {
  const found = await Promise.all(rows.map(fits))
  return rows[found.indexOf(false)]?.resource
}
